"""Evaluators: measurements of a trained student."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.pair_sources import PairSource
from gdp.core.interfaces.students import Student
from gdp.core.interfaces.teachers import Teacher
from gdp.core.pairs.records import PairBatch
from gdp.core.progress import Progress

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Metric:
    """One measured number."""

    value: float
    protocol: str
    """How it was measured, in one or two sentences: on what, how many, by which formula or library."""
    unit: str = ""
    better: str = ""
    """`higher`, `lower`, or empty where neither is better."""


@dataclass(frozen=True)
class PictureRow:
    """One row of the report's before/after table."""

    title: str
    pictures: dict[str, Tensor]
    """Column (source, teacher, student, slow route, truth) to picture (3, H, W) in [-1, 1]."""


@dataclass
class Evaluation:
    """What an evaluator found."""

    metrics: dict[str, Metric] = field(default_factory=dict)
    """Dotted name such as `quality.held_out.psnr_db` to its number."""
    absent: dict[str, str] = field(default_factory=dict)
    """Dotted name of a number that could not be measured to the reason and what would mend it."""
    rows: list[PictureRow] = field(default_factory=list)


@dataclass(frozen=True)
class EvaluationContext:
    """What an evaluator may look at."""

    student: Student
    """Its generator holds the final (averaged) weights, in evaluation mode."""
    predict: Callable[[Tensor], Tensor]
    """The student as it is deployed: (N, C, H, W) -> (N, 3, H, W), clamped to [-1, 1], no gradient, in the
    recipe's precision."""
    teacher: Teacher | None
    pair_source: PairSource
    held_out: Sequence[int]
    """Indices of the pairs that were kept and never trained on."""
    load: Callable[[Sequence[int]], PairBatch]
    """Loads pairs by index from the store."""
    seed: int
    device: torch.device
    progress: Progress


class Evaluator(ABC):
    """Measures a student; its numbers go to `metrics.json`, its pictures into the report."""

    def __init__(self, config: Any, context: BuildContext) -> None:
        self.config = config
        self.context = context

    @abstractmethod
    def evaluate(self, context: EvaluationContext) -> Evaluation:
        """Measure. Numbers that cannot be had here belong into `absent`, with the reason."""
