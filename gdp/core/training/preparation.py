"""Before the first step: losses meet the networks, hidden states are found, one dry forward shows their shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gdp.core.building import name_of, plugin_errors
from gdp.core.errors import TrainingError
from gdp.core.interfaces.losses import Watched
from gdp.core.interfaces.students import Student
from gdp.core.interfaces.teachers import Teacher
from gdp.core.training.objective import WeightedLoss
from gdp.core.training.ways import Guidance, HiddenStates, find_module


@dataclass(frozen=True)
class Prepared:
    """Losses that know their networks."""

    losses: Sequence[WeightedLoss]
    helpers: Mapping[str, nn.Module]
    """Networks of the losses that are trained beside the generator, by the losses' names."""
    guidance: Guidance

    def close(self) -> None:
        """Watch no more."""
        for hidden in (self.guidance.student_hidden, self.guidance.teacher_hidden):
            if hidden is not None:
                hidden.close()


def prepare_losses(
    student: Student,
    losses: Sequence[WeightedLoss],
    teacher: Teacher | None,
    teach: Callable[[Tensor], Tensor] | None,
    example: Tensor,
) -> Prepared:
    """Let the losses choose the modules that they watch, check their paths, and show them the hidden states' shapes.

    Args:
        student: with its networks on the device.
        losses: all terms, those that begin later among them.
        teacher: whose hidden states may be watched; None where the recipe has none.
        teach: makes targets during training by running the teacher; None where the stored ones are used.
        example: a source (1, C, H, W) on the device.

    Raises:
        TrainingError: a path is wrong, or hidden states are wanted of a teacher that does not run.
        ShapeError: hidden states do not fit together.
    """
    watched = {term.name: term.loss.watch(student.generator, teacher) for term in losses}
    _require_modules(student, losses, watched, teacher)
    student_hidden, teacher_hidden = _hidden_states(student, watched, teacher, teach)
    training = student.generator.training
    student.generator.eval()  # a dry forward must move no running statistics
    try:
        with torch.no_grad():
            with student_hidden.kept() if student_hidden else nullcontext(), plugin_errors(name_of(student)):
                student.generator(example)
            if teacher_hidden is not None and teach is not None:
                with teacher_hidden.kept():
                    teach(example)
    finally:
        student.generator.train(training)
    helpers = {}
    for term in losses:
        helper = term.loss.fit(
            student_hidden.outputs if student_hidden else {}, teacher_hidden.outputs if teacher_hidden else {}
        )
        if helper is not None:
            helpers[term.name] = helper.to(example.device)
    return Prepared(losses, helpers, Guidance(teach, student_hidden, teacher_hidden))


def _require_modules(
    student: Student, losses: Sequence[WeightedLoss], watched: Mapping[str, Watched], teacher: Teacher | None
) -> None:
    """Look for the modules that each loss watches, so that what is not there is told in its name."""
    for term in losses:
        with plugin_errors(name_of(term.loss), foreign=True):
            for path in watched[term.name].student:
                find_module(student.generator, path, "student")
            if teacher is not None:
                for path in watched[term.name].teacher:
                    find_module(teacher.module, path, "teacher")


def _hidden_states(
    student: Student,
    watched: Mapping[str, Watched],
    teacher: Teacher | None,
    teach: Callable[[Tensor], Tensor] | None,
) -> tuple[HiddenStates | None, HiddenStates | None]:
    of_student = [path for choice in watched.values() for path in choice.student]
    of_teacher = [path for choice in watched.values() for path in choice.teacher]
    if of_teacher and (teacher is None or teach is None):
        names = ", ".join(name for name, choice in watched.items() if choice.teacher)
        raise TrainingError(
            f"{names} compares hidden states of the teacher, and no teacher runs during this training: take a pair "
            f"source that makes its targets live (translate with live = true), or take the loss out of the recipe"
        )
    return (
        HiddenStates(student.generator, of_student, "student") if of_student else None,
        HiddenStates(teacher.module, of_teacher, "teacher") if of_teacher and teacher is not None else None,
    )
