"""The building blocks that pix2pixHD's networks share, under the published state-dict names.

Instance normalisation that keeps the memory layout of its input and is fast on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from gdp.support.networks.convolution import Convolution, TransposedConvolution

NormalisationName = Literal["instance", "batch"]
"""How activations are normalised: each picture by itself, or the batch."""

PredictionName = Literal["image", "change"]
"""What a generator's head computes: the picture, or what is added to the (first) input picture."""

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


PaddingName = Literal["reflect", "replicate", "zero"]
"""What stands around a picture where a convolution reaches over its edge."""
UpsamplingName = Literal["deconvolution", "resize"]
"""How pictures grow: by a transposed convolution, or enlarged and convolved (fewer checkerboards)."""
NormalisationFactory = Callable[[int], nn.Module]
"""Makes the normalisation of so many channels."""


class FewChannelConvolution(nn.Conv2d):
    """A convolution to very few channels (the 7x7 one that makes the picture), computed fast on a CPU.

    CPU kernels work on 16 output channels at a time, so that one with 3 wastes four fifths. The outputs of each
    2x2 block of pixels are therefore computed as 4 times as many channels of one convolution with stride 2 (whose
    kernel holds the four shifted copies of the weight) and shuffled back: 3 times faster, the same sums. Supports
    stride 1, no padding, no dilation and no groups only.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `input` (N, C, H, W) to (N, out, H - k + 1, W - k + 1)."""
        rows, columns = (input.shape[2] - self.kernel_size[0] + 1, input.shape[3] - self.kernel_size[1] + 1)
        if torch.compiler.is_compiling() or input.device.type != "cpu" or rows % 2 or columns % 2:
            return super().forward(input)
        # Copy (a, b) computes the pixels (2 i + a, 2 j + b); pixel_shuffle wants the channel order (out, a, b).
        shifted = [F.pad(self.weight, (b, 1 - b, a, 1 - a)) for a in (0, 1) for b in (0, 1)]
        weight = torch.stack(shifted, dim=1).flatten(0, 1)  # (out * 4, C, k + 1, k + 1)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        if not input.is_contiguous():
            weight = weight.contiguous(memory_format=torch.channels_last)
        return F.pixel_shuffle(F.conv2d(input, weight, bias, stride=2), 2)


class ResizeConvolution(Convolution):
    """Upsample by two with nearest neighbours, then convolve 3x3: no checkerboards (Odena et al., Distill 2016).

    Costs four times the arithmetic of the published transposed convolution.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        """Map `input` (N, C, H, W) to (N, out, 2 H, 2 W)."""
        return super().forward(F.interpolate(input, scale_factor=2.0, mode="nearest"))


class ResidualBlock(nn.Module):
    """x + (pad, 3x3 convolution, norm, ReLU, pad, 3x3 convolution, norm)(x) (He et al., 2016)."""

    def __init__(self, channels: int, norm: NormalisationFactory, padding: PaddingName = "reflect") -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            *_padded_convolution(channels, padding),
            norm(channels),
            nn.ReLU(),
            *_padded_convolution(channels, padding),
            norm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map hidden states (N, C, H, W) to hidden states of the same shape."""
        hidden: Tensor = self.conv_block(x)
        return x + hidden


def _padded_convolution(channels: int, padding: PaddingName) -> list[nn.Module]:
    """3x3 convolution that keeps the size; "zero" has no padding module, which shifts the published key numbers."""
    if padding == "zero":
        return [Convolution(channels, channels, kernel_size=3, padding=1)]
    pad = nn.ReflectionPad2d(1) if padding == "reflect" else nn.ReplicationPad2d(1)
    return [pad, Convolution(channels, channels, kernel_size=3)]


def stem(in_channels: int, width: int, norm: NormalisationFactory) -> list[nn.Module]:
    """7x7 convolution of the input picture to `width` channels at full resolution."""
    return [nn.ReflectionPad2d(3), nn.Conv2d(in_channels, width, 7), norm(width), nn.ReLU()]


def downsampling(channels: int, norm: NormalisationFactory) -> list[nn.Module]:
    """Half the resolution and twice the channels."""
    convolution = Convolution(channels, channels * 2, kernel_size=3, stride=2, padding=1)
    return [convolution, norm(channels * 2), nn.ReLU()]


def upsampling(channels: int, norm: NormalisationFactory, kind: UpsamplingName = "deconvolution") -> list[nn.Module]:
    """Twice the resolution and half the channels."""
    half = channels // 2
    convolution: nn.Module
    if kind == "deconvolution":
        convolution = TransposedConvolution(channels, half, kernel_size=3, stride=2, padding=1, output_padding=1)
    else:
        convolution = ResizeConvolution(channels, half)
    return [convolution, norm(half), nn.ReLU()]


def initialise_weights(network: nn.Module) -> None:
    """Draw the weights as published: convolutions N(0, 0.02), batch norm scales N(1, 0.02); biases stay as built.

    Uses torch's global random state, so seed that for a reproducible start.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)


def begin_unchanged(head: nn.Conv2d) -> None:
    """Set the convolution before the tanh of a generator that predicts a change to zero: it returns its input."""
    nn.init.zeros_(head.weight)
    if head.bias is not None:
        nn.init.zeros_(head.bias)


def check_prediction(predicts: PredictionName, in_channels: int, out_channels: int) -> None:
    """Make sure that there is a picture that a change can be added to.

    Raises:
        ValueError: the input has fewer channels than the output.
    """
    if predicts == "change" and in_channels < out_channels:
        raise ValueError(
            f'predicts="change" adds {out_channels} output channels to the first {out_channels} of the input, '
            f'which has only {in_channels}; use predicts="image" or more input channels'
        )


def predicted_picture(output: Tensor, x: Tensor, predicts: PredictionName, training: bool) -> Tensor:
    """Make the picture of a head's output in [-1, 1]; differences of two pictures reach from -2 to 2.

    A sum is left unclamped in training, so that its gradient does not vanish where it overshoots.

    Args:
        output: of the tanh, (N, C, H, W).
        x: the generator's input (N, C or more, H, W), in [-1, 1].
        predicts: what the output is.
        training: whether the generator is in training mode.
    """
    if predicts == "image":
        return output
    picture = x[:, : output.shape[1]] + 2 * output
    return picture if training else picture.clamp(-1, 1)
