"""The losses as plugins: what each takes of a training step.

Losses that compare pictures pixel by pixel.

Adversarial objectives over the outputs of a multi-scale discriminator.

A judgement is one list of feature maps for each scale; the last map of a scale holds its logits (N, 1, H, W). Each
objective averages over a scale's patches and sums over the scales, as pix2pixHD does (Wang et al., CVPR 2018, eq. 3).
The discriminators' losses include the factor 0.5 by which the published recipe slows the discriminator.

Feature matching: the student's pictures should excite the discriminator as the teacher's do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gdp import BuildContext, Loss, TrainingStep
from gdp.plugins.losses import PerceptualVGGConfig, STLPIPSConfig
from gdp.plugins.losses.perceptual import PerceptualLoss, load_vgg19_features
from gdp.plugins.losses.shift_tolerant import load_distance


class AdversarialObjective(NamedTuple):
    """The two players' losses as functions of one scale's logits, each giving a scalar to minimise."""

    generator: Callable[[Tensor], Tensor]
    """Loss of the generator by the logits of its pictures."""
    real: Callable[[Tensor], Tensor]
    """Loss of the discriminator by its logits of real pictures."""
    fake: Callable[[Tensor], Tensor]
    """Loss of the discriminator by its logits of generated pictures."""


LSGAN = AdversarialObjective(
    generator=lambda logits: (logits - 1).square().mean(),
    real=lambda logits: (logits - 1).square().mean(),
    fake=lambda logits: logits.square().mean(),
)
"""Least squares (Mao et al., ICCV 2017, eq. 9 with a = 0, b = c = 1, without its 1/2)."""

HINGE = AdversarialObjective(
    generator=lambda logits: -logits.mean(),
    real=lambda logits: F.relu(1 - logits).mean(),
    fake=lambda logits: F.relu(1 + logits).mean(),
)
"""Hinge (Lim and Ye, 2017; Miyato et al., ICLR 2018, eq. 16 and 17)."""

NON_SATURATING = AdversarialObjective(
    generator=lambda logits: F.softplus(-logits).mean(),
    real=lambda logits: F.softplus(-logits).mean(),
    fake=lambda logits: F.softplus(logits).mean(),
)
"""Logistic, non-saturating (Goodfellow et al., 2014, section 3): binary cross entropy of sigmoid(logits)."""

OBJECTIVES: dict[AdversarialName, AdversarialObjective] = {
    "lsgan": LSGAN,
    "hinge": HINGE,
    "non-saturating": NON_SATURATING,
}


def generator_loss(objective: AdversarialObjective, fake: Judgement) -> Tensor:
    """Score the generator by the judgement of its pictures: a scalar to minimise, summed over the scales."""
    return _summed(objective.generator, fake)


def discriminator_loss(objective: AdversarialObjective, real: Judgement, fake: Judgement) -> Tensor:
    """Score the discriminator: half of (loss on real + loss on fake), summed over the scales.

    `fake` may hang on the generator's graph; take its gradient for the discriminator's parameters only.
    """
    return 0.5 * (_summed(objective.real, real) + _summed(objective.fake, fake))


def _summed(loss: Callable[[Tensor], Tensor], judgement: Judgement) -> Tensor:
    return torch.stack([loss(features[-1].float()) for features in judgement]).sum()


def feature_matching_terms(fake: Judgement, real: Judgement) -> Tensor:
    """Weighted L1 distances of all features but the logits, scale by scale: (scales * (layers - 1),).

    4 / (n_layers + 1) / scales * mean |fake - real| with n_layers + 1 features before the logits (Wang et al., CVPR
    2018, eq. 4, with the weights of the published code). No gradient reaches `real`. Raises ValueError where the
    discriminator returned logits only.
    """
    if any(len(features) < 2 for features in fake):
        raise ValueError("feature matching needs a discriminator that returns its features, not only its logits")
    terms = []
    for fake_features, real_features in zip(fake, real, strict=True):
        weight = 4.0 / (len(fake_features) - 1) / len(fake)
        for fake_feature, real_feature in zip(fake_features[:-1], real_features[:-1], strict=True):
            terms.append(weight * F.l1_loss(fake_feature, real_feature.detach()))
    return torch.stack(terms)


def feature_matching_loss(fake: Judgement, real: Judgement) -> Tensor:
    """Sum of `feature_matching_terms`: a scalar to minimise; the published recipe weighs it by 10."""
    return feature_matching_terms(fake, real).sum()


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


class STLPIPSLoss(Loss):
    """Shift-tolerant perceptual loss, ST-LPIPS (Ghildyal and Liu, ECCV 2022), the mean over the batch.

    The network is frozen and no part of the student; pictures below 32 px are enlarged to that. Under autocast its
    convolutions run in bf16, its sums in float32.

    Raises:
        MissingResourceError, CorruptFileError: the weights that `gdp-distill[perceptual]` brings cannot be had.
    """

    def __init__(self, config: STLPIPSConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self._distance = load_distance(config.network, config.resolution).to(context.device)

    def generator(self, step: TrainingStep) -> Tensor:
        """Return the mean distance of the predictions from their targets; no gradient reaches these."""
        distances: Tensor = self._distance(step.prediction, step.target)
        return distances.mean()


class L1Loss(Loss):
    """Mean absolute difference, in [0, 2]."""

    def generator(self, step: TrainingStep) -> Tensor:
        """Return the difference of prediction and target."""
        return l1_loss(step.prediction, step.target)


_SMALLEST_SQUARE = 1e-12
"""Added below the root, whose slope has no end at 0."""


class RMSELoss(Loss):
    """Root of the mean squared difference over the whole batch, in [0, 2]: what PSNR measures, at any scale alike."""

    def generator(self, step: TrainingStep) -> Tensor:
        """Return the root of the mean squared difference of prediction and target."""
        return (F.mse_loss(step.prediction, step.target) + _SMALLEST_SQUARE).sqrt()


Judgement = Sequence[Sequence[Tensor]]
AdversarialName = Literal["lsgan", "hinge", "non-saturating"]
