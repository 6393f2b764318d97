"""Instance normalisation that keeps the memory layout of its input and is fast on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

NormalisationName = Literal["instance", "batch"]

_EPSILON = 1e-5


class _ChannelsLastInstanceNorm(torch.autograd.Function):
    """Instance norm of a channels_last picture batch without a change of layout.

    `F.instance_norm` copies a channels_last tensor to NCHW and leaves its output there, so that the next
    convolution has to copy it back; its gradient is WRONG on a CPU for one picture with a channels_last gradient
    (seen in torch 2.15). The backward pass of `F.group_norm` with one channel a group is ten times slower in this
    layout.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Normalise `x` (N, C, H, W; channels_last) to mean 0 and variance 1 over H and W."""
        pixels = _as_pixels(x)  # (N, H*W, C)
        centred = pixels - _mean_over_pixels(pixels)
        inverse_deviation = torch.rsqrt(_mean_over_pixels(centred * centred).float() + _EPSILON).to(x.dtype)
        normalised = centred.mul_(inverse_deviation)
        ctx.save_for_backward(normalised, inverse_deviation)
        return _as_pictures(normalised, x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """dx = (g - mean(g) - y * mean(g * y)) / deviation, means over the pixels of one picture's channel."""
        normalised, inverse_deviation = ctx.saved_tensors
        pixels = _as_pixels(gradient)
        scratch = pixels * normalised
        correlation = _mean_over_pixels(scratch)
        torch.addcmul(pixels, normalised, correlation, value=-1, out=scratch)
        scratch.sub_(_mean_over_pixels(pixels)).mul_(inverse_deviation)
        return _as_pictures(scratch, gradient.shape)


def _as_pixels(pictures: Tensor) -> Tensor:
    """View (N, C, H, W) as (N, H*W, C); a copy only where it is not channels_last."""
    return pictures.permute(0, 2, 3, 1).reshape(pictures.shape[0], -1, pictures.shape[1])


def _as_pictures(pixels: Tensor, shape: torch.Size) -> Tensor:
    n, c, h, w = shape
    return pixels.view(n, h, w, c).permute(0, 3, 1, 2)


def _mean_over_pixels(pixels: Tensor) -> Tensor:
    """Mean over the pixels: (N, H*W, C) -> (N, 1, C)."""
    if pixels.dtype == torch.float32:
        return pixels.mean(dim=1, keepdim=True)
    # In bfloat16 a matrix product, which accumulates in float32, is many times faster than a sum.
    ones = pixels.new_ones(1, 1, 1).expand(pixels.shape[0], 1, pixels.shape[1])
    return torch.bmm(ones, pixels) / pixels.shape[1]


class InstanceNorm(nn.Module):
    """Normalise every channel of every picture to mean 0 and variance 1, without parameters or statistics.

    The same function as `nn.InstanceNorm2d(channels)` (Ulyanov et al., 2016; epsilon 1e-5), with the fastest kernel
    for the device and the layout. Not twice differentiable on a CPU in channels_last layout.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` (N, C, H, W) over H and W; the output has the input's shape and data type."""
        if torch.compiler.is_compiling() or x.device.type != "cpu":
            return F.instance_norm(x, eps=_EPSILON)
        if x.is_contiguous():
            return F.group_norm(x, x.shape[1], eps=_EPSILON)  # the same numbers, from a faster kernel
        normalised: Tensor = _ChannelsLastInstanceNorm.apply(x)
        return normalised


def normalisation(name: NormalisationName) -> Callable[[int], nn.Module]:
    """Give the constructor of a normalisation layer: number of channels -> module.

    "instance" has no parameters, "batch" is affine with running statistics (both as in the published networks).
    """
    if name == "instance":
        return lambda channels: InstanceNorm()
    return nn.BatchNorm2d
