"""A small world to evaluate in: a linear teacher that can be projected into exactly, and students of choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.evaluators import EvaluationContext
from gdp.core.interfaces.pair_sources import PairSource
from gdp.core.interfaces.students import Student
from gdp.core.interfaces.teachers import LatentTeacher, Projection, Teacher
from gdp.core.pairs.records import PairBatch, PairRecord
from gdp.core.progress import Progress, SilentProgress

RESOLUTION = 16
W_DIM = 6


class LinearTeacher(LatentTeacher):
    """Pictures are linear in the mean w, so that a projection is exact."""

    def __init__(self) -> None:
        super().__init__(None, BuildContext())
        generator = torch.Generator().manual_seed(0)
        self.linear = nn.Linear(W_DIM, 3 * RESOLUTION**2, bias=False)
        with torch.no_grad():
            self.linear.weight.copy_(torch.randn(self.linear.weight.shape, generator=generator) * 0.1)
        self.projected: list[tuple[int, int | None]] = []
        """How many pictures each projection took, and the steps that were asked for."""

    fingerprint = "linear"
    resolution = RESOLUTION
    z_dim = W_DIM
    w_dim = W_DIM
    num_ws = 2

    @property
    def module(self) -> nn.Module:
        return self.linear

    def example_inputs(self) -> tuple[Any, ...]:
        return (torch.zeros(1, W_DIM),)

    def map(self, z: Tensor, truncation: float = 1.0, truncation_cutoff: int | None = None) -> Tensor:
        return (z * truncation).unsqueeze(1).repeat(1, self.num_ws, 1)

    def synthesize(self, ws: Tensor) -> Tensor:
        images: Tensor = self.linear(ws.mean(dim=1)).reshape(-1, 3, RESOLUTION, RESOLUTION)
        return images.detach()

    def project(self, images: Tensor, steps: int | None, progress: Progress) -> Projection:
        self.projected.append((len(images), steps))
        w = torch.linalg.lstsq(self.linear.weight.detach(), images.flatten(1).T).solution.T
        ws = self.map(w)
        return Projection(ws, self.synthesize(ws), steps or 1000, "squared error, solved exactly")


class LinearSource(PairSource):
    """Moves w by one along its first coordinate."""

    resolution = RESOLUTION

    def __init__(self, teacher: LinearTeacher, count: int) -> None:
        super().__init__(None, BuildContext(teacher=teacher))
        self.teacher = teacher
        self.pictures = teacher.synthesize(teacher.map(teacher.sample_z(7, range(count)) * 0.5))

    def edit(self, ws: Tensor) -> Tensor | None:
        direction = torch.zeros(W_DIM)
        direction[0] = 1.0
        return ws + direction

    def make(self, indices: Sequence[int]) -> PairBatch:
        ws = self.teacher.map(self.teacher.sample_z(7, indices) * 0.5)
        edited = self.edit(ws)
        assert edited is not None
        records = [PairRecord(index, 7) for index in indices]
        return PairBatch(list(indices), self.teacher.synthesize(ws), self.teacher.synthesize(edited), records)


class OneConvolution(Student):
    """A student whose network is a single 1x1 convolution."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__(None, BuildContext())
        self.network = nn.Conv2d(channels, 3, 1)

    @property
    def generator(self) -> nn.Module:
        return self.network


def return_unchanged(source: Tensor) -> Tensor:
    """Predict as a student would that does nothing."""
    return source[:, :3]


@dataclass
class World:
    """Makes evaluation contexts and remembers what was asked of them."""

    teacher: LinearTeacher = field(default_factory=LinearTeacher)
    predicted: list[int] = field(default_factory=list)
    """Size of each batch that went through the student."""

    def context(
        self,
        predict: Callable[[Tensor], Tensor] = return_unchanged,
        held_out: Sequence[int] = tuple(range(6)),
        load: Callable[[Sequence[int]], PairBatch] | None = None,
        **changes: Any,
    ) -> EvaluationContext:
        """Return a context over the linear teacher's pairs, or over those that `load` gives."""
        source = LinearSource(self.teacher, 6)

        def counted(images: Tensor) -> Tensor:
            self.predicted.append(len(images))
            return predict(images).clamp(-1, 1)

        settings: dict[str, Any] = {
            "student": OneConvolution(),
            "predict": counted,
            "teacher": self.teacher,
            "pair_source": source,
            "held_out": list(held_out),
            "load": load or source.make,
            "seed": 7,
            "device": torch.device("cpu"),
            "progress": SilentProgress(),
        }
        return EvaluationContext(**{**settings, **changes})

    def perfect(self, images: Tensor) -> Tensor:
        """Predict exactly what the teacher made, up to rounding: the edit is a constant in picture space."""
        return images + self.teacher.linear.weight.detach()[:, 0].reshape(1, 3, RESOLUTION, RESOLUTION)


def batch_of(source: Tensor, target: Tensor) -> Callable[[Sequence[int]], PairBatch]:
    """Return a loader of these pictures, (N, C, H, W) and (N, 3, H, W)."""

    def load(indices: Sequence[int]) -> PairBatch:
        chosen = list(indices)
        return PairBatch(chosen, source[chosen], target[chosen], [PairRecord(index, 0) for index in chosen])

    return load


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def pairs_of() -> Callable[[Tensor, Tensor], Callable[[Sequence[int]], PairBatch]]:
    return batch_of


@pytest.fixture
def build() -> BuildContext:
    return BuildContext()


@pytest.fixture
def translator() -> Teacher:
    """A teacher without latents."""

    class Plain(Teacher):
        fingerprint = "plain"
        resolution = RESOLUTION

        @property
        def module(self) -> nn.Module:
            return nn.Conv2d(3, 3, 3, padding=1)

        def example_inputs(self) -> tuple[Any, ...]:
            return (torch.zeros(1, 3, RESOLUTION, RESOLUTION),)

    return Plain(None, BuildContext())
