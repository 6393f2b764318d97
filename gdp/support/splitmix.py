"""splitmix64: random numbers from counters.

Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014), figure 17. Numbers of 64 bits stand in
int64 tensors, which wrap as unsigned ones do. Imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_BITS = 64


def signed(value: int) -> int:
    """Return the int64 that has the same lowest 64 bits."""
    return (value + (1 << _BITS - 1)) % (1 << _BITS) - (1 << _BITS - 1)


INCREMENT = signed(0x9E3779B97F4A7C15)
"""What separates two neighbouring counters."""
_FIRST_FACTOR = signed(0xBF58476D1CE4E5B9)
_SECOND_FACTOR = signed(0x94D049BB133111EB)


def finalise(state: Tensor) -> Tensor:
    """Mix the bits of each number of `state` (any shape, int64), so that neighbours are unrelated."""
    state = (state ^ shift_right(state, 30)) * _FIRST_FACTOR
    state = (state ^ shift_right(state, 27)) * _SECOND_FACTOR
    return state ^ shift_right(state, 31)


def shift_right(state: Tensor, bits: int) -> Tensor:
    """Shift logically: int64's own shift keeps the sign."""
    return (state >> bits) & ((1 << (_BITS - bits)) - 1)
