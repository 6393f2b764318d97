"""The losses as the trainer sees them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models import vgg19

from gdp.core.errors import MissingResourceError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.losses import Loss, TrainingStep
from gdp.core.interfaces.students import Discrimination
from gdp.plugins.losses import NoSettings, PerceptualVGGConfig
from gdp.plugins.losses.terms import (
    FeatureMatchingLoss,
    HingeLoss,
    L1Loss,
    LSGANLoss,
    NonSaturatingLoss,
    PerceptualVGGLoss,
)


def step(size: int = 4) -> TrainingStep:
    """A step of constant pictures; the discriminator's logits are their values, its features twice them."""
    prediction = torch.full((2, 3, size, size), 0.5, requires_grad=True)
    target = torch.full((2, 3, size, size), -0.25)

    def discriminate(image: Tensor) -> Discrimination:
        return [[2 * image, image[:, :1]], [2 * image, image[:, :1]]]

    return TrainingStep(
        source=torch.zeros_like(target),
        generate=lambda images: images,
        discriminate_frozen=discriminate,
        discriminate=discriminate,
        make_prediction=lambda: prediction,
        make_target=lambda: target,
    )


def built(loss: type[Loss]) -> Loss:
    return loss(NoSettings(), BuildContext())


def softplus(value: float) -> float:
    return float(torch.nn.functional.softplus(torch.tensor(value)))


@pytest.mark.parametrize(
    ("loss", "generator", "real", "fake"),
    [
        (LSGANLoss, 0.25, 1.5625, 0.25),
        (HingeLoss, -0.5, 1.25, 1.5),
        (NonSaturatingLoss, softplus(-0.5), softplus(0.25), softplus(0.5)),
    ],
)
def test_adversarial_losses_sum_over_scales_and_halve_the_discriminators(
    loss: type[Loss], generator: float, real: float, fake: float
) -> None:
    assert loss.adversarial
    assert built(loss).generator(step()).item() == pytest.approx(2 * generator)
    adversary = built(loss).discriminator(step())
    assert adversary is not None
    assert adversary.item() == pytest.approx(2 * 0.5 * (real + fake))


def test_feature_matching_compares_features_and_not_logits() -> None:
    loss = built(FeatureMatchingLoss)
    assert loss.adversarial
    assert loss.discriminator(step()) is None
    assert loss.generator(step()).item() == pytest.approx(4 * 1.5)  # 4 / layers / scales, over two scales


def test_l1_is_the_mean_absolute_difference() -> None:
    assert not L1Loss.adversarial
    assert built(L1Loss).generator(step()).item() == pytest.approx(0.75)


def test_perceptual_loss_reads_its_weights_from_the_named_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    with torch.device("meta"):
        network = vgg19(weights=None)
    features = network.features.to_empty(device="cpu")
    for weight in features.parameters():
        torch.nn.init.normal_(weight, 0.0, 0.05)
    torch.save({f"features.{name}": value for name, value in features.state_dict().items()}, tmp_path / "vgg.pth")
    loss = PerceptualVGGLoss(PerceptualVGGConfig(weights=tmp_path / "vgg.pth"), BuildContext())
    pictures = step(32)
    value = loss.generator(pictures)
    value.backward()
    assert float(value.detach()) > 0
    assert pictures.prediction.grad is not None
    with pytest.raises(MissingResourceError, match=r"absent\.pth is not there"):
        PerceptualVGGLoss(PerceptualVGGConfig(weights=tmp_path / "absent.pth"), BuildContext())
