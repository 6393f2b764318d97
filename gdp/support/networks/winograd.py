"""3x3 convolutions with a quarter of the multiplications, for training on a CPU without bf16 arithmetic.

Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR
2016, section 4.3): tiles of 6x6 pixels and kernels of 3x3 weights are brought to a domain of 36 points, where the
convolution is 36 products of matrices, and the products back to tiles of 4x4 pixels. In float32 the result differs
from the direct sum by about 1e-5 of its largest value.

A transform of both axes is a product with the Kronecker product of its matrix with itself, or, in a training that
compiles, a function of `winograd_compiled`.

The three costliest transforms of `winograd`, written out and compiled: each reads and writes its pictures once.

As products with Kronecker products they are several times slower, for the matrices are tiny.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from gdp.core.training.precision import compiles

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
    return torch.stack(_rows_on_both_axes(matrix, grid)).flatten(1, 3)


def of_tiles(x: Tensor, matrix: Matrix) -> Tensor:
    """Transform the tiles of 4x4 pixels, side by side, of `x` (N, 4 r, 4 c, K) by a (6, 4) matrix: (36, N r c, K)."""
    size = len(matrix[0])
    grid = [[x[:, row::size, column::size] for column in range(size)] for row in range(size)]
    return torch.stack(_rows_on_both_axes(matrix, grid)).flatten(1, 3)


def of_points(x: Tensor, matrix: Matrix) -> Tensor:
    """Transform `x` (36, tiles, C) by a (6, 6) matrix: (36, tiles, C)."""
    size = len(matrix[0])
    grid = [[x[size * row + column] for column in range(size)] for row in range(size)]
    return torch.stack(_rows_on_both_axes(matrix, grid))


def _rows_on_both_axes(matrix: Matrix, grid: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """matrix @ grid @ matrix^T, row by row; the entries of the grid are tensors."""
    columns = [[_combined(row, column) for row in matrix] for column in zip(*grid, strict=True)]
    return [_combined(row, entries) for entries in zip(*columns, strict=True) for row in matrix]


def _combined(factors: Sequence[float], tensors: Sequence[Tensor]) -> Tensor:
    terms = [factor * tensor for factor, tensor in zip(factors, tensors, strict=True) if factor]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


TILE = 4
"""Pixels of an output tile, vertically and horizontally."""

_POINTS = (TILE + 2) ** 2


_INPUT = (  # B^T of the paper
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_KERNEL = (  # G of the paper
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_OUTPUT = (  # A^T of the paper
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)
_INPUT_TRANSPOSED = tuple(zip(*_INPUT, strict=True))
_OUTPUT_TRANSPOSED = tuple(zip(*_OUTPUT, strict=True))


@cache
def _on_both_axes(matrix: Matrix) -> Tensor:
    """Return a matrix (a, b) times itself, after Kronecker: (a * a, b * b)."""
    values = torch.tensor(matrix, dtype=torch.float32)
    return torch.kron(values, values)


class WinogradConvolution(torch.autograd.Function):
    """A 3x3 convolution of stride 1 without padding, in float32 and channels_last on a CPU.

    The backward pass transforms input and weight again: that costs less than the memory of what they become.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve `x` (N, C, H, W) with `weight` (K, C, 3, 3) to (N, K, H - 2, W - 2)."""
        pictures, _, height, width = x.shape
        grid = (pictures, -(-(height - 2) // TILE), -(-(width - 2) // TILE))
        ctx.grid, ctx.compiled = grid, compiles()
        tiles = _from_input(x, grid, ctx.compiled)  # (36, tiles, C)
        products = torch.bmm(tiles, _from_kernel(weight).transpose(1, 2))  # (36, tiles, K)
        ctx.save_for_backward(x, weight)
        output = _joined(_on_both_axes(_OUTPUT) @ products.view(_POINTS, -1), bias, grid)
        return output[:, :, : height - 2, : width - 2]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Give the gradients of input, weight and bias."""
        x, weight = ctx.saved_tensors
        wants_input, wants_weight, wants_bias = ctx.needs_input_grad
        of_outputs = _from_gradient(gradient, ctx.grid, ctx.compiled)  # (36, tiles, K)
        of_input = of_weight = None
        if wants_weight:
            tiles = _from_input(x, ctx.grid, ctx.compiled)
            of_kernels = torch.bmm(of_outputs.transpose(1, 2), tiles)  # (36, K, C)
            of_weight = _on_both_axes(_KERNEL).t() @ of_kernels.view(_POINTS, -1)
            of_weight = of_weight.view(3, 3, *of_kernels.shape[1:]).permute(2, 3, 0, 1)
            of_weight = of_weight.contiguous(memory_format=torch.channels_last)
        if wants_input:
            of_tiles = torch.bmm(of_outputs, _from_kernel(weight))  # (36, tiles, C)
            of_input = _overlapped(_to_input(of_tiles, ctx.compiled), ctx.grid)
            of_input = of_input[:, :, : x.shape[2], : x.shape[3]]
        return of_input, of_weight, gradient.sum(dim=(0, 2, 3)) if wants_bias else None


