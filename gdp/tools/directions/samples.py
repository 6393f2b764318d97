"""A teacher's samples and what a filter says of them: the labels that directions are found and measured with.

What a direction does to a filter's scores, measured on samples that it was not found with.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gdp.core.errors import BudgetError, PluginError, ShapeError
from gdp.core.interfaces.filters import ScoringFilter
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.pairs.records import Json, NotYet, PairBatch, PairRecord, Scores
from gdp.core.progress import Progress
from gdp.support.directions import Direction
from gdp.tools.directions.border import Watched

ALIKE = 3.0
"""Mean difference of pictures, in levels, below which a teacher draws the same again and again; faces64 has 56."""
BATCH = 64
"""Samples that are drawn and judged at a time, fewer where their pictures are large."""
BYTES = 120
"""That a pixel of a sample takes: floats of the teacher's, clamped ones, and a filter's own work."""


@dataclass(frozen=True)
class Sampling:
    """How a teacher's latents are drawn."""

    seed: int = 0
    truncation: float = 0.8
    """Truncation psi, 0 to 1."""

    def ws(self, teacher: LatentTeacher, indices: Sequence[int]) -> Tensor:
        """Return the ws (N, num_ws, w_dim) of samples by their numbers."""
        return teacher.map(teacher.sample_z(self.seed, indices), self.truncation)


@dataclass(frozen=True)
class Judged:
    """What a filter says of pictures, in their order."""

    rows: list[Scores]
    kept: list[bool]
    """Whether the filter would keep the picture, as a pair of it with itself."""
    reasons: list[str]
    """Why not; empty where it would."""

    def numbers(self) -> dict[str, Tensor]:
        """Return every score that is a number for some picture: (N,) float64 by name, NaN where it is none.

        Scores of the target are left out where the source, the same picture, has them, too.
        """
        names = {name for row in self.rows for name, value in row.items() if isinstance(value, bool | int | float)}
        twice = {
            name for name in names if name.startswith("target") and f"source{name.removeprefix('target')}" in names
        }
        return {
            name: torch.tensor([_number(row.get(name)) for row in self.rows], dtype=torch.float64)
            for name in sorted(names - twice)
        }


@dataclass(frozen=True)
class ScoredSamples:
    """Latents of a teacher's samples and the scores of their pictures."""

    w: Tensor
    """(N, w_dim) float64."""
    scores: dict[str, Tensor]
    """(N,) float64 by name, the border's among them; NaN where a score is missing."""

    def standardised(self, name: str) -> Tensor:
        """Return a score (N,) with mean 0 and standard deviation 1 over the samples that have it.

        Raises:
            ShapeError: there is no such score, or it hardly varies.
        """
        if name not in self.scores:
            there = ", ".join(sorted(self.scores)) or "no score that is a number"
            raise ShapeError(f"no score is called {name!r}; there are {there}")
        score = self.scores[name]
        known = score[~score.isnan()]
        deviation = float(known.std()) if len(known) > 1 else 0.0
        if not deviation > 1e-6:
            raise ShapeError(f"the score {name!r} hardly varies over the samples, so no direction can be found for it")
        return (score - known.mean()) / deviation


def draw_samples(
    teacher: LatentTeacher, judge: ScoringFilter | None, sampling: Sampling, count: int, progress: Progress
) -> ScoredSamples:
    """Sample latents 0 to `count` - 1, and let the filter judge their pictures; those it would drop are left out.

    Raises:
        ShapeError: the filter would drop nearly all.
    """
    if not count:
        return ScoredSamples(torch.zeros(0, teacher.w_dim, dtype=torch.float64), {})
    if judge is None:
        parts = [sampling.ws(teacher, indices)[:, 0].cpu().double() for indices in in_batches(range(count), BATCH)]
        return ScoredSamples(torch.cat(parts), {})
    latents: list[Tensor] = []
    watched = Watched()

    def pictures() -> Iterator[tuple[Sequence[int], Tensor]]:
        for indices in in_batches(range(count), _together(teacher)):
            ws = sampling.ws(teacher, indices)
            latents.append(ws[:, 0].cpu().double())
            yield indices, teacher.synthesize(ws)

    with progress.task("scoring samples", count, "pictures") as task:
        judged = judge_pictures(judge, watched.through(pictures()), task.advance)
    if (spread := watched.spread()) < ALIKE:
        warnings.warn(
            f"this teacher's samples are all but alike, {spread:.1f} of 255 levels apart on average: what is found "
            f"from them means little. Look whether it is trained, and whether --truncation {sampling.truncation:g} is "
            f"meant.",
            stacklevel=2,
        )
    kept = torch.tensor(judged.kept)
    if int(kept.sum()) < 2:
        reasons = ", ".join(sorted(set(judged.reasons) - {""})[:3])
        raise ShapeError(f"the filter keeps {int(kept.sum())} of {count} samples ({reasons}); loosen it")
    scores = {name: values[kept] for name, values in (judged.numbers() | watched.scores()).items()}
    return ScoredSamples(torch.cat(latents)[kept], scores)


