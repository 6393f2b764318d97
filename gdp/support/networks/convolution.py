"""Convolutions that train faster on a CPU than torch's own, where their shapes allow it.

torch's kernels are near the processor's limit where there are many pixels for each weight; there only fewer
multiplications help (see `winograd`). Where there are many weights for each pixel, as in the middle of pix2pixHD, they
spend most of their time bringing the weights and their gradients from one memory layout to another; a product of
matrices needs no such thing. What is taken depends on shapes alone, so that a training that goes on from a checkpoint
ends in the same bits. Nothing but training is touched: inference has its engines.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from gdp.support.networks.winograd import TILE, WinogradConvolution

# Where torch's own kernels are as fast (measured on two cores with AVX-512: bench/convolutions.py).
_FEWEST_CHANNELS = 128  # of input and of output, for Winograd
_FEWEST_TILES = 64
_FEWEST_WEIGHTS = 2**20  # for a product of matrices
_MOST_PIXELS_PER_CHANNEL = 2  # of the output


class Convolution(nn.Conv2d):
    """`nn.Conv2d` for square kernels without dilation and groups, fast while it trains on a CPU."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `input` (N, C, H, W) to (N, out, H', W'), as `nn.Conv2d` does."""
        (kernel, _), (stride, _), padding = self.kernel_size, self.stride, int(self.padding[0])
        rows, columns = ((side + 2 * padding - kernel) // stride + 1 for side in input.shape[2:])
        if trains_on_cpu(input, self.weight):
            tiles = len(input) * -(-rows // TILE) * -(-columns // TILE)
            fewest = min(self.in_channels, self.out_channels)
            if _has_many_weights(self.weight, self.out_channels, len(input) * rows * columns):
                made: Tensor = MatrixConvolution.apply(_padded(input, padding), self.weight, self.bias, stride)
                return made
            if kernel == 3 and stride == 1 and fewest >= _FEWEST_CHANNELS and tiles >= _FEWEST_TILES:
                made = WinogradConvolution.apply(_padded(input, padding), self.weight, self.bias)
                return made
        return super().forward(input)


class TransposedConvolution(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d` for square kernels without dilation and groups, fast while it trains on a CPU."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Map `input` (N, C, H, W) to (N, out, H', W'), as `nn.ConvTranspose2d` does."""
        if output_size is None and trains_on_cpu(input, self.weight):
            (kernel, _), (stride, _), padding = self.kernel_size, self.stride, int(self.padding[0])
            pixels = len(input) * input.shape[2] * input.shape[3]
            if self.output_padding[0] <= padding and _has_many_weights(self.weight, self.in_channels, pixels):
                made: Tensor = MatrixTransposedConvolution.apply(input, self.weight, stride)
                rows, columns = (
                    (side - 1) * stride - 2 * padding + kernel + int(self.output_padding[0]) for side in input.shape[2:]
                )
                made = made[:, :, padding : padding + rows, padding : padding + columns]
                return made if self.bias is None else made + self.bias[:, None, None]
        return super().forward(input, output_size)


def trains_on_cpu(input: Tensor, weight: Tensor) -> bool:
    """Say whether a layer learns in float32 and channels_last on a CPU, and is neither compiled nor exported."""
    return (
        weight.requires_grad
        and torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and input.device.type == "cpu"
        and input.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not weight.is_contiguous()
        and weight.is_contiguous(memory_format=torch.channels_last)
    )


def _has_many_weights(weight: Tensor, channels: int, pixels: int) -> bool:
    return weight.numel() >= _FEWEST_WEIGHTS and pixels <= _MOST_PIXELS_PER_CHANNEL * channels


def _padded(x: Tensor, padding: int) -> Tensor:
    return F.pad(x, (padding,) * 4) if padding else x


class MatrixConvolution(torch.autograd.Function):
    """A convolution without padding as one product of matrices, in channels_last.

    In that layout the weight, read as (K, kernel * kernel * C), is such a matrix already, and so is its gradient.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
        """Convolve `x` (N, C, H, W) with `weight` (K, C, kernel, kernel; channels_last) to (N, K, H', W')."""
        columns = _columns(x, weight.shape[2], stride)
        matrix = _as_matrix(weight)
        products = columns.flatten(0, 2) @ matrix.t() if bias is None else _affine(bias, columns, matrix)
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return products.view(*columns.shape[:3], -1).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        """Give the gradients of input, weight and bias."""
        x, weight = ctx.saved_tensors
        wants_input, wants_weight, wants_bias, _ = ctx.needs_input_grad
        pixels = gradient.permute(0, 2, 3, 1).flatten(0, 2)  # (N * H' * W', K)
        of_x = of_weight = None
        if wants_weight:
            columns = _columns(x, weight.shape[2], ctx.stride)
            of_weight = _as_weight(pixels.t() @ columns.flatten(0, 2), weight)
        if wants_input:
            products = (pixels @ _as_matrix(weight)).view(*_columns_shape(x, weight.shape[2], ctx.stride))
            of_x = _overlapped(products, ctx.stride, x.shape[2:])
        return of_x, of_weight, pixels.sum(dim=0) if wants_bias else None, None


class MatrixTransposedConvolution(torch.autograd.Function):
    """A transposed convolution without padding as one product of matrices, in channels_last."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        """Map `x` (N, C, H, W) by `weight` (C, K, kernel, kernel; channels_last) to (N, K, H', W')."""
        kernel = weight.shape[2]
        pixels = x.permute(0, 2, 3, 1)
        products = (pixels @ _as_matrix(weight)).view(*pixels.shape[:3], kernel, kernel, -1)
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        rows, columns = ((side - 1) * stride + kernel for side in x.shape[2:])
        return _overlapped(products, stride, torch.Size((rows, columns)))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """Give the gradients of input and weight."""
        x, weight = ctx.saved_tensors
        columns = _columns(gradient, weight.shape[2], ctx.stride).flatten(0, 2)  # (N * H * W, kernel * kernel * K)
        of_x = of_weight = None
        if ctx.needs_input_grad[1]:
            of_weight = _as_weight(x.permute(0, 2, 3, 1).flatten(0, 2).t() @ columns, weight)
        if ctx.needs_input_grad[0]:
            of_x = (columns @ _as_matrix(weight).t()).view(x.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2)
        return of_x, of_weight, None


def _as_matrix(weight: Tensor) -> Tensor:
    """View a channels_last weight (A, B, kernel, kernel) as (A, kernel * kernel * B)."""
    return weight.permute(0, 2, 3, 1).flatten(1)


def _as_weight(matrix: Tensor, like: Tensor) -> Tensor:
    """View a matrix (A, kernel * kernel * B) as a channels_last weight of the shape of `like`."""
    return matrix.view(like.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2)


def _affine(bias: Tensor, columns: Tensor, matrix: Tensor) -> Tensor:
    return torch.addmm(bias, columns.flatten(0, 2), matrix.t())


def _columns_shape(x: Tensor, kernel: int, stride: int) -> tuple[int, ...]:
    rows, columns = ((side - kernel) // stride + 1 for side in x.shape[2:])
    return (len(x), rows, columns, kernel, kernel, x.shape[1])


def _columns(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Copy what each output pixel sees of `x` (N, C, H, W): (N, H', W', kernel * kernel * C)."""
    n, c, h, w = x.stride()
    strides = (n, h * stride, w * stride, h, w, c)
    return x.as_strided(_columns_shape(x, kernel, stride), strides).flatten(3)


def _overlapped(columns: Tensor, stride: int, size: torch.Size) -> Tensor:
    """Add up columns (N, H', W', kernel, kernel, C) where they overlap, to (N, C, *size)."""
    pictures, rows, across, kernel, _, channels = columns.shape
    picture = columns.new_zeros((pictures, *size, channels))
    for row in range(kernel):
        for column in range(kernel):
            place = picture[:, row : row + rows * stride : stride, column : column + across * stride : stride]
            place[:, :rows, :across].add_(columns[:, :, :, row, column])
    return picture.permute(0, 3, 1, 2)
