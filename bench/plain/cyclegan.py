"""CycleGAN's networks (Zhu et al., ICCV 2017) and one step of its training, as published."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from plain.layers import LeastSquares, ResnetGenerator

CYCLE_WEIGHT = 10.0
IDENTITY_SHARE = 0.5
"""Of the cycle's weight."""
POOL = 50


class Generator(ResnetGenerator):
    """The ResNet generator; the published one for pictures of 256 pixels has width 64 and 9 blocks."""

    def __init__(self, width: int = 64, blocks: int = 9) -> None:
        super().__init__(width, 2, blocks)


class PatchDiscriminator(nn.Module):
    """Judges overlapping patches, of 70x70 pixels with 3 layers of stride 2."""

    def __init__(self, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        modules: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        channels = width
        for layer in range(1, layers + 1):
            before, channels = channels, width * min(2**layer, 8)
            convolution = nn.Conv2d(before, channels, 4, stride=2 if layer < layers else 1, padding=1)
            modules += [convolution, nn.InstanceNorm2d(channels), nn.LeakyReLU(0.2, inplace=True)]
        self.model = nn.Sequential(*modules, nn.Conv2d(channels, 1, 4, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures (N, 3, H, W) to logits (N, 1, h, w)."""
        logits: Tensor = self.model(x)
        return logits


class ImagePool:
    """Earlier pictures that a discriminator is shown half of the time."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: list[Tensor] = []

    def query(self, images: Tensor) -> Tensor:
        """Return what is shown in place of pictures (N, C, H, W)."""
        shown = []
        for image in images.detach():
            if len(self.images) < self.size:
                self.images.append(image)
                shown.append(image)
            elif random.random() > 0.5:  # noqa: S311 # no secret
                place = random.randrange(self.size)  # noqa: S311 # no secret
                shown.append(self.images[place])
                self.images[place] = image
            else:
                shown.append(image)
        return torch.stack(shown)


class CycleGANTraining:
    """Two generators and two discriminators with their optimizers.

    Args:
        generators: from A to B and from B to A, with the weights to begin with, on their device.
        discriminators: of B and of A, the same.
    """

    def __init__(self, generators: tuple[nn.Module, nn.Module], discriminators: tuple[nn.Module, nn.Module]) -> None:
        self.generators = generators
        self.discriminators = discriminators
        self.least_squares = LeastSquares()
        self.l1 = nn.L1Loss()
        self.pools = ImagePool(POOL), ImagePool(POOL)
        self.generator_optimizer = _adam(generators)
        self.discriminator_optimizer = _adam(discriminators)

    def step(self, real_a: Tensor, real_b: Tensor) -> dict[str, Tensor]:
        """Train on pictures (N, 3, H, W) in [-1, 1] of both domains; return the losses before their weights."""
        to_b, to_a = self.generators
        fake_b = to_b(real_a)
        cycled_a = to_a(fake_b)
        fake_a = to_a(real_b)
        cycled_b = to_b(fake_a)
        self._set_requires_grad(False)
        self.generator_optimizer.zero_grad()
        identity = self.l1(to_b(real_b), real_b) + self.l1(to_a(real_a), real_a)
        judge_b, judge_a = self.discriminators
        adversarial = self.least_squares(judge_b(fake_b), True) + self.least_squares(judge_a(fake_a), True)
        cycle = self.l1(cycled_a, real_a) + self.l1(cycled_b, real_b)
        loss = adversarial + cycle * CYCLE_WEIGHT + identity * CYCLE_WEIGHT * IDENTITY_SHARE
        torch.autograd.backward(loss)
        self.generator_optimizer.step()
        self._set_requires_grad(True)
        self.discriminator_optimizer.zero_grad()
        judged = self._judge(judge_b, real_b, self.pools[0].query(fake_b))
        judged = judged + self._judge(judge_a, real_a, self.pools[1].query(fake_a))
        self.discriminator_optimizer.step()
        losses = {
            "generator.lsgan": adversarial,
            "generator.cycle-l1": cycle,
            "generator.identity-l1": identity,
            "discriminator.lsgan": judged,
        }
        return {name: value.detach() for name, value in losses.items()}

    def _judge(self, judge: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        loss_real = self.least_squares(judge(real), True)
        loss_fake = self.least_squares(judge(fake.detach()), False)
        loss: Tensor = (loss_real + loss_fake) * 0.5
        torch.autograd.backward(loss)
        return loss.detach()

    def _set_requires_grad(self, trains: bool) -> None:
        for discriminator in self.discriminators:
            discriminator.requires_grad_(trains)


def _adam(networks: Iterable[nn.Module]) -> torch.optim.Adam:
    parameters = itertools.chain.from_iterable(network.parameters() for network in networks)
    return torch.optim.Adam(parameters, lr=2e-4, betas=(0.5, 0.999))
