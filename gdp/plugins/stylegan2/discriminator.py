"""StyleGAN2's residual discriminator, with the state-dict names of the ada-pytorch layout.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (CVPR 2020), section 4.1 and figure 7c.
Not supported: class conditioning, the `orig` and `skip` variants.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gdp.plugins.stylegan2.layers import (
    ConvolutionLayer,
    FullyConnectedLayer,
    low_pass_filter,
    minibatch_standard_deviation,
)
from gdp.plugins.stylegan2.networks import block_resolutions, channels_by_resolution


class DiscriminatorBlock(nn.Module):
    """One resolution of the residual discriminator; halves the size. The first one reads the picture."""

    resample_filter: Tensor

    def __init__(self, image_channels: int, channels: int, out_channels: int, conv_clamp: float | None = None) -> None:
        super().__init__()
        self.register_buffer("resample_filter", low_pass_filter())
        if image_channels:
            self.fromrgb: ConvolutionLayer | None = ConvolutionLayer(image_channels, channels, 1, conv_clamp=conv_clamp)
        else:
            self.fromrgb = None
        self.conv0 = ConvolutionLayer(channels, channels, 3, conv_clamp=conv_clamp)
        self.conv1 = ConvolutionLayer(channels, out_channels, 3, down=True, conv_clamp=conv_clamp)
        self.skip = ConvolutionLayer(channels, out_channels, 1, down=True, activate=False, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map features, or the picture in the first block, (N, C, R, R) to (N, out, R/2, R/2)."""
        if self.fromrgb is not None:
            x = self.fromrgb(x)
        # Both branches have unit variance: their sum is scaled back by sqrt 1/2.
        total: Tensor = self.skip(x, gain=0.5**0.5) + self.conv1(self.conv0(x), gain=0.5**0.5)
        return total


class MinibatchStandardDeviation(nn.Module):
    """Appends `channels` feature maps that tell how much the samples of a group differ."""

    def __init__(self, group_size: int, channels: int) -> None:
        super().__init__()
        self.group_size = group_size
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C + channels, H, W)."""
        return minibatch_standard_deviation(x, self.group_size, self.channels)


class ConstantDeviation(nn.Module):
    """Appends the same feature maps to every sample, in the place of those that tell how much a group differs."""

    deviation: Tensor

    def __init__(self, deviation: Tensor) -> None:
        super().__init__()
        # Not stored: it was measured, and is no part of what was trained.
        self.register_buffer("deviation", deviation, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C + channels, H, W)."""
        maps = self.deviation.to(x.dtype)[None, :, None, None].expand(len(x), -1, *x.shape[2:])
        return torch.cat([x, maps], dim=1)


class DiscriminatorEpilogue(nn.Module):
    """The discriminator's end at 4x4: standard deviation over samples, a convolution and two linear layers."""

    def __init__(self, channels: int, group_size: int, deviation_channels: int, conv_clamp: float | None) -> None:
        super().__init__()
        self.mbstd: nn.Module = MinibatchStandardDeviation(group_size, deviation_channels)
        self.conv = ConvolutionLayer(channels + deviation_channels, channels, 3, conv_clamp=conv_clamp)
        self.fc = FullyConnectedLayer(channels * 16, channels, activate=True)
        self.out = FullyConnectedLayer(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map features (N, C, 4, 4) to logits (N, 1)."""
        logits: Tensor = self.out(self.fc(self.conv(self.mbstd(x)).flatten(1)))
        return logits


class Discriminator(nn.Module):
    """StyleGAN2's residual discriminator: picture -> logit, positive for real."""

    def __init__(
        self,
        resolution: int,
        image_channels: int = 3,
        *,
        channel_base: int = 32768,
        channel_max: int = 512,
        channels: Mapping[int, int] | None = None,
        group_size: int = 4,
        deviation_channels: int = 1,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        widths = channels or channels_by_resolution(resolution, channel_base, channel_max)
        self.resolution = resolution
        self.resolutions = block_resolutions(resolution)[:0:-1]
        for size in self.resolutions:
            block = DiscriminatorBlock(
                image_channels if size == resolution else 0, widths[size], widths[size // 2], conv_clamp
            )
            self.add_module(f"b{size}", block)
        self.b4 = DiscriminatorEpilogue(widths[4], group_size, deviation_channels, conv_clamp)

    def forward(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return float32 logits (N, 1) of pictures (N, 3, R, R) in [-1, 1]; the convolutions run in `dtype`."""
        x = images.to(dtype, memory_format=torch.channels_last)
        for size in self.resolutions:
            x = self.get_submodule(f"b{size}")(x)
        logits: Tensor = self.b4(x.float())
        return logits


@torch.no_grad()
def judge_alone(discriminator: Discriminator, images: Tensor) -> None:
    """Let a discriminator judge each picture by itself, for good.

    Its standard deviation over samples makes a logit depend on the batch, and a picture alone, which differs from
    nothing, looks like the collapse of a generator. So the mean of that number over the groups of `images`
    (N, 3, R, R), pictures such as it was trained on, N a multiple of its group, takes its place for every picture.
    """
    seen: list[Tensor] = []
    epilogue = discriminator.b4
    handle = epilogue.mbstd.register_forward_hook(lambda module, inputs, output: seen.append(output))
    try:
        discriminator(images)
    finally:
        handle.remove()
    channels = epilogue.conv.weight.shape[1] - epilogue.conv.weight.shape[0]
    epilogue.mbstd = ConstantDeviation(seen[0][:, -channels:].mean(dim=(0, 2, 3)))
