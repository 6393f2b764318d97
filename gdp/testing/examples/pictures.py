"""Pictures and pairs that are the same on every machine."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gdp.core.pairs.records import PairBatch, PairRecord

RESOLUTION = 32
"""Height and width of the example pictures in pixels, unless another is asked for."""


def pictures(count: int, resolution: int = RESOLUTION, *, seed: int = 0) -> Tensor:
    """Draw smooth coloured pictures with some grain, from dark to bright and from dull to rich in contrast.

    Args:
        count: how many.
        resolution: height and width in pixels.
        seed: which ones; the first n are the same whatever the count.

    Returns:
        (count, 3, resolution, resolution) float32 RGB in [-1, 1].
    """
    return torch.stack([_picture(resolution, seed, number) for number in range(count)])


def _picture(resolution: int, seed: int, number: int) -> Tensor:
    random = torch.Generator().manual_seed(1_000_003 * seed + number)
    smooth = functional.interpolate(
        torch.randn(1, 3, 4, 4, generator=random), size=(resolution, resolution), mode="bicubic", align_corners=False
    )[0]
    grain = 0.1 * torch.randn(3, resolution, resolution, generator=random)
    contrast, brightness = torch.rand(2, generator=random).tolist()
    image: Tensor = (0.2 + 0.8 * contrast) * (0.5 * smooth + grain) + brightness - 0.5
    return image.clamp(-1, 1)


def pairs(count: int = 6, resolution: int = RESOLUTION, *, seed: int = 0, source_pictures: int = 1) -> PairBatch:
    """Make pairs: a picture, and the same picture brighter and less blue. The last source is a copy of the first.

    Args:
        count: how many pairs, numbered from 0.
        resolution: height and width in pixels.
        seed: which pictures.
        source_pictures: 1, or 2 for pairs of which the student sees two pictures (6 channels).
    """
    source = pictures(count, resolution, seed=seed)
    if count > 1:
        source[-1] = source[0]
    shift = torch.tensor([0.3, 0.2, -0.2]).reshape(1, 3, 1, 1)
    target = (0.9 * source + shift).clamp(-1, 1)
    both = [source, pictures(count, resolution, seed=seed + 1)][:source_pictures]
    records = [PairRecord(index, seed, {"kind": "example"}) for index in range(count)]
    return PairBatch(list(range(count)), torch.cat(both, dim=1), target, records)


def part_of(batch: PairBatch, positions: list[int]) -> PairBatch:
    """Return some pairs of a batch, by position and in this order."""
    return PairBatch(
        [batch.indices[position] for position in positions],
        batch.source[positions],
        batch.target[positions],
        [batch.records[position] for position in positions],
    )


def as_uint8(images: Tensor) -> Tensor:
    """Turn pictures in [-1, 1] into uint8."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
