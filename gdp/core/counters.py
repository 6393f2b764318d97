"""Random numbers by counter: each is determined by a seed, what it is for, and its number, whatever else is drawn.

So a pair, a step or a rendered picture is the same in every batch and order, and after a kill. What was drawn is kept
and compared, so each of these goes on as it is:

- `counter_generator`: a generator for all that one step, epoch or picture needs; the one to take for something new;
- `counter_normal`: the latent z of a pair;
- `counter_fraction`: one number in [0, 1) without torch, such as a pair's side of the split;
- `counter_uniform`, and `counter_keys` with `keyed_uniform`: numbers for many counters at once, as tensors: what is
  rendered is drawn of them.

The last three and `counter_normal` mix bits as splitmix64 does (Steele, Lea and Flood, "Fast splittable pseudorandom
number generators", 2014, figure 17), which keeps neighbouring counters unrelated. This module imports no torch.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_BITS = 64
_WRAP = (1 << _BITS) - 1


def counter_generator(seed: int, stream: str, counter: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator determined by the three; different streams or counters give unrelated numbers.

    Args:
        seed: of all that is drawn.
        stream: what it is drawn for.
        counter: number of the step, epoch or picture.
        device: where it draws; a GPU's generator gives other numbers than a processor's.
    """
    import torch

    digest = hashlib.blake2b(f"{seed}/{stream}/{counter}".encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little"))


def counter_fraction(seed: int, stream: str, counter: int) -> float:
    """Return a number in [0, 1) determined by the three."""
    digest = hashlib.sha256(f"{stream} {seed} {counter}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def counter_normal(size: int, seed: int, index: int, stream: int = 0) -> Tensor:
    """Draw (size,) standard normal float32 numbers on the CPU, determined by (seed, index, stream)."""
    import torch

    mixed = (seed * 0x9E3779B97F4A7C15 + index * 0xBF58476D1CE4E5B9 + stream * 0x94D049BB133111EB) & _WRAP
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _WRAP
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _WRAP
    generator = torch.Generator().manual_seed((mixed ^ (mixed >> 31)) & (_WRAP >> 1))
    return torch.randn(size, generator=generator)


def counter_uniform(seed: int, index: Tensor, stream: int) -> Tensor:
    """Return uniform numbers in [0, 1), float64 of 53 bits, one for each number in `index` (any shape, int64)."""
    state = _finalise((_seeded(seed) ^ index) + _INCREMENT)
    state = _finalise((state ^ stream) + _INCREMENT)
    return _shift_right(state, 11).double() * 2.0**-53


def counter_keys(seed: int, index: Tensor) -> Tensor:
    """Return a key, int64, for each number in `index` (N,) int64; `keyed_uniform` draws from it."""
    return _finalise(_seeded(seed) ^ index)


def keyed_uniform(keys: Tensor, stream: int, count: int) -> Tensor:
    """Return `count` uniform numbers in [0, 1) for each of the keys (N,), as (N, count) float32 of 24 bits."""
    import torch

    stream_keys = _finalise((keys ^ stream) + _INCREMENT)
    bits = _finalise(stream_keys[:, None] + torch.arange(count, dtype=torch.int64) * _INCREMENT)
    return _shift_right(bits, 40).float() * 2.0**-24


def _signed(value: int) -> int:
    """Return the int64 that has the same lowest 64 bits; int64 tensors wrap as unsigned numbers do."""
    return (value + (1 << _BITS - 1)) % (1 << _BITS) - (1 << _BITS - 1)


_INCREMENT = _signed(0x9E3779B97F4A7C15)
_FIRST_FACTOR = _signed(0xBF58476D1CE4E5B9)
_SECOND_FACTOR = _signed(0x94D049BB133111EB)


def _seeded(seed: int) -> Tensor:
    import torch

    return _finalise(torch.tensor(_signed(seed)) + _INCREMENT)


def _finalise(state: Tensor) -> Tensor:
    """Mix the bits of each number of `state` (any shape, int64)."""
    state = (state ^ _shift_right(state, 30)) * _FIRST_FACTOR
    state = (state ^ _shift_right(state, 27)) * _SECOND_FACTOR
    return state ^ _shift_right(state, 31)


def _shift_right(state: Tensor, bits: int) -> Tensor:
    """Shift logically: int64's own shift keeps the sign."""
    return (state >> bits) & ((1 << (_BITS - bits)) - 1)