Grid = tuple[int, int, int]
"""Pictures, rows r of tiles and columns c of tiles."""


def _from_input(x: Tensor, grid: Grid, is_compiled: bool) -> Tensor:
    """Transform the tiles of `x` (N, C, H, W), which share two pixels with their neighbours: (36, N r c, C)."""
    x = _filled(x, grid[1] * TILE + 2, grid[2] * TILE + 2)
    if is_compiled:
        return compiled(of_overlapping_tiles)(x.permute(0, 2, 3, 1).contiguous(), _INPUT)
    n, c, h, w = x.stride()
    shape = (TILE + 2, TILE + 2, *grid, x.shape[1])
    tiles = x.as_strided(shape, (h, w, n, TILE * h, TILE * w, c)).contiguous()
    return (_on_both_axes(_INPUT) @ tiles.view(_POINTS, -1)).view(_POINTS, -1, x.shape[1])


def _from_kernel(weight: Tensor) -> Tensor:
    """Transform a weight (K, C, 3, 3): (36, K, C)."""
    kernels = _on_both_axes(_KERNEL) @ weight.permute(0, 2, 3, 1).reshape(len(weight), 9, -1)  # (K, 36, C)
    return kernels.transpose(0, 1)


def _from_gradient(gradient: Tensor, grid: Grid, is_compiled: bool) -> Tensor:
    """Transform the tiles of an output's gradient (N, K, H, W) by A: (36, N r c, K)."""
    pixels = _filled(gradient, grid[1] * TILE, grid[2] * TILE).permute(0, 2, 3, 1).contiguous()
    if is_compiled:
        return compiled(of_tiles)(pixels, _OUTPUT_TRANSPOSED)
    pictures, rows, columns = grid
    tiles = pixels.view(pictures, rows, TILE, columns, TILE, -1).permute(2, 4, 0, 1, 3, 5).contiguous()
    transformed = _on_both_axes(_OUTPUT).t() @ tiles.view(TILE * TILE, -1)
    return transformed.view(_POINTS, -1, pixels.shape[3])


def _to_input(of_tiles: Tensor, is_compiled: bool) -> Tensor:
    """Transform gradients (36, tiles, C) by B, to those of the tiles' pixels."""
    if is_compiled:
        return compiled(of_points)(of_tiles, _INPUT_TRANSPOSED)
    return (_on_both_axes(_INPUT).t() @ of_tiles.view(_POINTS, -1)).view_as(of_tiles)


def _overlapped(tiles: Tensor, grid: Grid) -> Tensor:
    """Add up tiles (36, N r c, C) where they overlap, to (N, C, 4 r + 2, 4 c + 2)."""
    pictures, rows, columns = grid
    channels = tiles.shape[2]
    tiles = tiles.view(TILE + 2, TILE + 2, *grid, channels)
    picture = tiles.new_zeros((pictures, TILE * rows + 2, TILE * columns + 2, channels))
    n, h, w, c = picture.stride()

    def part(row: int, column: int, height: int, width: int) -> Tensor:
        shape, strides = (height, width, *grid, channels), (h, w, n, TILE * h, TILE * w, c)
        return picture.as_strided(shape, strides, row * h + column * w)

    part(0, 0, TILE, TILE).copy_(tiles[:TILE, :TILE])
    part(TILE, 0, 2, TILE).add_(tiles[TILE:, :TILE])
    part(0, TILE, TILE, 2).add_(tiles[:TILE, TILE:])
    part(TILE, TILE, 2, 2).add_(tiles[TILE:, TILE:])
    return picture.permute(0, 3, 1, 2)


def _joined(tiles: Tensor, bias: Tensor | None, grid: Grid) -> Tensor:
    """Lay tiles (16, N r c K) side by side and add the bias: (N, K, 4 r, 4 c)."""
    pictures, rows, columns = grid
    tiles = tiles.view(TILE, TILE, *grid, -1)
    joined = tiles.new_empty((pictures, rows, TILE, columns, TILE, tiles.shape[-1]))
    places = joined.permute(2, 4, 0, 1, 3, 5)
    if bias is None:
        places.copy_(tiles)
    else:
        torch.add(tiles, bias, out=places)
    return joined.view(pictures, rows * TILE, columns * TILE, -1).permute(0, 3, 1, 2)


def _filled(x: Tensor, height: int, width: int) -> Tensor:
    """Fill pictures up with zeros below and on the right, to whole tiles."""
    missing = (0, width - x.shape[3], 0, height - x.shape[2])
    return F.pad(x, missing) if any(missing) else x
