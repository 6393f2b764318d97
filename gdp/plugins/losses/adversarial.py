"""Adversarial objectives over the outputs of a multi-scale discriminator.

A judgement is one list of feature maps for each scale; the last map of a scale holds its logits (N, 1, H, W). Each
objective averages over a scale's patches and sums over the scales, as pix2pixHD does (Wang et al., CVPR 2018, eq. 3).
The discriminators' losses include the factor 0.5 by which the published recipe slows the discriminator.

Feature matching: the student's pictures should excite the discriminator as the teacher's do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Judgement = Sequence[Sequence[Tensor]]
AdversarialName = Literal["lsgan", "hinge", "non-saturating"]


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
