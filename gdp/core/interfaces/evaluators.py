"""Evaluators: measurements of a trained student."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.pair_sources import PairSource
from gdp.core.interfaces.students import Student
from gdp.core.interfaces.teachers import Teacher
from gdp.core.memory import MemoryBound
from gdp.core.pairs.records import PairBatch
from gdp.core.progress import Progress

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Metric:
    """One measured number.

    Attributes:
        value: The number.
        protocol: How it was measured, in one or two sentences: on what, how many, by which formula or library.
        unit: Such as dB, ms or years; empty for a ratio or a count.
        better: `higher`, `lower`, or empty where neither is better.
        judge: The `fingerprint` that a filter has which asks the same network or service, where the number is made of
            its answers; the report says where that judge also filtered the pairs. Empty for what pixels tell.
    """

    value: float
    protocol: str
    unit: str = ""
    better: str = ""
    judge: str = ""


@dataclass(frozen=True)
class PictureRow:
    """One row of the report's before/after table.

    Attributes:
        title: What stands above the row.
        pictures: Column to picture (3, H, W): uint8 levels, which many large pictures had better be, or floats in
            [-1, 1]. The report shows source, teacher, student, others, truth in this order, whatever theirs here.
    """

    title: str
    pictures: dict[str, Tensor]


Place = Literal["verdict", "speed and size"]
"""Where a sentence of the report stands: in the paragraph that says what came of the run, or under that table."""


@dataclass(frozen=True)
class Sentence:
    """One sentence of the report, in its verdict if nothing else is said.

    Attributes:
        text: Plain text that ends with a full stop; what stands between `**` and `**` is emphasised.
        rank: Place in the paragraph, the smallest first, equal ones in the recipe's order; the built-in evaluators take
            0 (against the truth, before the report's own words on the student), 10 (size), 20 (speed) and 30 to 80
            (quality).
        place: Where it stands: verdict, or another part of the report.
    """

    text: str
    rank: int = 100
    place: Place = "verdict"


@dataclass(frozen=True)
class Headline:
    """One of the few figures that head the report.

    Attributes:
        value: The number as it is to be read, such as `97.2 %`; `gdp.toolbox` has functions that write numbers.
        words: A few words that stand under it, such as `of the teacher's parameters`.
        rank: Place in the row, the smallest first, equal ones in the recipe's order. Where there are too many, every
            evaluator's first is shown before anybody's second.
        number: Dotted name of the number that it shows, if it is one; the report says where its judge also filtered.
    """

    value: str
    words: str
    rank: int = 100
    number: str = ""


@dataclass
class Evaluation:
    """What an evaluator found.

    Attributes:
        metrics: Dotted name such as `quality.held_out.psnr_db` to its number.
        absent: Dotted name of a number that could not be measured to the reason and what would mend it.
        rows: Pictures for the report; those whose titles begin with the same `heading / ` stand together under it.
    """

    metrics: dict[str, Metric] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    rows: list[PictureRow] = field(default_factory=list)


EVALUATED_BYTES_A_PIXEL = 120.0
"""Of a pair that is measured: source, target and prediction as floats, each in one more copy, and as levels."""


@dataclass(frozen=True)
class EvaluationContext:
    """What an evaluator may look at.

    Attributes:
        student: Its generator holds the final (averaged) weights, in evaluation mode.
        predict: The student as it is deployed: (N, C, H, W) -> (N, 3, H, W), clamped to [-1, 1], no gradient, in the
            recipe's precision.
        teacher: The run's teacher; None where the recipe has none.
        pair_source: Who made the pairs.
        held_out: Indices of the pairs that were kept and never trained on.
        load: Loads pairs by index from the store.
        seed: The recipe's seed.
        device: Where networks run.
        progress: Where long work is told.
        memory: How much memory pictures in work may take; `batches` keeps to it.
        measured: What the evaluators before this one in the recipe measured, by dotted name: so that nothing (such as
            `speed.student_ms`) is measured twice and told in two ways.
        together: Calls the other processes of a run on several devices: within `with context.together():` they are in
            `Evaluator.take_part`, and `gdp.toolbox.training_group()` is that of all; alone it calls nobody.
    """

    student: Student
    predict: Callable[[Tensor], Tensor]
    teacher: Teacher | None
    pair_source: PairSource
    held_out: Sequence[int]
    load: Callable[[Sequence[int]], PairBatch]
    seed: int
    device: torch.device
    progress: Progress
    memory: MemoryBound = field(default_factory=MemoryBound)
    measured: Mapping[str, float] = field(default_factory=dict)
    together: Callable[[], AbstractContextManager[None]] = nullcontext

    def batches(
        self,
        title: str,
        indices: Sequence[int] | None = None,
        most: int = 16,
        bytes_a_pixel: float = EVALUATED_BYTES_A_PIXEL,
    ) -> Iterator[PairBatch]:
        """Load pairs in batches that the memory holds, telling the progress; no number may depend on their size.

        `for pairs in context.batches("my measure"):` sees every held-out pair once.

        Args:
            title: what the progress calls the work.
            indices: the pairs; None for all that were held out.
            most: pairs in a batch, fewer where they are large.
            bytes_a_pixel: what one pixel of a pair takes while it is worked on, in all copies and channels.
        """
        indices = self.held_out if indices is None else indices
        size = (self.pair_source.resolution, self.pair_source.resolution)
        tell = self.progress.message
        together = self.memory.pictures_together(
            size, most, bytes_a_pixel=bytes_a_pixel, tell=tell, what="held-out pairs"
        )
        with self.progress.task(title, len(indices), "pairs") as task:
            for start in range(0, len(indices), together):
                pairs = self.load(indices[start : start + together])
                yield pairs
                task.advance(len(pairs))


class Evaluator(ABC):
    """Measures a student; its numbers go to `metrics.json`, its pictures, sentences and headlines into the report."""

    def __init__(self, config: Any, context: BuildContext) -> None:
        self.config = config
        self.context = context

    @abstractmethod
    def evaluate(self, context: EvaluationContext) -> Evaluation:
        """Measure. Numbers that cannot be had here belong into `absent`, with the reason."""

    def take_part(self, context: EvaluationContext) -> object:
        """Do this process's share of what `evaluate` does within `context.together()`; by default there is none.

        Called in the other processes of a run on several devices, with a context like that of `evaluate`. Whatever
        `gather` and the like wait for must be called as often as there.
        """
        return None

    @classmethod
    def sentences(cls, numbers: Mapping[str, float]) -> Iterable[Sentence]:
        """Say what the numbers mean, for the report; nothing where this evaluator's are not there.

        Args:
            numbers: every finite number of the run by its dotted name, whoever measured it, as `metrics.json` has them.
        """
        return ()

    @classmethod
    def headlines(cls, numbers: Mapping[str, float]) -> Iterable[Headline]:
        """Choose the numbers that deserve to head the report, the most telling first; the argument is as above."""
        return ()
