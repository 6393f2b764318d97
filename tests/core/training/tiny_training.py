"""A tiny student with an adversary and dropout, losses and pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.losses import Loss, TrainingStep
from gdp.core.interfaces.students import Discrimination, Student, TrainingPhase
from gdp.core.progress import SilentProgress
from gdp.core.recipe.sections import TrainSection
from gdp.core.training import TrainingPairs, TrainingResult, WeightedLoss, train_student

SIZE = 16
CPU = torch.device("cpu")


class TinyGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.dropout = nn.Dropout(0.2)
        self.last = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        hidden = self.dropout(torch.relu(self.norm(self.first(image))))
        return torch.tanh(image + self.last(hidden))


class TinyDiscriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(6, 8, 4, stride=2, padding=1)
        self.last = nn.Conv2d(8, 1, 3, padding=1)
        self.runs = 0

    def forward(self, image: Tensor) -> list[Tensor]:
        self.runs += 1
        hidden = nn.functional.leaky_relu(self.first(image), 0.2)
        return [hidden, self.last(hidden)]


class TinyStudent(Student):
    """`config` is a dict; phases may be put there."""

    def __init__(self, config: Any = None, context: BuildContext | None = None) -> None:
        super().__init__(config or {}, context or BuildContext(resolution=SIZE))
        with torch.random.fork_rng():
            torch.manual_seed(self.context.seed)
            self._generator, self._discriminator = TinyGenerator(), TinyDiscriminator()

    @property
    def generator(self) -> nn.Module:
        return self._generator

    @property
    def discriminator(self) -> nn.Module | None:
        return self._discriminator

    def discriminate(self, source: Tensor, image: Tensor) -> Discrimination:
        return [self._discriminator(torch.cat([source, image], 1))]

    @property
    def phases(self) -> Sequence[TrainingPhase]:
        return self.config.get("phases", super().phases)

    def phase_downscale(self, phase: TrainingPhase) -> int:
        return 2 if phase.name == "half" else 1


class Adversarial(Loss):
    adversarial = True

    def generator(self, step: TrainingStep) -> Tensor:
        return (step.fake[0][-1] - 1).square().mean() + (step.fake[0][0] - step.real[0][0].detach()).abs().mean()

    def discriminator(self, step: TrainingStep) -> Tensor:
        return 0.5 * ((step.real[0][-1] - 1).square().mean() + step.fake_detached[0][-1].square().mean())


class Distance(Loss):
    def generator(self, step: TrainingStep) -> Tensor:
        return (step.prediction - step.target).abs().mean()


class BecomesNan(Loss):
    """Is NaN whenever the config, a set of calls counted from 1, says so."""

    calls = 0

    def generator(self, step: TrainingStep) -> Tensor:
        self.calls += 1
        return step.prediction.mean() * (float("nan") if self.calls in self.config else 0.0)


def tiny_pairs(count: int = 20, size: int = SIZE) -> TrainingPairs:
    generator = torch.Generator().manual_seed(0)
    source = torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8)
    target = 255 - source
    held_out = [3, 5]
    train = [index for index in range(count) if index not in held_out]
    return TrainingPairs(train, held_out, lambda indices: (source[list(indices)], target[list(indices)]))


def both_losses() -> list[WeightedLoss]:
    return [
        WeightedLoss("adversarial", 1.0, Adversarial(None, BuildContext())),
        WeightedLoss("l1", 10.0, Distance(None, BuildContext())),
    ]


def settings(**changes: Any) -> TrainSection:
    chosen: dict[str, Any] = {
        "steps": 24,
        "batch": 4,
        "log_every": 5,
        "sample_every": 8,
        "checkpoint_every": 7,
        "image_pool": 3,
        "flip": True,
        "ema_half_life": 20.0,
        "gradient_clip": 5.0,
        "precision": "float32",
    }
    return TrainSection(**(chosen | changes))


def train(folder: Path, **changes: Any) -> TrainingResult:
    """Train the tiny student; `changes` replace arguments of `train_student` or settings."""
    names = ("student", "losses", "pairs", "seed", "progress", "on_metrics", "on_images", "stop", "memory")
    given = {name: changes.pop(name) for name in names if name in changes}
    arguments: dict[str, Any] = {
        "student": TinyStudent(),
        "losses": both_losses(),
        "pairs": tiny_pairs(),
        "seed": 1,
        "progress": SilentProgress(),
        "on_metrics": ignore_metrics,
        "on_images": ignore_images,
    }
    return train_student(settings=settings(**changes), folder=folder, device=CPU, **(arguments | given))


def ignore_metrics(step: int, metrics: Mapping[str, float]) -> None:
    pass


def ignore_images(step: int, path: Path) -> None:
    pass


def train_long(folder: Path, steps: int) -> None:
    """Train in a process of its own, which may be killed."""
    torch.set_num_threads(1)
    train(folder, steps=steps, checkpoint_every=3, sample_every=20)