def judge_pictures(
    judge: ScoringFilter, pictures: Iterable[tuple[Sequence[int], Tensor]], advance: Callable[[int], None]
) -> Judged:
    """Let a filter score pictures, each as a pair of it with itself.

    Args:
        judge: the filter.
        pictures: numbers, from 0 on, and pictures (N, 3, R, R) in about [-1, 1], a batch at a time.
        advance: called with how many pictures were scored.

    Raises:
        PluginError: the filter gives no score for some picture.
        BudgetError: it cannot look at some picture yet.
    """
    given: list[int] = []

    def batches() -> Iterator[PairBatch]:
        for indices, images in pictures:
            given.extend(indices)
            yield _as_pairs(indices, images)

    scores: dict[int, Scores] = {}
    for known in judge.score_stream(batches()):
        for index, found in known.items():
            if isinstance(found, NotYet):
                raise BudgetError(f"{type(judge).__name__} cannot look at picture {index} yet: {found.reason}")
            scores[index] = found
        advance(len(known))
    if missing := set(given) - set(scores):
        raise PluginError(f"{type(judge).__name__} gave no score for {len(missing)} of {len(given)} pictures")
    verdicts = judge.decide(scores)
    return Judged(
        [scores[index] for index in given],
        [verdicts[index].decision == "keep" for index in given],
        [verdicts[index].reason or "" for index in given],
    )


def _as_pairs(indices: Sequence[int], images: Tensor) -> PairBatch:
    pictures = images.clamp(-1, 1).float().cpu()
    return PairBatch(list(indices), pictures, pictures, [PairRecord(index, 0) for index in indices])


def in_batches(indices: range, size: int) -> Iterator[range]:
    """Yield numbers in batches of `size`."""
    for start in range(indices.start, indices.stop, size):
        yield range(start, min(start + size, indices.stop))


def _together(teacher: LatentTeacher) -> int:
    """Return how many of a teacher's pictures are judged at a time; no score depends on it."""
    size, memory = (teacher.resolution, teacher.resolution), teacher.context.memory
    return memory.pictures_together(size, BATCH, bytes_a_pixel=BYTES)


def _number(value: object) -> float:
    return float(value) if isinstance(value, bool | int | float) else float("nan")


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
    border_change: float
    """Mean absolute change of the border's pixels from strength 0, in levels, of reductions to at most 64 px."""
    inner_change: float
    """The same of all other pixels."""


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
                {
                    "strength": effect.strength,
                    "kept": round(effect.kept, 4),
                    "border_change": round(effect.border_change, 2),
                    "inner_change": round(effect.inner_change, 2),
                    "means": _rounded(effect.means),
                }
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
    found: dict[float, tuple[dict[str, float], float, Watched]] = {}
    title = f"measuring {direction.name}"
    with progress.task(title, len(ws) * len(STRENGTHS), "pictures") as task:
        for strength in STRENGTHS:
            move, watched = direction.displacement(teacher, strength), Watched(keep=True)
            means, kept = mean_scores(teacher, judge, ws, move, task.advance, watched)
            found[strength] = means, kept, watched
    unmoved = found[0.0][2]
    effects = [
        StrengthEffect(strength, kept, means, *watched.changed(unmoved))
        for strength, (means, kept, watched) in found.items()
    ]
    return Effects(len(ws), tuple(effects), dict(deviations))


def mean_scores(
    teacher: LatentTeacher,
    judge: ScoringFilter,
    ws: Tensor,
    move: Tensor,
    advance: Callable[[int], None],
    watched: Watched | None = None,
) -> tuple[dict[str, float], float]:
    """Return the mean of each score over the pictures of ws + move, and the share that the filter would keep.

    Args:
        teacher: makes the pictures.
        judge: the filter.
        ws: of the samples, (N, num_ws, w_dim).
        move: is added to each, (num_ws, w_dim).
        advance: called with how many pictures were made.
        watched: sees the pictures.
    """
    together, watched = _together(teacher), watched or Watched()
    parts = zip(in_batches(range(len(ws)), together), torch.split(ws + move.to(ws), together), strict=True)
    pictures = watched.through((indices, teacher.synthesize(part)) for indices, part in parts)
    judged = judge_pictures(judge, pictures, advance)
    return _means(judged.numbers() | watched.scores()), sum(judged.kept) / len(judged.kept)


def _means(scores: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the mean of what is known of each score."""
    known = {name: values[~values.isnan()] for name, values in scores.items()}
    return {name: float(values.mean()) for name, values in known.items()}


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
