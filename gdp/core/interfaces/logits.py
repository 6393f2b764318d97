"""The verdict alone of a discriminator that shows its hidden features, too."""

from __future__ import annotations

from torch import Tensor, nn


class Logits(nn.Module):
    """(N, 3, H, W) in [-1, 1] -> the last scale's logits, of any shape.

    Args:
        judge: returns for each scale its feature maps, the logits last (a student's `Discrimination`), or logits alone.
    """

    def __init__(self, judge: nn.Module) -> None:
        super().__init__()
        self.judge = judge

    def forward(self, images: Tensor) -> Tensor:
        """Judge pictures."""
        judged = self.judge(images)
        logits: Tensor = judged if isinstance(judged, Tensor) else judged[-1][-1]
        return logits
