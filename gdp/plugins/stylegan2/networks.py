"""StyleGAN2's generator and residual discriminator, with the state-dict names of the ada-pytorch layout.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (CVPR 2020): mapping network and synthesis with
skip connections to RGB; the discriminator of section 4.1 and figure 7c. Supported: any power-of-two resolution from 8
and any widths. Not supported: class conditioning, the `orig` variants, a `resnet` generator, a `skip` discriminator.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gdp import ShapeError
from gdp.plugins.stylegan2.layers import (
    ConvolutionLayer,
    FullyConnectedLayer,
    NoiseMode,
    SynthesisLayer,
    ToRgbLayer,
    minibatch_standard_deviation,
)
from gdp.plugins.stylegan2.low_pass import low_pass_filter, upsample


def block_resolutions(resolution: int) -> list[int]:
    """List the resolutions of the blocks: 4, 8, ... `resolution`.

    Raises:
        ShapeError: `resolution` is no power of two, or below 8.
    """
    if resolution < 8 or resolution & (resolution - 1):
        raise ShapeError(f"A StyleGAN2 resolution must be a power of two from 8 upwards, not {resolution}.")
    return [2**exponent for exponent in range(2, resolution.bit_length())]


def channels_by_resolution(resolution: int, channel_base: int, channel_max: int) -> dict[int, int]:
    """Give each resolution min(channel_base / resolution, channel_max) feature maps (config-f: 32768 and 512).

    Raises:
        ShapeError: `resolution` is no power of two from 8 upwards, or nothing would be left at the largest size.
    """
    if channel_base < resolution:
        raise ShapeError(
            f"channel_base ({channel_base}) leaves no feature map at {resolution} px; take {resolution} up."
        )
    return {size: min(channel_base // size, channel_max) for size in block_resolutions(resolution)}


class MappingNetwork(nn.Module):
    """z -> w: fully connected layers with a small learning rate; keeps a moving mean of w for truncation."""

    w_avg: Tensor

    def __init__(
        self,
        z_dim: int,
        w_dim: int,
        num_ws: int,
        *,
        layers: int = 8,
        width: int | None = None,
        learning_rate_multiplier: float = 0.01,
        w_avg_decay: float = 0.995,
    ) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.w_dim = w_dim
        self.num_ws = num_ws
        self.layers = layers
        self.w_avg_decay = w_avg_decay
        features = [z_dim, *[width or w_dim] * (layers - 1), w_dim]
        for index in range(layers):
            layer = FullyConnectedLayer(
                features[index],
                features[index + 1],
                activate=True,
                learning_rate_multiplier=learning_rate_multiplier,
            )
            self.add_module(f"fc{index}", layer)
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor, truncation_psi: float = 1.0, truncation_cutoff: int | None = None) -> Tensor:
        """Map z (N, z_dim), standard normal, to ws (N, num_ws, w_dim).

        In training mode the moving mean of w is updated.

        Args:
            z: latents; their scale does not matter, each is normalised.
            truncation_psi: w_avg + psi (w - w_avg); 1 leaves w as it is, 0 gives the mean.
            truncation_cutoff: how many of the first ws are truncated; None for all.
        """
        w = z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
        for index in range(self.layers):
            w = self.get_submodule(f"fc{index}")(w)
        if self.training:
            self.update_mean(w.detach().mean(dim=0))
        ws = w[:, None].repeat(1, self.num_ws, 1)
        return self.truncate(ws, truncation_psi, truncation_cutoff)

    @torch.no_grad()
    def update_mean(self, w_mean: Tensor) -> None:
        """Let the moving mean of w take in a batch's mean (w_dim,)."""
        self.w_avg.copy_(w_mean.lerp(self.w_avg, self.w_avg_decay))

    def truncate(self, ws: Tensor, psi: float, cutoff: int | None = None) -> Tensor:
        """Pull ws (N, num_ws, w_dim) towards the mean w (StyleGAN, section 3.2 / appendix B)."""
        if psi == 1:
            return ws
        if cutoff is None:
            return self.w_avg.lerp(ws, psi)
        return torch.cat([self.w_avg.lerp(ws[:, :cutoff], psi), ws[:, cutoff:]], dim=1)


