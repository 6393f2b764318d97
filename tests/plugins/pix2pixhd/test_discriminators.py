import pytest
import torch

from gdp.plugins.pix2pixhd.networks import MultiscaleDiscriminator


def test_each_scale_sees_half_the_resolution_of_the_one_before_and_ends_in_logits():
    judgement = MultiscaleDiscriminator(width=4, scales=3)(torch.randn(2, 6, 64, 48))
    assert [len(features) for features in judgement] == [5, 5, 5]
    assert [features[0].shape[2:] for features in judgement] == [(33, 25), (17, 13), (9, 7)]
    assert all(features[-1].shape[:2] == (2, 1) for features in judgement)


def test_the_full_resolution_is_judged_by_the_highest_scale_number():
    discriminator = MultiscaleDiscriminator(width=4, scales=2)
    full, half = discriminator(torch.ones(1, 6, 32, 32))
    torch.nn.init.zeros_(discriminator.get_submodule("scale1_layer0.0").weight)
    changed_full, same_half = discriminator(torch.ones(1, 6, 32, 32))
    assert not torch.equal(full[0], changed_full[0])
    assert torch.equal(half[0], same_half[0])


@pytest.mark.parametrize("width", [4, 256])
def test_channels_stop_at_512(width):
    with torch.device("meta"):
        discriminator = MultiscaleDiscriminator(width=width, scales=1)
        judgement = discriminator(torch.empty(1, 6, 32, 32))
    assert [feature.shape[1] for feature in judgement[0]] == [width * 1, *(min(width * k, 512) for k in (2, 4, 8)), 1]


def test_without_features_only_probabilities_are_returned_if_asked_for():
    judgement = MultiscaleDiscriminator(width=4, scales=2, features=False, sigmoid=True)(torch.randn(1, 6, 32, 32))
    assert [len(features) for features in judgement] == [1, 1]
    assert all(0 < value < 1 for features in judgement for value in features[0].flatten().tolist())
