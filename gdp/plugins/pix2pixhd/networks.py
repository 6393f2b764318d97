"""Generators and multi-scale discriminators of pix2pixHD.

pix2pixHD's generators (Wang et al., CVPR 2018, section 3.2) with the published state-dict names.

pix2pixHD's patch discriminators (Wang et al., CVPR 2018, section 3.2) with the published state-dict names.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gdp.toolbox import (
    FewChannelConvolution,
    NormalisationFactory,
    NormalisationName,
    PaddingName,
    PredictionName,
    ResidualBlock,
    UpsamplingName,
    begin_unchanged,
    check_prediction,
    downsampling,
    initialise_weights,
    normalisation,
    predicted_picture,
    stem,
    upsampling,
)

_HEAD_MODULES = 3  # padding, 7x7 convolution, tanh


class GlobalGenerator(nn.Module):
    """The coarse generator: 7x7 stem, downsamplings, residual blocks, upsamplings, 7x7 head.

    `width` is the number of channels at full resolution, doubled by each downsampling. `predicts="image"` is the
    published network. With `predicts="change"` the head's output is added to the first `out_channels` channels of
    the input, and its convolution starts at zero, so that an untrained network returns its input: easier to learn
    for edits, which leave most of a picture as it is.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 64,
        downsamplings: int = 4,
        blocks: int = 9,
        norm: NormalisationName = "instance",
        padding: PaddingName = "reflect",
        upsample: UpsamplingName = "deconvolution",
        predicts: PredictionName = "image",
    ) -> None:
        super().__init__()
        check_prediction(predicts, in_channels, out_channels)
        self.predicts = predicts
        self.out_channels = out_channels
        self.size_multiple = 2**downsamplings
        """Height and width of the input must be multiples of this many pixels."""
        make_norm = normalisation(norm)
        layers = stem(in_channels, width, make_norm)
        for level in range(downsamplings):
            layers += downsampling(width * 2**level, make_norm)
        layers += [ResidualBlock(width * 2**downsamplings, make_norm, padding) for _ in range(blocks)]
        for level in range(downsamplings, 0, -1):
            layers += upsampling(width * 2**level, make_norm, upsample)
        self.model = nn.Sequential(*layers, *_head(width, out_channels))
        _initialise(self, predicts)

    def forward(self, x: Tensor) -> Tensor:
        """Translate `x` (N, in_channels, H, W; [-1, 1]) to a picture (N, out_channels, H, W).

        The picture is in [-1, 1]; only a change's sum is left unclamped in training mode, so that its gradient does
        not vanish where it overshoots. Raises ValueError for a size that the downsamplings do not divide.
        """
        _check_size(x, self.size_multiple)
        picture: Tensor = self.model(x)
        return predicted_picture(picture, x, self.predicts, self.training)


