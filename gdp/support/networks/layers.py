"""The building blocks that pix2pixHD's networks share, under the published state-dict names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gdp.support.networks.convolution import Convolution, TransposedConvolution

PaddingName = Literal["reflect", "replicate", "zero"]
UpsamplingName = Literal["deconvolution", "resize"]
NormalisationFactory = Callable[[int], nn.Module]


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
