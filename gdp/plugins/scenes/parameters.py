"""What a scene is: a row of numbers, and the key from which its random curves follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gdp.plugins.scenes.noise import scene_keys, uniform

TREES = 6

_TREE_RANGES = {"x": (0.03, 0.97), "depth": (0.0, 1.0), "size": (0.8, 1.25), "kind": (0.0, 1.0), "shade": (-1.0, 1.0)}

RANGES: dict[str, tuple[float, float]] = {
    "daytime": (0.0, 1.0),
    "sun_x": (0.08, 0.92),
    "sun_y": (0.08, 0.34),
    "cloudiness": (0.0, 1.0),
    "haze": (0.0, 1.0),
    "horizon": (0.46, 0.62),
    "ranges": (1.0, 4.0),
    "ruggedness": (0.0, 1.0),
    "rock": (0.0, 1.0),
    "far_rise": (0.14, 0.34),
    "middle_rise": (0.08, 0.20),
    "near_rise": (0.04, 0.11),
    "water": (0.0, 1.0),
    "bank": (0.74, 0.94),
    "bank_tilt": (-0.14, 0.14),
    "dryness": (0.0, 1.0),
    "season": (0.0, 1.0),
    "tree_line": (-0.5, 1.0),
    "tree_count": (0.0, TREES + 1.0),
    "house": (0.0, 1.0),
    "house_x": (0.12, 0.88),
    "house_size": (0.07, 0.12),
    "house_depth": (0.0, 1.0),
    **{f"tree_{tree}_{name}": bounds for tree in range(TREES) for name, bounds in _TREE_RANGES.items()},
}
"""Uniform ranges of the numbers that decide a scene; lengths are shares of the picture, y counts from its top.

`daytime` goes from dawn (0) over noon and evening to moonlight (1); a scene has water where `water` is below 0.5 and
a house where `house` is below 0.4; `ranges` and `tree_count` are rounded down.
"""

_COLUMNS = {name: column for column, name in enumerate(RANGES)}


@dataclass(frozen=True)
class SceneParameters:
    """The numbers of N scenes."""

    keys: Tensor
    """(N,) int64, from which ridges, clouds and grain follow."""
    table: Tensor
    """(N, K) float32 in [0, 1), one column for each of `RANGES`, independent of one another."""

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: slice | Sequence[int] | Tensor) -> SceneParameters:
        """The scenes at `index`, as a batch."""
        return SceneParameters(self.keys[index], self.table[index])

    def number(self, name: str) -> Tensor:
        """The number `name` of each scene in its range, (N, 1, 1). Raises KeyError for a name not in `RANGES`."""
        low, high = RANGES[name]
        return (low + (high - low) * self.table[:, _COLUMNS[name]])[:, None, None]


def sample_scenes(seed: int, indices: Tensor | range) -> SceneParameters:
    """Draw scenes number `indices`, (N,) int64 or a range, of `seed`; scene i is the same in every batch."""
    index = torch.as_tensor(list(indices)) if isinstance(indices, range) else indices
    keys = scene_keys(seed, index.to(torch.int64).cpu())
    return SceneParameters(keys, uniform(keys, 0, len(RANGES)))
