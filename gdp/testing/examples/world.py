"""What surrounds a plugin while it is checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.datasets import Dataset, UnpairedDataset
from gdp.core.interfaces.students import Student
from gdp.core.interfaces.teachers import Teacher
from gdp.core.pairs.records import PairBatch, Scores
from gdp.testing.examples.datasets import TinyDataset, TinyUnpairedDataset
from gdp.testing.examples.pictures import RESOLUTION, pairs
from gdp.testing.examples.students import TinyStudent
from gdp.testing.examples.teachers import TinyLatentTeacher, TinyTranslatorTeacher


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
