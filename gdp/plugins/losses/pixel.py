"""Losses that compare pictures pixel by pixel."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def l1_loss(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of two picture batches (N, C, H, W; [-1, 1]): a scalar from 0 to 2, to minimise."""
    return F.l1_loss(output, target)
