"""What a direction does to a filter's scores, measured on samples that it was not found with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gdp.core.interfaces.filters import ScoringFilter
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.pairs.records import Json
from gdp.core.progress import Progress
from gdp.support.directions.direction import Direction
from gdp.tools.directions.samples import BATCH, in_batches, judge_pictures

STRENGTHS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
UNIT = 1.0
"""Strength at which changes are compared: from -1 to +1, halved."""


@dataclass(frozen=True)
class StrengthEffect:
    """What a filter says at one strength, over the same samples at each."""

    strength: float
    kept: float
    """Share that the filter would keep, in [0, 1]."""
    means: Mapping[str, float]
    """Mean of each score, in the score's own unit."""


@dataclass(frozen=True)
class Effects:
    """What a direction does to every score of a filter."""

    samples: int
    strengths: tuple[StrengthEffect, ...]
    deviations: Mapping[str, float]
    """Standard deviation of each score over the teacher's samples, in the score's own unit."""

    @property
    def changes(self) -> dict[str, float]:
        """Change of each score's mean by strength 1, in that score's standard deviations: from -1 to +1, halved."""
        means = {effect.strength: effect.means for effect in self.strengths}
        low, high = means[-UNIT], means[UNIT]
        shared = [name for name in self.deviations if name in low and name in high]
        return {name: (high[name] - low[name]) / 2 / self.deviations[name] for name in shared}

    def leak(self, label: str, held: Sequence[str]) -> float:
        """Return the largest change of a held score as a share of that of the label's; 0 where none is held."""
        changes = self.changes
        wanted = abs(changes.get(label, 0.0))
        return max((abs(changes.get(name, 0.0)) / max(wanted, 1e-12) for name in held), default=0.0)

    def to_data(self) -> dict[str, Json]:
        """Return plain data for JSON, rounded to 4 digits."""
        return {
            "samples": self.samples,
            "changes": _rounded(self.changes),
            "deviations": _rounded(self.deviations),
            "strengths": [
                {"strength": effect.strength, "kept": round(effect.kept, 4), "means": _rounded(effect.means)}
                for effect in self.strengths
            ],
        }


def deviations_of(scores: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the standard deviation of each score that varies, of those of its values that are known."""
    known = {name: values[~values.isnan()] for name, values in scores.items()}
    found = {name: float(values.std()) for name, values in known.items() if len(values) > 1}
    return {name: deviation for name, deviation in found.items() if deviation > 1e-6}


def measure_effects(
    teacher: LatentTeacher,
    judge: ScoringFilter,
    direction: Direction,
    ws: Tensor,
    deviations: Mapping[str, float],
    progress: Progress,
) -> Effects:
    """Move ws (N, num_ws, w_dim) along a direction and let the filter look at every strength from -3 to +3."""
    found = []
    title = f"measuring {direction.name}"
    with progress.task(title, len(ws) * len(STRENGTHS), "pictures") as task:
        for strength in STRENGTHS:
            move = direction.displacement(teacher, strength)
            means, kept = mean_scores(teacher, judge, ws, move, task.advance)
            found.append(StrengthEffect(strength, kept, means))
    return Effects(len(ws), tuple(found), dict(deviations))


def mean_scores(
    teacher: LatentTeacher, judge: ScoringFilter, ws: Tensor, move: Tensor, advance: Callable[[int], None]
) -> tuple[dict[str, float], float]:
    """Return the mean of each score over the pictures of ws + move, and the share that the filter would keep."""
    parts = zip(in_batches(range(len(ws))), torch.split(ws + move.to(ws), BATCH), strict=True)
    judged = judge_pictures(judge, ((indices, teacher.synthesize(part)) for indices, part in parts), advance)
    known = {name: values[~values.isnan()] for name, values in judged.numbers().items()}
    means = {name: float(values.mean()) for name, values in known.items()}
    return means, sum(judged.kept) / len(judged.kept)


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
