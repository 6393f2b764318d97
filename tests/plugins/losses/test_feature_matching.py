import pytest
import torch

from gdp.plugins.losses.terms import feature_matching_loss, feature_matching_terms


def features(value):
    return [[torch.full((1, 2, 4, 4), value), torch.full((1, 4, 2, 2), value), torch.zeros(1, 1, 2, 2)]] * 2


def test_terms_are_weighted_by_layers_and_scales_and_leave_the_logits_out():
    terms = feature_matching_terms(features(1.0), features(0.5))
    assert terms.tolist() == [0.5 * 4 / 2 / 2] * 4
    assert feature_matching_loss(features(1.0), features(0.5)).item() == 2.0


def test_no_gradient_reaches_the_real_features():
    fake = torch.zeros(1, 2, 4, 4, requires_grad=True)
    real = torch.ones(1, 2, 4, 4, requires_grad=True)
    feature_matching_loss([[fake, fake[:, :1]]], [[real, real[:, :1]]]).backward()
    assert real.grad is None
    assert (fake.grad < 0).all()


def test_a_discriminator_without_features_is_refused():
    with pytest.raises(ValueError, match="not only its logits"):
        feature_matching_loss([[torch.zeros(1, 1, 2, 2)]], [[torch.zeros(1, 1, 2, 2)]])
