"""What a plugin is given when a run builds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gdp.core.answers import AnswerBook
from gdp.core.memory import MemoryBound
from gdp.core.progress import Progress, SilentProgress

if TYPE_CHECKING:
    import torch

    from gdp.core.interfaces.datasets import Dataset, UnpairedDataset
    from gdp.core.interfaces.teachers import Teacher


def _cpu() -> torch.device:
    import torch

    return torch.device("cpu")


@dataclass(frozen=True)
class Deferred:
    """What a field of a `BuildContext` is until somebody reads it: a teacher that need not be loaded, say."""

    make: Callable[[], Any]
    class_of: Callable[[], type[Any] | None] = lambda: None
    """Tells of which class it will be, without making it; None where that is not known."""


@dataclass(frozen=True)
class BuildContext:
    """The surroundings of a plugin. Plugins take what they need and keep no reference to the run.

    Reading `teacher` may load it, so a plugin that needs none should not look.

    Attributes:
        seed: The recipe's seed; everything random derives from it and from the pair's index.
        device: Where its networks run.
        teacher: The run's teacher; None where the recipe has none (existing pairs).
        dataset: The pictures of the recipe's `[dataset]`; None where it has none.
        input_channels: Students only: channels of the source, 3 for each input picture.
        resolution: Students only: height and width of the pairs in pixels.
        progress: Where long work is told.
        answers: What paid services said before; a run's is the user's one book for all runs.
        memory: How much memory pictures in work may take; `memory.pictures_together(...)` says how many that are.
        pairs: Filters only: how many pairs the recipe asks for; None where the pair source decides.
    """

    seed: int = 0
    device: torch.device = field(default_factory=_cpu)
    teacher: Teacher | None = None
    dataset: Dataset | UnpairedDataset | None = None
    input_channels: int = 3
    resolution: int = 64
    progress: Progress = field(default_factory=SilentProgress)
    answers: AnswerBook = field(default_factory=AnswerBook.in_memory)
    memory: MemoryBound = field(default_factory=MemoryBound)
    pairs: int | None = None

    @property
    def teacher_class(self) -> type[Any] | None:
        """Class of the teacher, which is not loaded for it; None where there is none, or it is not installed here."""
        teacher = object.__getattribute__(self, "teacher")
        if isinstance(teacher, Deferred):
            return teacher.class_of()
        return None if teacher is None else type(teacher)

    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, name)
        return value.make() if isinstance(value, Deferred) else value
