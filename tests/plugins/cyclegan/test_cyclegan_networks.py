import pytest
import torch

from gdp.core.arithmetic import count_parameters
from gdp.core.errors import ShapeError
from gdp.plugins.losses.terms import LSGAN, discriminator_loss, feature_matching_loss
from gdp.plugins.pix2pixhd.networks import GlobalGenerator
from gdp.plugins.resnet.networks import GeneratorChannels, PatchDiscriminator, ResnetGenerator


def small(channels=None, **settings):
    torch.manual_seed(0)
    return ResnetGenerator(channels or GeneratorChannels.uniform(4, 2), **settings)


@pytest.mark.parametrize(("blocks", "parameters"), [(9, 11_378_179), (6, 7_837_699), (3, 4_297_219)])
def test_the_published_generators_have_their_published_sizes(blocks, parameters):
    with torch.device("meta"):
        generator = ResnetGenerator(GeneratorChannels.uniform(64, blocks))
    assert count_parameters(generator) == parameters


def test_the_published_discriminator_has_its_published_size():
    with torch.device("meta"):
        assert count_parameters(PatchDiscriminator()) == 2_764_737


def test_it_is_pix2pixhds_generator_with_two_downsamplings():
    torch.manual_seed(0)
    other = GlobalGenerator(width=4, downsamplings=2, blocks=2)
    generator = small()
    generator.load_state_dict(other.state_dict())
    x = torch.rand(1, 3, 16, 24) * 2 - 1
    torch.testing.assert_close(generator(x), other(x))


@pytest.mark.parametrize(
    "settings",
    [{"upsampling": "resize"}, {"norm": "batch"}, {"norm": "instance-tracked"}, {"separable": True}, {"dropout": 0.5}],
)
@pytest.mark.parametrize("training", [True, False])
def test_every_setting_gives_a_picture_of_the_input_size(settings, training):
    picture = small(**settings).train(training)(torch.randn(2, 3, 16, 24))
    assert picture.shape == (2, 3, 16, 24)
    assert picture.abs().max() <= 1


def test_a_generator_of_changes_begins_with_none_and_stays_in_range_in_evaluation():
    generator = small(predicts="change")
    x = torch.rand(2, 3, 16, 24) * 2 - 1
    assert torch.equal(generator(x), x)
    torch.nn.init.constant_(generator.head.bias, 2.0)
    assert generator.train()(x).max() > 1
    assert generator.eval()(x).abs().max() <= 1


def test_a_change_needs_a_picture_that_it_is_added_to():
    with pytest.raises(ValueError, match='predicts="change" adds 3 output channels to the first 3 of the input'):
        small(predicts="change", in_channels=1)


def test_every_width_may_be_odd():
    generator = small(GeneratorChannels(5, 7, 11, (13, 1), 9, 3), in_channels=6, out_channels=1)
    assert generator(torch.randn(1, 6, 8, 12)).shape == (1, 1, 8, 12)
    shapes = {name: tuple(tensor.shape) for name, tensor in generator.state_dict().items()}
    assert shapes["model.10.conv_block.1.weight"] == (13, 11, 3, 3)
    assert shapes["model.11.conv_block.5.weight"] == (11, 1, 3, 3)
    assert shapes["model.12.weight"] == (11, 9, 3, 3)
    assert shapes["model.19.weight"] == (1, 3, 7, 7)


def test_block_paths_name_the_modules_that_give_the_hidden_states():
    generator = small()
    assert generator.block_paths == ["model.10", "model.11"]
    seen = []
    generator.get_submodule("model.11").register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    generator(torch.randn(1, 3, 16, 24))
    assert seen == [(1, 16, 4, 6)]


def test_a_dropout_shifts_the_published_names_even_when_it_drops_nothing():
    assert "model.10.conv_block.5.weight" in small().state_dict()
    assert "model.10.conv_block.6.weight" in small(dropout=0.0).state_dict()
    x = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(small(dropout=0.0)(x), small()(x))


def test_separable_blocks_have_the_names_of_gan_compression():
    names = list(small(separable=True, dropout=0.0).state_dict())
    assert "model.10.conv_block.1.conv.0.weight" in names
    assert "model.10.conv_block.6.conv.2.bias" in names
    assert small(separable=True).get_parameter("model.10.conv_block.1.conv.0.weight").shape == (16, 1, 3, 3)


def test_convolutions_before_a_batch_norm_have_no_bias_as_published():
    names = list(small(norm="batch").state_dict())
    assert "model.1.bias" not in names
    assert "model.2.bias" in names
    assert "model.1.bias" in small(norm="batch", bias=True).state_dict()
    assert "model.19.bias" in names  # the head has no normalisation after it


def test_tracked_instance_norms_use_running_statistics_in_evaluation_alone():
    generator, plain, x = small(norm="instance-tracked"), small(), torch.randn(1, 3, 16, 16)
    torch.testing.assert_close(generator.train()(x), plain(x))
    assert (generator.eval()(x) - plain(x)).abs().max() > 0.01


@pytest.mark.parametrize(("height", "width"), [(30, 16), (16, 30), (4, 16)])
def test_a_size_that_does_not_divide_is_refused_with_what_would_do(height, width):
    with pytest.raises(ShapeError, match=f"{width}x{height} pixels, but both must be multiples of 4 and at least 8"):
        small()(torch.randn(1, 3, height, width))


def test_the_weights_are_drawn_as_published_and_by_the_seed():
    generator = small(GeneratorChannels.uniform(16, 1), norm="batch")
    weight = generator.get_parameter("model.10.conv_block.1.weight")
    assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert generator.get_parameter("model.8.weight").mean().item() == pytest.approx(1, abs=0.02)
    again = small(GeneratorChannels.uniform(16, 1), norm="batch")
    assert all(map(torch.equal, generator.state_dict().values(), again.state_dict().values()))


def test_a_judgement_is_one_scale_of_features_with_the_logits_last():
    discriminator = PatchDiscriminator(in_channels=6, width=4, layers=3)
    (features,) = discriminator(torch.randn(2, 6, 64, 48))
    shapes = [tuple(feature.shape) for feature in features]
    assert shapes == [(2, 4, 32, 24), (2, 8, 16, 12), (2, 16, 8, 6), (2, 32, 7, 5), (2, 1, 6, 4)]


def test_the_discriminator_judges_patches_of_70_pixels():
    discriminator = PatchDiscriminator(width=2).eval()
    for module in discriminator.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.ones_(module.weight)
    # Without the norms, which see the whole picture, a logit's gradient reaches exactly the pixels of its patch.
    convolutions = torch.nn.Sequential(*[m for m in discriminator.model if isinstance(m, torch.nn.Conv2d)])
    x = torch.zeros(1, 3, 160, 160, requires_grad=True)
    logits = convolutions(x)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    reached = x.grad[0, 0].nonzero()
    assert (reached.max(dim=0).values - reached.min(dim=0).values + 1).tolist() == [70, 70]


def test_the_houses_losses_take_its_judgements():
    discriminator = PatchDiscriminator(width=2, layers=1)
    real, fake = discriminator(torch.randn(1, 3, 16, 16)), discriminator(torch.randn(1, 3, 16, 16))
    (discriminator_loss(LSGAN, real, fake) + feature_matching_loss(fake, real)).backward()
    assert all(parameter.grad is not None for parameter in discriminator.parameters())
