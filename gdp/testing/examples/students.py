"""A tiny student, pair sources, and the world in which they are tried.

A student that trains in milliseconds, with an adversary and a way back, and the losses that it needs.

A pair source over the example teachers.

What surrounds a plugin while it is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.datasets import Dataset, UnpairedDataset
from gdp.core.interfaces.losses import Loss, TrainingStep
from gdp.core.interfaces.pair_sources import PairSource
from gdp.core.interfaces.students import Discrimination, Opposite, Student
from gdp.core.interfaces.teachers import LatentTeacher, Teacher
from gdp.core.pairs.records import PairBatch, PairRecord, Scores
from gdp.testing.examples.pictures import RESOLUTION, TinyDataset, TinyUnpairedDataset, pairs
from gdp.testing.examples.runs import RECIPE
from gdp.testing.examples.teachers import (
    ConvolutionalTranslator,
    Critic,
    TinyLatentTeacher,
    TinyTranslatorTeacher,
    seeded,
)


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


class TinyPairSource(PairSource):
    """Samples of a latent teacher and the same samples moved along the first coordinate of w."""

    def __init__(self, config: Any = None, context: BuildContext | None = None) -> None:
        super().__init__(config, context or BuildContext())
        teacher = self.context.teacher
        self._teacher: LatentTeacher = teacher if isinstance(teacher, LatentTeacher) else TinyLatentTeacher()

    @property
    def resolution(self) -> int:
        """Height and width of the teacher's pictures."""
        return self._teacher.resolution

    def edit(self, ws: Tensor) -> Tensor:
        """Move ws (N, num_ws, w_dim) by 1 along their first coordinate."""
        moved = ws.clone()
        moved[..., 0] += 1
        return moved

    def make(self, indices: Sequence[int]) -> PairBatch:
        """Make the pairs of these numbers."""
        ws = self._teacher.map(self._teacher.sample_z(self.context.seed, indices))
        records = [
            PairRecord(index, self.context.seed, {"kind": "example"}, self._teacher.fingerprint) for index in indices
        ]
        source, target = self._teacher.synthesize(ws), self._teacher.synthesize(self.edit(ws))
        return PairBatch(list(indices), source.clamp(-1, 1), target.clamp(-1, 1), records)


def _tiny_student(context: BuildContext) -> Student:
    return TinyStudent(None, context)


@dataclass(frozen=True)
class World:
    """The teacher, the pictures and the student that a plugin meets; change what does not suit it with `replace`."""

    teacher: Teacher | None
    dataset: Dataset | UnpairedDataset | None
    pairs: PairBatch
    """At least 4 pairs, for filters, students, losses and evaluators."""
    student: Callable[[BuildContext], Student] = _tiny_student
    """Makes the student that losses train and evaluators measure."""
    scores: Mapping[int, Mapping[str, Scores]] = field(default_factory=dict)
    """For combining filters: scores[pair number][filter's name][score's name]."""
    recipe: str = RECIPE
    """For stages: the recipe of the run that they are a step of."""

    @property
    def resolution(self) -> int:
        """Height and width of the pairs in pixels."""
        return self.pairs.target.shape[-1]


def latent_world(resolution: int = RESOLUTION) -> World:
    """Return a world whose teacher makes pictures from latents; its dataset is of one domain."""
    return World(
        TinyLatentTeacher(resolution=resolution), TinyDataset(resolution=resolution), pairs(resolution=resolution)
    )


def translation_world(resolution: int = RESOLUTION) -> World:
    """Return a world whose teacher translates pictures; its dataset is of two domains, unpaired."""
    return World(
        TinyTranslatorTeacher(resolution=resolution),
        TinyUnpairedDataset(resolution=resolution),
        pairs(resolution=resolution),
    )
