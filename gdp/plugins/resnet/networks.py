"""CycleGAN's networks (Zhu et al., ICCV 2017, appendix 7.2) with the published state-dict names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from gdp import ShapeError
from gdp.toolbox import (
    Convolution,
    FewChannelConvolution,
    NormalisationFactory,
    PredictionName,
    ResizeConvolution,
    TransposedConvolution,
    UpsamplingName,
    begin_unchanged,
    check_prediction,
    initialise_weights,
    normalisation,
    predicted_picture,
)

NormName = Literal["instance", "batch", "instance-tracked"]
"""instance: by the picture itself; batch: affine, with running statistics; instance-tracked: as in the checkpoints of
2017 and 2018, by the picture itself while training and by running statistics in evaluation."""

CHANGE_SCALE = "change_scale"
"""Name of the tensor by which a file tells that its generator predicts a change."""

FIRST_BLOCK = 10
"""Number of the first residual block in `model`."""

_MULTIPLE = 4  # two downsamplings
_SMALLEST = 8  # pixels; below, a block's reflection padding would have nothing to reflect
_MAX_GROWTH = 8  # a discriminator layer has at most this many times the first layer's channels


@dataclass(frozen=True)
class GeneratorChannels:
    """How many channels every part of a `ResnetGenerator` puts out."""

    stem: int
    """After the first 7x7 convolution, at full resolution."""
    down: int
    """After the first downsampling, at half the resolution."""
    hidden: int
    """After the second downsampling and after every residual block, at a quarter of the resolution."""
    middle: tuple[int, ...]
    """Between the two convolutions of each residual block."""
    up: int
    """After the first upsampling, at half the resolution."""
    head: int
    """After the second upsampling, at full resolution: what the last 7x7 convolution reads."""

    @classmethod
    def uniform(cls, width: int, blocks: int) -> GeneratorChannels:
        """Give the published channels: `width` (the published ngf, 64) at full resolution, doubled downwards."""
        return cls(width, 2 * width, 4 * width, (4 * width,) * blocks, 2 * width, width)


class SeparableConvolution(nn.Module):
    """Depthwise 3x3, normalisation, pointwise 1x1, as in GAN Compression (Li et al., CVPR 2020, section 3.2)."""

    def __init__(self, in_channels: int, out_channels: int, norm: NormalisationFactory, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(in_channels, in_channels, kernel_size=3, groups=in_channels, bias=bias),
            norm(in_channels),
            nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=bias),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map hidden states (N, in, H, W) to (N, out, H - 2, W - 2)."""
        hidden: Tensor = self.conv(x)
        return hidden


