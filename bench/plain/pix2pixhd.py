"""pix2pixHD's global generator and discriminators (Wang et al., CVPR 2018) and one step of its training.

As published for pictures without label maps, instances and VGG.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from plain.layers import LeastSquares, ResnetGenerator

MOST_CHANNELS = 512
FEATURE_MATCHING_WEIGHT = 10.0


class GlobalGenerator(ResnetGenerator):
    """The global generator; the published one has width 64, 4 downsamplings and 9 blocks."""

    def __init__(self, width: int = 64, downsamplings: int = 4, blocks: int = 9) -> None:
        super().__init__(width, downsamplings, blocks)


class MultiscaleDiscriminator(nn.Module):
    """PatchGANs that judge the picture and its halvings, and show their features."""

    def __init__(self, in_channels: int = 6, width: int = 64, layers: int = 3, scales: int = 2) -> None:
        super().__init__()
        self.scales = scales
        self.groups = layers + 2
        for scale in range(scales):
            for index, group in enumerate(_patch_gan(in_channels, width, layers)):
                self.add_module(f"scale{scale}_layer{index}", group)
        self.downsample = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """Judge x (N, in_channels, H, W): for each scale, the largest first, all features, the logits last."""
        judgements = []
        for scale in range(self.scales - 1, -1, -1):
            features = [x]
            for index in range(self.groups):
                features.append(self.get_submodule(f"scale{scale}_layer{index}")(features[-1]))
            judgements.append(features[1:])
            if scale > 0:
                x = self.downsample(x)
        return judgements


def _patch_gan(in_channels: int, width: int, layers: int) -> list[nn.Module]:
    groups: list[nn.Module] = [
        nn.Sequential(nn.Conv2d(in_channels, width, 4, stride=2, padding=2), nn.LeakyReLU(0.2, inplace=True))
    ]
    channels = width
    for index in range(1, layers + 1):
        before, channels = channels, min(channels * 2, MOST_CHANNELS)
        convolution = nn.Conv2d(before, channels, 4, stride=2 if index < layers else 1, padding=2)
        groups.append(nn.Sequential(convolution, nn.InstanceNorm2d(channels), nn.LeakyReLU(0.2, inplace=True)))
    return [*groups, nn.Sequential(nn.Conv2d(channels, 1, 4, padding=2))]


class Pix2PixHDTraining:
    """Generator and discriminator with their optimizers.

    Args:
        generator: with the weights to begin with, on its device.
        discriminator: the same.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.least_squares = LeastSquares()
        self.l1 = nn.L1Loss()
        self.generator_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def step(self, source: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Train on sources and targets (N, 3, H, W) in [-1, 1]; return the losses before their weights."""
        fake = self.generator(source)
        judged_fake = self.discriminator(torch.cat([source, fake.detach()], dim=1))
        judged_real = self.discriminator(torch.cat([source, target], dim=1))
        judged = self.discriminator(torch.cat([source, fake], dim=1))
        adversarial = self._adversarial(judged, True)
        matching = self._feature_matching(judged, judged_real)
        loss_generator = adversarial + matching * FEATURE_MATCHING_WEIGHT
        loss_discriminator = (self._adversarial(judged_fake, False) + self._adversarial(judged_real, True)) * 0.5
        self.generator_optimizer.zero_grad()
        torch.autograd.backward(loss_generator)
        self.generator_optimizer.step()
        self.discriminator_optimizer.zero_grad()
        torch.autograd.backward(loss_discriminator)
        self.discriminator_optimizer.step()
        losses = {
            "generator.lsgan": adversarial,
            "generator.feature-matching": matching,
            "discriminator.lsgan": loss_discriminator,
        }
        return {name: loss.detach() for name, loss in losses.items()}

    def _adversarial(self, judged: Sequence[Sequence[Tensor]], real: bool) -> Tensor:
        return torch.stack([self.least_squares(features[-1], real) for features in judged]).sum()

    def _feature_matching(self, fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
        total = fake[0][0].new_zeros(())
        for ours, theirs in zip(fake, real, strict=True):
            weight = 4.0 / (len(ours) - 1) / len(fake)
            for feature, aim in zip(ours[:-1], theirs[:-1], strict=True):
                total = total + self.l1(feature, aim.detach()) * weight
        return total
