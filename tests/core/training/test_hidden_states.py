"""Hidden states: watched by path, only while they are asked for, and never of a teacher that does not run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_training import CPU, SIZE, TinyStudent, settings, tiny_pairs
from torch import Tensor, nn

from gdp.core.errors import TrainingError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.losses import Loss, TrainingStep, Watched
from gdp.core.interfaces.teachers import Teacher, TranslatorTeacher
from gdp.core.progress import SilentProgress
from gdp.core.training import TrainingPairs, TrainingResult, train_student
from gdp.core.training.ways import HiddenStates


class TinyTeacher(TranslatorTeacher):
    """A 1x1 convolution and a tanh."""

    def __init__(self) -> None:
        super().__init__(None, BuildContext())
        self._network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Tanh())
        self.runs = 0

    @property
    def fingerprint(self) -> str:
        return ""

    @property
    def resolution(self) -> int:
        return SIZE

    @property
    def module(self) -> nn.Module:
        return self._network

    def example_inputs(self) -> tuple[Tensor]:
        return (torch.zeros(1, 3, SIZE, SIZE),)

    @torch.no_grad()
    def translate(self, images: Tensor) -> Tensor:
        self.runs += 1
        made: Tensor = self._network(images)
        return made


class Watching(Loss):
    """Pulls the student's first layer towards the teacher's, through an adapter; `config` may change paths."""

    seen: dict[str, tuple[int, ...]]

    def watch(self, generator: nn.Module, teacher: Teacher | None) -> Watched:
        return Watched([self.config.get("student", "first")], [self.config.get("teacher", "0")])

    def fit(self, student_hidden: Any, teacher_hidden: Any) -> nn.Module | None:
        self.seen = {"first": tuple(student_hidden["first"].shape), "0": tuple(teacher_hidden["0"].shape)}
        self.adapter = nn.Conv2d(8, 3, 1)
        return self.adapter

    def generator(self, step: TrainingStep) -> Tensor:
        distance = (step.prediction - step.target).abs().mean()
        assert step.student_hidden["first"].shape[0] == step.source.shape[0]
        return distance + (self.adapter(step.student_hidden["first"]) - step.teacher_hidden["0"]).square().mean()


def train(folder: Path, loss: Loss, teacher: TinyTeacher | None, live: bool = True) -> TrainingResult:
    pairs = tiny_pairs()
    teach = teacher.translate if teacher is not None and live else None
    return train_student(
        TinyStudent(),
        [("watching", 1.0, loss)],
        TrainingPairs(pairs.train, pairs.held_out, pairs.load_uint8, teach=teach),
        settings(steps=3, image_pool=0),
        folder,
        seed=0,
        device=CPU,
        progress=SilentProgress(),
        on_metrics=lambda step, metrics: None,
        on_images=lambda step, path: None,
        teacher=teacher,
    )


@pytest.mark.training
def test_losses_see_the_hidden_states_of_both_and_train_their_adapter(tmp_path: Path) -> None:
    torch.manual_seed(0)
    loss, teacher = Watching({}, BuildContext()), TinyTeacher()
    train(tmp_path, loss, teacher)
    assert loss.seen == {"first": (1, 8, SIZE, SIZE), "0": (1, 3, SIZE, SIZE)}
    assert teacher.runs == 1 + 3, "once to see the shapes, once a step"
    assert (tmp_path / "losses.safetensors").is_file()


@pytest.mark.parametrize(("whose", "wrong", "near"), [("student", "frist", "first"), ("teacher", "O", "0")])
def test_a_wrong_path_is_told_with_the_nearest(tmp_path: Path, whose: str, wrong: str, near: str) -> None:
    with pytest.raises(TrainingError, match=f"the {whose} has no module '{wrong}'; the nearest are .*{near}"):
        train(tmp_path, Watching({whose: wrong}, BuildContext()), TinyTeacher())


def test_a_teacher_that_does_not_run_cannot_be_watched(tmp_path: Path) -> None:
    for teacher in (TinyTeacher(), None):
        with pytest.raises(TrainingError, match=r"watching compares hidden states .* live = true"):
            train(tmp_path, Watching({}, BuildContext()), teacher, live=False)


def test_outputs_are_kept_only_when_asked_for() -> None:
    network = nn.Sequential(nn.Identity(), nn.Tanh())
    hidden = HiddenStates(network, ["0"], "student")
    with hidden.kept():
        network(torch.ones(1))
    network(torch.zeros(1))
    assert float(hidden.outputs["0"]) == 1.0
    hidden.close()
    assert not hidden.outputs
    with hidden.kept():
        network(torch.ones(1))
    assert not hidden.outputs
