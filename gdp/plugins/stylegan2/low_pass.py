"""StyleGAN2's low-pass filter over every channel by itself, with derivatives of any order that are filters again.

torch differentiates a depthwise convolution twice by a loop over its channels, because the kernel might need a
gradient; here it never does. The backward pass of a filter spreads, that of spreading filters, so that R1 and the path
length, which differentiate twice, cost what their pictures cost (`bench/regularisers.py` measures it).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def low_pass_filter() -> Tensor:
    """Return the separable binomial filter [1, 3, 3, 1] as (4, 4) with sum 1 (StyleGAN, section 2)."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = torch.outer(taps, taps)
    return kernel / kernel.sum()


def filter_channels(x: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    """Filter every channel of x (N, C, H, W) with one kernel (k, k) without gradient, by convolution (kernel flipped).

    Zeros are padded on all sides; with `stride` 2 every second row and column of the result is left out.
    """
    return _differentiated(_Filter, x, kernel.flip((0, 1)), stride, padding)


def upsample(x: Tensor, kernel: Tensor) -> Tensor:
    """Double the size of x (N, C, H, W): zeros inserted, then the low-pass filter `kernel` (4, 4) with gain 4."""
    size = (2 * x.shape[2], 2 * x.shape[3])
    return _differentiated(_Spread, x, kernel * 4, 2, 1, size)


def downsample(x: Tensor, kernel: Tensor) -> Tensor:
    """Halve the size of x (N, C, H, W) after the low-pass filter `kernel` (4, 4)."""
    return filter_channels(x, kernel, stride=2, padding=1)


def _differentiated(function: type[_Filter] | type[_Spread], x: Tensor, *arguments: Any) -> Tensor:
    if not (torch.is_grad_enabled() and x.requires_grad):
        return function.compute(x, *arguments)  # what traces or exports a network sees torch's own operators
    result: Tensor = function.apply(x, *arguments)
    return result


class _Filter(torch.autograd.Function):
    """Correlation of every channel with one kernel; its derivative is `_Spread` with the same kernel."""

    @staticmethod
    def compute(x: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
        return functional.conv2d(x, _weight(kernel, x), stride=stride, padding=padding, groups=x.shape[1])

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.stride, ctx.padding, ctx.size = stride, padding, x.shape[2:]
        return _Filter.compute(x, kernel, stride, padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (kernel,) = ctx.saved_tensors
        return _differentiated(_Spread, gradients[0], kernel, ctx.stride, ctx.padding, ctx.size), None, None, None


class _Spread(torch.autograd.Function):
    """The transpose of `_Filter`, to a given height and width; its derivative is `_Filter` with the same kernel."""

    @staticmethod
    def compute(x: Tensor, kernel: Tensor, stride: int, padding: int, size: Sequence[int]) -> Tensor:
        if stride == 1:  # the same filter turned around, which processors do faster than its transpose
            return _Filter.compute(x, kernel.flip((0, 1)), 1, len(kernel) - 1 - padding)
        least = [(edge - 1) * stride - 2 * padding + len(kernel) for edge in x.shape[2:]]
        extra = [size[0] - least[0], size[1] - least[1]]  # rows and columns that a stride left out
        weight = _weight(kernel, x)
        return functional.conv_transpose2d(
            x, weight, stride=stride, padding=padding, output_padding=extra, groups=x.shape[1]
        )

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, stride: int, padding: int, size: Sequence[int]) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.stride, ctx.padding = stride, padding
        return _Spread.compute(x, kernel, stride, padding, size)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        (kernel,) = ctx.saved_tensors
        return _differentiated(_Filter, gradients[0], kernel, ctx.stride, ctx.padding), None, None, None, None


def _weight(kernel: Tensor, x: Tensor) -> Tensor:
    return kernel.to(x.dtype).expand(x.shape[1], 1, *kernel.shape)
