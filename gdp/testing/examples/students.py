"""A student that trains in milliseconds, with an adversary and a way back, and the losses that it needs."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.losses import Loss, TrainingStep
from gdp.core.interfaces.students import Discrimination, Opposite, Student
from gdp.testing.examples.teachers import ConvolutionalTranslator, Critic, seeded


class TinyStudent(Student):
    """Two convolutions and a residual block; its discriminator judges pictures alone."""

    conditional: ClassVar[bool] = False

    def __init__(self, config: Any = None, context: BuildContext | None = None) -> None:
        super().__init__(config, context or BuildContext())
        seed, channels = self.context.seed, self.context.input_channels
        self._generator = seeded(lambda: ConvolutionalTranslator(channels), seed)
        self._discriminator = seeded(Critic, seed + 1)
        self._opposite = Opposite(seeded(ConvolutionalTranslator, seed + 2), seeded(Critic, seed + 3))

    @property
    def generator(self) -> nn.Module:
        """(N, C, H, W) in [-1, 1] -> (N, 3, H, W) in [-1, 1]."""
        return self._generator

    @property
    def discriminator(self) -> nn.Module:
        """The critic of the target's domain."""
        return self._discriminator

    @property
    def opposite(self) -> Opposite:
        """The way back, with a critic of its own."""
        return self._opposite

    def discriminate(self, source: Tensor, image: Tensor) -> Discrimination:
        """Judge pictures (N, 3, H, W) by themselves."""
        judged: Discrimination = self._discriminator(image)
        return judged

    def discriminate_opposite(self, image: Tensor) -> Discrimination:
        """Judge pictures (N, 3, H, W) of the source's domain."""
        assert self._opposite.discriminator is not None
        judged: Discrimination = self._opposite.discriminator(image)
        return judged


class AbsoluteDifference(Loss):
    """L1 between prediction and target."""

    def generator(self, step: TrainingStep) -> Tensor:
        """Return the mean absolute difference."""
        return (step.prediction - step.target).abs().mean()


class LeastSquares(Loss):
    """LSGAN (Mao et al., ICCV 2017, equation 2): real is 1, fake is 0."""

    adversarial: ClassVar[bool] = True

    def generator(self, step: TrainingStep) -> Tensor:
        """Return the mean squared distance of the fake's logits from 1."""
        return torch.stack([(features[-1] - 1).square().mean() for features in step.fake]).mean()

    def discriminator(self, step: TrainingStep) -> Tensor:
        """Return half the mean squared distances of the real's logits from 1 and of the fake's from 0."""
        real = torch.stack([(features[-1] - 1).square().mean() for features in step.real]).mean()
        fake = torch.stack([features[-1].square().mean() for features in step.fake_detached]).mean()
        return 0.5 * (real + fake)
