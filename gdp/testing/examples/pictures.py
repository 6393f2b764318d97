"""Pictures and pairs that are the same on every machine.

Datasets of the example pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.datasets import Dataset, Part, UnpairedDataset
from gdp.core.pairs.records import PairBatch, PairRecord
from gdp.core.pictures import to_levels

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
    return to_levels(images)


_SEEDS: Mapping[Part, int] = {"trainA": 11, "trainB": 12, "testA": 13, "testB": 14}
_COUNTS: Mapping[Part, int] = {"trainA": 6, "trainB": 5, "testA": 3, "testB": 3}


class TinyDataset(Dataset):
    """Eight pictures."""

    def __init__(self, config: Any = None, context: BuildContext | None = None, resolution: int = RESOLUTION) -> None:
        super().__init__(config, context or BuildContext())
        self._pictures = as_uint8(pictures(8, resolution, seed=10))

    def __len__(self) -> int:
        """Eight."""
        return len(self._pictures)

    @property
    def resolution(self) -> int:
        """Height and width in pixels."""
        return self._pictures.shape[-1]

    def images(self, indices: Sequence[int]) -> Tensor:
        """Return pictures (N, 3, R, R) uint8 RGB."""
        return self._pictures[list(indices)]


class TinyUnpairedDataset(UnpairedDataset):
    """Pictures of two domains: six and five to train on, three and three to test on, the truth of none known."""

    def __init__(self, config: Any = None, context: BuildContext | None = None, resolution: int = RESOLUTION) -> None:
        super().__init__(config, context or BuildContext())
        self._resolution = resolution

    @property
    def resolution(self) -> int:
        """Height and width of all pictures in pixels."""
        return self._resolution

    @property
    def fingerprint(self) -> str:
        """The resolution decides everything."""
        return f"tiny-{self._resolution}"

    def count(self, part: Part) -> int:
        """How many pictures a part has."""
        return _COUNTS[part]

    def images(self, part: Part, indices: Sequence[int]) -> Tensor:
        """Return pictures (N, 3, R, R) uint8 RGB; domain B is warmer than A."""
        images = pictures(self.count(part), self._resolution, seed=_SEEDS[part])[list(indices)]
        if part.endswith("B"):
            images = images + torch.tensor([0.3, 0.0, -0.3]).reshape(1, 3, 1, 1)
        return as_uint8(images)
