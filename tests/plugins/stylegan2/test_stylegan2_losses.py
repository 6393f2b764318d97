"""The objectives against their formulas on functions whose derivatives are known."""

import math

import torch

from gdp.plugins.stylegan2.objectives import discriminator_loss, generator_loss, path_length_penalty, r1_penalty
from gdp.plugins.stylegan2.training_step import mix_styles


def test_adversarial_losses_are_logistic() -> None:
    zero, large = torch.zeros(1, 1), torch.full((1, 1), 50.0)
    assert math.isclose(float(generator_loss(zero)), math.log(2), rel_tol=1e-6)
    assert math.isclose(float(generator_loss(-large)), 50.0, rel_tol=1e-6)
    assert math.isclose(float(discriminator_loss(zero, zero)), 2 * math.log(2), rel_tol=1e-6)
    assert float(discriminator_loss(large, -large)) < 1e-6


def test_r1_is_the_squared_gradient_norm_of_each_sample() -> None:
    images = torch.randn(3, 3, 4, 4, requires_grad=True)
    scale = torch.tensor(2.0, requires_grad=True)
    logits = scale * images.square().sum(dim=(1, 2, 3))[:, None] / 2  # its gradient is scale * image
    penalty = r1_penalty(logits, images)
    torch.testing.assert_close(penalty, 4 * images.square().sum(dim=(1, 2, 3)))
    (derivative,) = torch.autograd.grad(penalty.sum(), scale)
    torch.testing.assert_close(derivative, 2 * scale.detach() * images.detach().square().sum())


def test_path_length_of_a_linear_map() -> None:
    ws = torch.randn(2, 5, 48, requires_grad=True)
    images = (ws.sum(dim=1) * 3).reshape(2, 3, 4, 4)
    noise = torch.randn_like(images)
    penalty, mean = path_length_penalty(images, ws, torch.tensor(1.0), 0.25, noise)
    lengths = 3 * noise.flatten(1).norm(dim=1) / 4  # the picture has 4 * 4 pixels; every layer has the same gradient
    torch.testing.assert_close(mean, 0.75 + 0.25 * lengths.mean())
    torch.testing.assert_close(penalty, (lengths - mean).square())
    assert not mean.requires_grad


def test_styles_are_mixed_from_one_layer_on() -> None:
    ws, other = torch.zeros(4, 6, 2), torch.ones(4, 6, 2)
    assert mix_styles(ws, other, 0.0) is ws
    crossovers = set()
    for seed in range(40):
        mixed = mix_styles(ws, other, 1.0, torch.Generator().manual_seed(seed))
        assert torch.equal(mixed, mixed[:1, :, :1].expand_as(mixed))
        assert torch.equal(mixed, mixed.sort(dim=1).values)
        crossovers.add(int((mixed[0, :, 0] == 0).sum()))
    assert crossovers == {1, 2, 3, 4, 5}
