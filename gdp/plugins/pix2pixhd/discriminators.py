"""pix2pixHD's patch discriminators (Wang et al., CVPR 2018, section 3.2) with the published state-dict names."""

from __future__ import annotations

from torch import Tensor, nn

from gdp.plugins.pix2pixhd.generators import halve
from gdp.support.networks.layers import NormalisationFactory, NormalisationName, initialise_weights, normalisation

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