class LocalEnhancer(nn.Module):
    """The coarse generator at reduced resolution with 1 or 2 enhancers around it, each doubling the resolution.

    `width` is the number of channels at full resolution; the coarse part (`model`) has width * 2**enhancers and no
    head, so that the weights of a `GlobalGenerator` of that width load into it with `strict=False`. Enhancer n is
    `model{n}_1` (down) and `model{n}_2` (residual blocks and up), the last with the head. `blocks` counts the
    coarse part's residual blocks, `enhancer_blocks` those of each enhancer. `predicts` as in `GlobalGenerator`.
    `coarse_head` adds the head (not among the published names) that training the coarse part alone needs.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 32,
        downsamplings: int = 3,
        blocks: int = 9,
        enhancers: int = 1,
        enhancer_blocks: int = 3,
        norm: NormalisationName = "instance",
        padding: PaddingName = "reflect",
        upsample: UpsamplingName = "deconvolution",
        predicts: PredictionName = "image",
        coarse_head: bool = False,
    ) -> None:
        super().__init__()
        self.predicts = predicts
        self.enhancers = enhancers
        self.size_multiple = 2 ** (downsamplings + enhancers)
        """Height and width of the input must be multiples of this many pixels."""
        coarse = GlobalGenerator(
            in_channels=in_channels,
            out_channels=out_channels,
            width=width * 2**enhancers,
            downsamplings=downsamplings,
            blocks=blocks,
            norm=norm,
            padding=padding,
            upsample=upsample,
            predicts=predicts,
        )
        self.model = coarse.model[:-_HEAD_MODULES]
        self.coarse_head = nn.Sequential(*coarse.model[-_HEAD_MODULES:]) if coarse_head else None
        make_norm = normalisation(norm)
        for number in range(1, enhancers + 1):
            channels = width * 2 ** (enhancers - number)
            down = [*stem(in_channels, channels, make_norm), *downsampling(channels, make_norm)]
            up: list[nn.Module] = [ResidualBlock(channels * 2, make_norm, padding) for _ in range(enhancer_blocks)]
            up += upsampling(channels * 2, make_norm, upsample)
            if number == enhancers:
                up += _head(channels, out_channels)
            self.add_module(f"model{number}_1", nn.Sequential(*down))
            self.add_module(f"model{number}_2", nn.Sequential(*up))
        _initialise(self, predicts)

    def forward(self, x: Tensor) -> Tensor:
        """Translate `x` (N, in_channels, H, W; [-1, 1]) to a picture (N, out_channels, H, W), as GlobalGenerator."""
        _check_size(x, self.size_multiple)
        pyramid = [x]
        for _ in range(self.enhancers):
            pyramid.append(halve(pyramid[-1]))
        hidden: Tensor = self.model(pyramid[-1])
        for number in range(1, self.enhancers + 1):
            down = self.get_submodule(f"model{number}_1")
            up = self.get_submodule(f"model{number}_2")
            hidden = up(down(pyramid[self.enhancers - number]) + hidden)
        return predicted_picture(hidden, x, self.predicts, self.training)

    def generate_coarse(self, x: Tensor) -> Tensor:
        """Translate reduced pictures `x` (N, in_channels, h, w) by the coarse part alone, to (N, out_channels, h, w).

        `x` has 2**enhancers times fewer pixels a side than forward's; `halve` makes it. Raises ValueError if built
        without `coarse_head`.
        """
        if self.coarse_head is None:
            raise ValueError("this LocalEnhancer was built without coarse_head, so its coarse part makes no picture")
        _check_size(x, self.size_multiple // 2**self.enhancers)
        return predicted_picture(self.coarse_head(self.model(x)), x, self.predicts, self.training)


def halve(pictures: Tensor) -> Tensor:
    """Half the resolution (N, C, H, W) -> (N, C, ceil(H/2), ceil(W/2)): mean of 3x3, at the edge of what is there."""
    return F.avg_pool2d(pictures, kernel_size=3, stride=2, padding=1, count_include_pad=False)


def _head(width: int, out_channels: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(3), FewChannelConvolution(width, out_channels, kernel_size=7), nn.Tanh()]


def _initialise(generator: nn.Module, predicts: PredictionName) -> None:
    """Weights as published; a head that predicts a change starts at zero, so at "no change"."""
    initialise_weights(generator)
    if predicts == "change":
        for head in generator.modules():
            if isinstance(head, FewChannelConvolution):
                begin_unchanged(head)


def _check_size(x: Tensor, multiple: int) -> None:
    if torch.compiler.is_compiling():
        return  # an exported network has dynamic sizes, on which nothing may depend
    height, width = x.shape[-2:]
    if height % multiple or width % multiple:
        raise ValueError(f"the picture is {width}x{height} pixels, but both must be multiples of {multiple}")


_MAX_CHANNELS = 512
_PADDING = 2  # ceil((4 - 1) / 2), so that maps grow by one at every layer


class MultiscaleDiscriminator(nn.Module):
    """`scales` patch discriminators, each looking at the picture at half the resolution of the one before.

    Each is a PatchGAN of `layers` + 2 convolutions of 4x4, the first `layers` of stride 2, with `width` channels
    after the first. The published names count the scales the other way: the full-resolution picture is judged by
    the modules of the HIGHEST scale number (`scale{s}_layer{k}` with `features`, `layer{s}` without). `features`
    says whether forward returns every layer's output or only the last; `sigmoid` ends each scale with a sigmoid,
    for losses that want probabilities, and has no effect together with `features`, as published.
    """

    def __init__(
        self,
        *,
        in_channels: int = 6,
        width: int = 64,
        layers: int = 3,
        scales: int = 2,
        norm: NormalisationName = "instance",
        sigmoid: bool = False,
        features: bool = True,
    ) -> None:
        super().__init__()
        self.scales = scales
        self.layer_count = layers + 2
        self.features = features
        for scale in range(scales):
            groups = _layer_groups(in_channels, width, layers, normalisation(norm), sigmoid and not features)
            if features:
                for index, group in enumerate(groups):
                    self.add_module(f"scale{scale}_layer{index}", nn.Sequential(*group))
            else:
                self.add_module(f"layer{scale}", nn.Sequential(*[module for group in groups for module in group]))
        initialise_weights(self)

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """Judge `x` (N, in_channels, H, W): for each scale, full resolution first, the layers' outputs, logits last."""
        judgements = []
        for scale in reversed(range(self.scales)):
            judgements.append(self._judge(scale, x))
            if scale > 0:
                x = halve(x)
        return judgements

    def _judge(self, scale: int, x: Tensor) -> list[Tensor]:
        if not self.features:
            return [self.get_submodule(f"layer{scale}")(x)]
        outputs = []
        for index in range(self.layer_count):
            x = self.get_submodule(f"scale{scale}_layer{index}")(x)
            outputs.append(x)
        return outputs


def _layer_groups(
    in_channels: int, width: int, layers: int, norm: NormalisationFactory, sigmoid: bool
) -> list[list[nn.Module]]:
    """Give the layers of one patch discriminator, grouped as its features are: each group ends in an activation."""
    groups = [[_convolution(in_channels, width, stride=2), _leaky()]]
    channels = width
    for index in range(1, layers + 1):
        previous, channels = channels, min(channels * 2, _MAX_CHANNELS)
        stride = 2 if index < layers else 1
        groups.append([_convolution(previous, channels, stride), norm(channels), _leaky()])
    groups.append([_convolution(channels, 1, stride=1)])
    if sigmoid:
        groups.append([nn.Sigmoid()])
    return groups


def _convolution(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    return nn.Conv2d(in_channels, out_channels, kernel_size=4, stride=stride, padding=_PADDING)


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)