class SynthesisBlock(nn.Module):
    """One resolution of the synthesis network: an up-sampling and a plain layer, and the skip picture."""

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        image_channels: int,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("resample_filter", low_pass_filter())
        self.is_first = in_channels == 0
        if self.is_first:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(in_channels, out_channels, w_dim, resolution, up=True, conv_clamp=conv_clamp)
        self.conv1 = SynthesisLayer(out_channels, out_channels, w_dim, resolution, conv_clamp=conv_clamp)
        self.torgb = ToRgbLayer(out_channels, image_channels, w_dim, conv_clamp=conv_clamp)
        self.num_convolutions = 1 if self.is_first else 2

    def forward(
        self,
        x: Tensor | None,
        image: Tensor | None,
        ws: Tensor,
        noise_mode: NoiseMode = "random",
        dtype: torch.dtype = torch.float32,
        random: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return features (N, C, R, R) and picture (N, 3, R, R) from those of the block before, half the size.

        `ws` (N, num_convolutions + 1, w_dim) holds one w for each convolution and one for the picture.
        """
        if self.is_first:
            x = self.const.to(dtype).expand(ws.shape[0], -1, -1, -1).contiguous(memory_format=torch.channels_last)
        else:
            assert x is not None
            x = self.conv0(x.to(dtype), ws[:, 0], noise_mode, random)
        x = self.conv1(x, ws[:, self.num_convolutions - 1], noise_mode, random)
        rgb: Tensor = self.torgb(x, ws[:, self.num_convolutions])
        return x, rgb if image is None else upsample(image, self.resample_filter) + rgb


class SynthesisNetwork(nn.Module):
    """ws -> picture: a learned constant, then one block per resolution, each adding to the up-sampled picture."""

    def __init__(
        self, w_dim: int, channels: Mapping[int, int], image_channels: int = 3, conv_clamp: float | None = None
    ) -> None:
        super().__init__()
        self.w_dim = w_dim
        self.resolution = max(channels)
        self.resolutions = block_resolutions(self.resolution)
        self.num_ws = 2 * len(self.resolutions)
        for size in self.resolutions:
            in_channels = channels[size // 2] if size > 4 else 0
            block = SynthesisBlock(in_channels, channels[size], w_dim, size, image_channels, conv_clamp)
            self.add_module(f"b{size}", block)

    def forward(
        self,
        ws: Tensor,
        noise_mode: NoiseMode = "random",
        dtype: torch.dtype = torch.float32,
        random: torch.Generator | None = None,
    ) -> Tensor:
        """Synthesize float32 pictures (N, 3, R, R), about [-1, 1], from ws (N, num_ws, w_dim).

        The w that a block uses for its picture is also the first one of the next block.

        Args:
            ws: one w for each style input.
            noise_mode: the noise added to the features.
            dtype: what the convolutions compute in; styles and the picture stay in float32.
            random: source of the random noise, on the device of `ws`; None for torch's own.
        """
        x = image = None
        start = 0
        for size in self.resolutions:
            block = self.get_submodule(f"b{size}")
            assert isinstance(block, SynthesisBlock)
            count = block.num_convolutions
            x, image = block(x, image, ws[:, start : start + count + 1], noise_mode, dtype, random)
            start += count
        assert isinstance(image, Tensor)
        return image


class Generator(nn.Module):
    """StyleGAN2's generator: z -> w -> picture. `channels` overrides what channel_base and channel_max give."""

    def __init__(
        self,
        z_dim: int,
        w_dim: int,
        resolution: int,
        image_channels: int = 3,
        *,
        channel_base: int = 32768,
        channel_max: int = 512,
        channels: Mapping[int, int] | None = None,
        mapping_layers: int = 8,
        mapping_width: int | None = None,
        mapping_learning_rate_multiplier: float = 0.01,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.w_dim = w_dim
        self.resolution = resolution
        widths = channels or channels_by_resolution(resolution, channel_base, channel_max)
        self.synthesis = SynthesisNetwork(w_dim, widths, image_channels, conv_clamp)
        self.num_ws = self.synthesis.num_ws
        self.mapping = MappingNetwork(
            z_dim,
            w_dim,
            self.num_ws,
            layers=mapping_layers,
            width=mapping_width,
            learning_rate_multiplier=mapping_learning_rate_multiplier,
        )

    def forward(
        self,
        z: Tensor,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        noise_mode: NoiseMode = "const",
    ) -> Tensor:
        """Map z (N, z_dim) to float32 pictures (N, 3, R, R), about [-1, 1]."""
        picture: Tensor = self.synthesis(self.mapping(z, truncation_psi, truncation_cutoff), noise_mode)
        return picture


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
        """Return float32 logits (N, 1) of pictures (N, 3, R, R) in [-1, 1]; the convolutions run in `dtype`.

        Raises:
            ShapeError: the pictures are not of the discriminator's size.
        """
        return self.judge(self.features(images, dtype))

    def judge(self, features: list[Tensor]) -> Tensor:
        """Return float32 logits (N, 1) of what `features` gives."""
        logits: Tensor = self.b4(features[-1].float())
        return logits

    def features(self, images: Tensor, dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """Return what each block makes of pictures (N, 3, R, R): (N, C, R/2, R/2) down to 4x4, each by itself.

        Raises:
            ShapeError: the pictures are not of the discriminator's size.
        """
        if images.shape[2:] != (self.resolution, self.resolution):
            height, width = images.shape[2:]
            raise ShapeError(
                f"this discriminator judges pictures of {self.resolution} px and was given {width} x {height}: what "
                f"[pairs] resolution made smaller is no picture of its size"
            )
        x = images.to(dtype, memory_format=torch.channels_last)
        features = []
        for size in self.resolutions:
            x = self.get_submodule(f"b{size}")(x)
            features.append(x)
        return features


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
