"""The three costliest transforms of `winograd`, written out and compiled: each reads and writes its pictures once.

As products with Kronecker products they are several times slower, for the matrices are tiny.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

Matrix = Sequence[Sequence[float]]
Transform = Callable[[Tensor, Matrix], Tensor]


@cache
def compiled(transform: Transform) -> Transform:
    """Return a transform of this module, compiled anew for every shape that it is called with."""
    made: Transform = torch.compile(transform, dynamic=False)
    return made


def of_overlapping_tiles(x: Tensor, matrix: Matrix) -> Tensor:
    """Transform tiles of 6x6 pixels, 4 apart, of `x` (N, 4 r + 2, 4 c + 2, C) by a (6, 6) matrix: (36, N r c, C)."""
    size = len(matrix[0])
    step = size - 2
    rows, columns = x.shape[1] - 2, x.shape[2] - 2
    grid = [
        [x[:, row : row + rows : step, column : column + columns : step] for column in range(size)]
        for row in range(size)
    ]
    return torch.stack(_on_both_axes(matrix, grid)).flatten(1, 3)


def of_tiles(x: Tensor, matrix: Matrix) -> Tensor:
    """Transform the tiles of 4x4 pixels, side by side, of `x` (N, 4 r, 4 c, K) by a (6, 4) matrix: (36, N r c, K)."""
    size = len(matrix[0])
    grid = [[x[:, row::size, column::size] for column in range(size)] for row in range(size)]
    return torch.stack(_on_both_axes(matrix, grid)).flatten(1, 3)


def of_points(x: Tensor, matrix: Matrix) -> Tensor:
    """Transform `x` (36, tiles, C) by a (6, 6) matrix: (36, tiles, C)."""
    size = len(matrix[0])
    grid = [[x[size * row + column] for column in range(size)] for row in range(size)]
    return torch.stack(_on_both_axes(matrix, grid))


def _on_both_axes(matrix: Matrix, grid: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """matrix @ grid @ matrix^T, row by row; the entries of the grid are tensors."""
    columns = [[_combined(row, column) for row in matrix] for column in zip(*grid, strict=True)]
    return [_combined(row, entries) for entries in zip(*columns, strict=True) for row in matrix]


def _combined(factors: Sequence[float], tensors: Sequence[Tensor]) -> Tensor:
    terms = [factor * tensor for factor, tensor in zip(factors, tensors, strict=True) if factor]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
