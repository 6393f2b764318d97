"""The losses as plugins: what each takes of a training step."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.losses import Loss, TrainingStep
from gdp.plugins.losses.adversarial import (
    HINGE,
    LSGAN,
    NON_SATURATING,
    AdversarialObjective,
    discriminator_loss,
    generator_loss,
)
from gdp.plugins.losses.config import PerceptualVGGConfig
from gdp.plugins.losses.feature_matching import feature_matching_loss
from gdp.plugins.losses.perceptual import PerceptualLoss, load_vgg19_features
from gdp.plugins.losses.pixel import l1_loss


class _AdversarialLoss(Loss):
    """What the adversarial losses share: all but the objective, summed over scales as pix2pixHD does."""

    adversarial = True
    objective: ClassVar[AdversarialObjective]

    def generator(self, step: TrainingStep) -> Tensor:
        """Return how far the discriminator is from taking the prediction for a target."""
        return generator_loss(self.objective, step.fake)

    def discriminator(self, step: TrainingStep) -> Tensor:
        """Return how badly the discriminator tells target and prediction apart, halved as published."""
        return discriminator_loss(self.objective, step.real, step.fake_detached)


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
