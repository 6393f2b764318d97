"""Seeded numbers and smooth random curves and surfaces, the same for a scene whatever batch it stands in."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gdp.support.splitmix import INCREMENT, finalise, shift_right, signed


def scene_keys(seed: int, indices: Tensor) -> Tensor:
    """Keys (N,) int64 of scenes `indices` (N,) int64 of `seed`, from which all their random numbers follow."""
    return finalise(finalise(torch.full_like(indices, signed(seed)) + INCREMENT) ^ indices)


def uniform(keys: Tensor, stream: int, *shape: int) -> Tensor:
    """Independent uniform numbers in [0, 1), (N, *shape) float32, of scenes with `keys` (N,).

    Counter-based: splitmix64's finaliser over stream and counter.
    """
    stream_keys = finalise((keys ^ stream) + INCREMENT)
    counters = torch.arange(math.prod(shape), dtype=torch.int64) * INCREMENT
    bits = finalise(stream_keys[:, None] + counters)
    return (shift_right(bits, 40).to(torch.float32) * 2.0**-24).reshape(len(keys), *shape)


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