class TranslatorBlock(nn.Module):
    """x + (pad, 3x3 convolution, norm, ReLU, [dropout,] pad, 3x3 convolution, norm)(x) with its own inner width."""

    def __init__(
        self,
        channels: int,
        middle: int,
        convolution: Callable[[int, int], nn.Module],
        norm: NormalisationFactory,
        dropout: float | None,
    ) -> None:
        super().__init__()
        layers = [nn.ReflectionPad2d(1), convolution(channels, middle), norm(middle), nn.ReLU()]
        if dropout is not None:
            layers.append(nn.Dropout(dropout))
        layers += [nn.ReflectionPad2d(1), convolution(middle, channels), norm(channels)]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map hidden states (N, C, H, W) to hidden states of the same shape."""
        hidden: Tensor = self.conv_block(x)
        return x + hidden


class ResnetGenerator(nn.Module):
    """CycleGAN's generator: 7x7 stem, 2 downsamplings, residual blocks, 2 upsamplings, 7x7 head, tanh.

    With `GeneratorChannels.uniform(64, 9)` and the defaults it is the published network for pictures of 256 pixels.
    `dropout` is the probability of the dropout in every block, None for blocks without that layer: 0.0 has no effect
    but on the published names, which count it. `bias` tells whether convolutions before a normalisation have a bias;
    None means, as published, that they have unless the normalisation has one itself. Convolutions of
    `upsampling="resize"`, which is not published, always have theirs. With `predicts="change"`, not published either,
    the output is added to the first channels of the input, and an untrained network returns its input: shapes stay
    where nothing in an unpaired training holds them; a buffer of that name tells it in the state dict. Weights are
    drawn from torch's global random state, N(0, 0.02).
    """

    def __init__(
        self,
        channels: GeneratorChannels,
        *,
        in_channels: int = 3,
        out_channels: int = 3,
        upsampling: UpsamplingName = "deconvolution",
        norm: NormName = "instance",
        separable: bool = False,
        dropout: float | None = None,
        bias: bool | None = None,
        predicts: PredictionName = "image",
    ) -> None:
        super().__init__()
        check_prediction(predicts, in_channels, out_channels)
        self.channels = channels
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.upsampling = upsampling
        self.norm = norm
        self.separable = separable
        self.dropout = dropout
        self.bias = _default_bias(norm) if bias is None else bias
        self.predicts: PredictionName = predicts
        make_norm = _normalisation(norm)

        def convolution(in_channels: int, out_channels: int) -> nn.Module:
            if separable:
                return SeparableConvolution(in_channels, out_channels, make_norm, self.bias)
            return Convolution(in_channels, out_channels, kernel_size=3, bias=self.bias)

        self.model = nn.Sequential(
            nn.ReflectionPad2d(3),
            *_normalised(nn.Conv2d(in_channels, channels.stem, 7, bias=self.bias), make_norm),
            *_normalised(_downsampling(channels.stem, channels.down, self.bias), make_norm),
            *_normalised(_downsampling(channels.down, channels.hidden, self.bias), make_norm),
            *[TranslatorBlock(channels.hidden, m, convolution, make_norm, dropout) for m in channels.middle],
            *_normalised(_upsampling(channels.hidden, channels.up, self.bias, upsampling), make_norm),
            *_normalised(_upsampling(channels.up, channels.head, self.bias, upsampling), make_norm),
            nn.ReflectionPad2d(3),
            FewChannelConvolution(channels.head, out_channels, kernel_size=7),
            nn.Tanh(),
        )
        initialise_weights(self)
        if predicts == "change":
            begin_unchanged(self.head)
            self.register_buffer(CHANGE_SCALE, torch.tensor(2.0))

    @property
    def head(self) -> nn.Conv2d:
        """The 7x7 convolution before the tanh."""
        head = self.model[-2]
        assert isinstance(head, nn.Conv2d)
        return head

    @property
    def block_paths(self) -> list[str]:
        """Module paths of the residual blocks in order, whose outputs are the hidden states."""
        return [f"model.{FIRST_BLOCK + index}" for index in range(len(self.channels.middle))]

    def forward(self, x: Tensor) -> Tensor:
        """Translate `x` (N, in_channels, H, W; [-1, 1]) to pictures (N, out_channels, H, W) in [-1, 1].

        Pictures of a predicted change are in [-1, 1] in evaluation mode alone. Raises ShapeError where H or W is no
        multiple of 4 or below 8.
        """
        _check_size(x)
        output: Tensor = self.model(x)
        return predicted_picture(output, x, self.predicts, self.training)


class PatchDiscriminator(nn.Module):
    """PatchGAN: judges every overlapping patch of a picture, of 70x70 pixels with the default 3 `layers`.

    4x4 convolutions with padding 1: `layers` of stride 2, the first with `width` channels (the published ndf), then
    two of stride 1. Channels double from layer to layer, up to 8 times `width`. `bias` as in `ResnetGenerator`.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        width: int = 64,
        layers: int = 3,
        norm: NormName = "instance",
        bias: bool | None = None,
    ) -> None:
        super().__init__()
        self.norm = norm
        bias = _default_bias(norm) if bias is None else bias
        make_norm = _normalisation(norm)
        modules: list[nn.Module] = [nn.Conv2d(in_channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for layer in range(1, layers + 1):
            before, after = (width * min(2**power, _MAX_GROWTH) for power in (layer - 1, layer))
            stride = 2 if layer < layers else 1
            convolution = nn.Conv2d(before, after, 4, stride=stride, padding=1, bias=bias)
            modules += [convolution, make_norm(after), nn.LeakyReLU(0.2)]
        modules.append(nn.Conv2d(width * min(2**layers, _MAX_GROWTH), 1, 4, padding=1))
        self.model = nn.Sequential(*modules)
        initialise_weights(self)

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """Judge `x` (N, in_channels, H, W): one scale, its layers' activations and last its logits (N, 1, h, w)."""
        features = []
        for module in self.model:
            x = module(x)
            if isinstance(module, nn.LeakyReLU):
                features.append(x)
        return [[*features, x]]


def _normalisation(name: NormName) -> NormalisationFactory:
    if name == "instance-tracked":
        return lambda channels: nn.InstanceNorm2d(channels, track_running_stats=True)
    return normalisation(name)


def _default_bias(norm: NormName) -> bool:
    return norm != "batch"


def _normalised(convolution: nn.Conv2d | nn.ConvTranspose2d, norm: NormalisationFactory) -> list[nn.Module]:
    return [convolution, norm(convolution.out_channels), nn.ReLU()]


def _downsampling(in_channels: int, out_channels: int, bias: bool) -> nn.Conv2d:
    return Convolution(in_channels, out_channels, kernel_size=3, stride=2, padding=1, bias=bias)


def _upsampling(
    in_channels: int, out_channels: int, bias: bool, kind: UpsamplingName
) -> nn.Conv2d | nn.ConvTranspose2d:
    if kind == "resize":
        return ResizeConvolution(in_channels, out_channels)
    return TransposedConvolution(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1, bias=bias)


def _check_size(x: Tensor) -> None:
    if torch.compiler.is_compiling():
        return  # an exported network has dynamic sizes, on which nothing may depend
    height, width = x.shape[-2:]
    if height % _MULTIPLE or width % _MULTIPLE or min(height, width) < _SMALLEST:
        raise ShapeError(
            f"the picture is {width}x{height} pixels, but both must be multiples of {_MULTIPLE} and at least "
            f"{_SMALLEST}"
        )
