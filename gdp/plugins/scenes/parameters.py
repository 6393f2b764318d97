"""What a scene is: a row of numbers, and the key from which its random curves follow.

Seeded numbers and smooth random curves and surfaces, the same for a scene whatever batch it stands in.

The colours of the hour: sky, sun and the light on the land.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gdp.plugins.faces.drawing import ramp
from gdp.toolbox import counter_keys, keyed_uniform


def uniform(keys: Tensor, stream: int, *shape: int) -> Tensor:
    """Independent uniform numbers in [0, 1), (N, *shape) float32, of scenes with `keys` (N,)."""
    return keyed_uniform(keys, stream, math.prod(shape)).reshape(len(keys), *shape)


def curve(lattice: Tensor, positions: Tensor, smooth: bool) -> Tensor:
    """Interpolate values (N, K) at `positions` (P,) in [0, 1], from the first value to the last: (N, P)."""
    index, weight = _place(positions, lattice.shape[1], smooth)
    left = lattice[:, index]
    return left + (lattice[:, index + 1] - left) * weight


def surface(lattice: Tensor, rows: Tensor, columns: Tensor, smooth: bool = True) -> Tensor:
    """Interpolate values (N, K, L) at `rows` (H,) and `columns` (W,) in [0, 1]: (N, H, W)."""
    index, weight = _place(columns, lattice.shape[2], smooth)
    left = lattice[:, :, index]
    across = left + (lattice[:, :, index + 1] - left) * weight
    index, weight = _place(rows, lattice.shape[1], smooth)
    upper = across[:, index]
    return upper + (across[:, index + 1] - upper) * weight[:, None]


def look_up(table: Tensor, positions: Tensor) -> Tensor:
    """Read tables (N, T) over [0, 1] at each scene's own positions (N, H, W), linearly interpolated."""
    place = positions.clamp(0.0, 1.0) * (table.shape[1] - 1)
    index = place.floor().clamp_max(table.shape[1] - 2)
    weight = place - index
    flat = index.to(torch.int64).flatten(1)
    left, right = (table.gather(1, flat + step).view_as(place) for step in (0, 1))
    return left + (right - left) * weight


def _place(positions: Tensor, size: int, smooth: bool) -> tuple[Tensor, Tensor]:
    """The lattice point left of each position, and how far the position is on the way to the next."""
    place = positions.clamp(0.0, 1.0) * (size - 1)
    index = place.floor().clamp_max(size - 2)
    weight = place - index
    return index.to(torch.int64), weight * weight * (3.0 - 2.0 * weight) if smooth else weight


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
    keys = counter_keys(seed, index.to(torch.int64).cpu())
    return SceneParameters(keys, uniform(keys, 0, len(RANGES)))


_HOURS = (0.0, 0.3, 0.55, 0.8, 1.0)
"""Daytimes at which colours are given: dawn, morning, afternoon, evening, moonlight; between them they blend."""
_ZENITH = ((0.50, 0.58, 0.72), (0.33, 0.52, 0.78), (0.30, 0.50, 0.80), (0.44, 0.47, 0.62), (0.13, 0.17, 0.33))
_SKYLINE = ((0.88, 0.77, 0.73), (0.76, 0.84, 0.90), (0.78, 0.85, 0.88), (0.92, 0.70, 0.50), (0.38, 0.40, 0.54))
_LIGHT = ((0.86, 0.80, 0.80), (1.00, 1.00, 0.98), (1.02, 1.00, 0.95), (0.96, 0.80, 0.64), (0.42, 0.47, 0.62))
_SUN = ((1.00, 0.90, 0.78), (1.00, 0.97, 0.88), (1.00, 0.97, 0.86), (1.00, 0.85, 0.58), (0.93, 0.94, 0.90))


@dataclass(frozen=True)
class Daylight:
    """Colours (N, 3, 1, 1) in [0, 1] of the hour of N scenes; light is a factor and may be a little above 1."""

    zenith: Tensor
    skyline: Tensor
    light: Tensor
    sun: Tensor
    night: Tensor
    """(N, 1, 1): 0 by day to 1 by moonlight."""
    side: Tensor
    """(N, 1, 1): from which side the light comes, -1 (left) to 1 (right)."""


def daylight(scenes: SceneParameters) -> Daylight:
    """The colours of each scene's hour."""
    hour = scenes.number("daytime")
    zenith, skyline, light, sun = (_blend(hour, colours) for colours in (_ZENITH, _SKYLINE, _LIGHT, _SUN))
    side = ((scenes.number("sun_x") - 0.5) * 4.0).clamp(-1.0, 1.0)
    return Daylight(zenith, skyline, light, sun, ramp(hour, 0.82, 0.95), side)


def shades(red: float, green: float, blue: float) -> Tensor:
    """One colour as (1, 3, 1, 1)."""
    return torch.tensor([red, green, blue])[None, :, None, None]


def mix(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Blend colours (N, 3, H, W) with `share` (N, H, W) in [0, 1] of the second."""
    return first + (second - first) * share.unsqueeze(1)


def _blend(hour: Tensor, colours: tuple[tuple[float, float, float], ...]) -> Tensor:
    blended = shades(*colours[0])
    for number in range(1, len(_HOURS)):
        blended = mix(blended, shades(*colours[number]), ramp(hour, _HOURS[number - 1], _HOURS[number]))
    return blended
