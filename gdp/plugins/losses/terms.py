"""The losses as plugins: what each takes of a training step.

Losses that compare pictures pixel by pixel.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.losses import Loss, TrainingStep
from gdp.plugins.losses.adversarial import (
    HINGE,
    LSGAN,
    NON_SATURATING,
    AdversarialObjective,
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
)
from gdp.plugins.losses.config import PerceptualVGGConfig
from gdp.plugins.losses.perceptual import PerceptualLoss, load_vgg19_features


def l1_loss(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of two picture batches (N, C, H, W; [-1, 1]): a scalar from 0 to 2, to minimise."""
    return F.l1_loss(output, target)


class _AdversarialLoss(Loss):
    """What the adversarial losses share: all but the objective, summed over scales as pix2pixHD does.

    Where the way back trains against a discriminator of its own, its terms are added, as CycleGAN does.
    """

    adversarial = True
    objective: ClassVar[AdversarialObjective]

    def generator(self, step: TrainingStep) -> Tensor:
        """Return how far the discriminator is from taking the prediction for a target."""
        return torch.stack([generator_loss(self.objective, way.fake) for way in step.players]).sum()

    def discriminator(self, step: TrainingStep) -> Tensor | None:
        """Return how badly the discriminator tells real and predicted pictures apart, halved as published."""
        trained = [way for way in step.players if way.discriminator_trains]
        losses = [discriminator_loss(self.objective, way.real, way.fake_detached) for way in trained]
        return torch.stack(losses).sum() if losses else None


class LSGANLoss(_AdversarialLoss):
    """Least-squares adversarial loss (Mao et al., ICCV 2017, eq. 9 with a = 0, b = c = 1)."""

    objective = LSGAN


class HingeLoss(_AdversarialLoss):
    """Hinge adversarial loss (Miyato et al., ICLR 2018, eq. 16 and 17)."""

    objective = HINGE


class NonSaturatingLoss(_AdversarialLoss):
    """Logistic non-saturating adversarial loss (Goodfellow et al., 2014, section 3)."""

    objective = NON_SATURATING


class FeatureMatchingLoss(Loss):
    """Feature matching in the discriminator (Wang et al., CVPR 2018, eq. 4); its published weight is 10."""

    adversarial = True

    def generator(self, step: TrainingStep) -> Tensor:
        """Return the weighted L1 distance of the features."""
        return feature_matching_loss(step.fake, step.real)


class PerceptualVGGLoss(Loss):
    """Perceptual loss in a frozen VGG19; its published weight is 10.

    Raises:
        MissingResourceError, CorruptFileError: VGG19's weights cannot be had.
    """

    def __init__(self, config: PerceptualVGGConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        features = load_vgg19_features(config.weights).to(context.device)
        self._distance = PerceptualLoss(features, config.imagenet_normalisation)

    def generator(self, step: TrainingStep) -> Tensor:
        """Return the weighted L1 distance of the activations."""
        distance: Tensor = self._distance(step.prediction, step.target)
        return distance


class L1Loss(Loss):
    """Mean absolute difference, in [0, 2]."""

    def generator(self, step: TrainingStep) -> Tensor:
        """Return the difference of prediction and target."""
        return l1_loss(step.prediction, step.target)
