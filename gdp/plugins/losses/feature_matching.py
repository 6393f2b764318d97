"""Feature matching: the student's pictures should excite the discriminator as the teacher's do."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gdp.plugins.losses.adversarial import Judgement


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
