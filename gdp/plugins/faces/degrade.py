"""The blemishes that a generated face may have and still be a face."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def degrade(images: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Shift, mirror, blur, tint and add noise to `images` (N, 3, H, W) in [-1, 1], each picture by its own amount.

    `strength` 1 is what the judge is trained with; 0 mirrors only.
    """
    count = len(images)

    def random(*shape: int) -> Tensor:
        return 2.0 * torch.rand(*shape, generator=generator) - 1.0

    matrix = torch.zeros(count, 2, 3)
    zoom, angle = 1.0 + 0.04 * strength * random(count), 0.04 * strength * random(count)
    mirror = random(count).sign()
    matrix[:, 0, 0], matrix[:, 0, 1] = zoom * mirror, angle
    matrix[:, 1, 0], matrix[:, 1, 1] = -angle * mirror, zoom
    matrix[:, :, 2] = 0.06 * strength * random(count, 2)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    images = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    amount = strength * torch.rand(count, 1, 1, 1, generator=generator) * (random(count, 1, 1, 1) > 0.0)
    images = images + amount * (_blur(images) - images)
    contrast, brightness = 1.0 + 0.12 * strength * random(count, 1, 1, 1), 0.10 * strength * random(count, 1, 1, 1)
    images = images * contrast + brightness + 0.04 * strength * random(count, 3, 1, 1)
    grain = 0.06 * strength * torch.rand(count, 1, 1, 1, generator=generator)
    return (images + grain * torch.randn(images.shape, generator=generator)).clamp(-1.0, 1.0)


def _blur(images: Tensor) -> Tensor:
    """Blur with a binomial kernel of 5 x 5 pixels (standard deviation 1 pixel)."""
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0
    kernel = torch.outer(taps, taps).expand(3, 1, 5, 5)
    return functional.conv2d(functional.pad(images, (2, 2, 2, 2), mode="replicate"), kernel, groups=3)
