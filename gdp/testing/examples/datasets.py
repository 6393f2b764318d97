"""Datasets of the example pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.datasets import Dataset, Part, UnpairedDataset
from gdp.testing.examples.pictures import RESOLUTION, as_uint8, pictures

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
