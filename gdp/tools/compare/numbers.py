"""What a comparison's numbers say: means over the seeds, their spread, and whether a difference is larger than that."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FILE = "variants.json"
"""The comparison's outcome in the run folder."""
BETTER, WORSE, DIFFERENT, WITHIN = "better", "worse", "different", "within the spread"
"""What a difference can be; `different` where neither direction is the better one."""


@dataclass(frozen=True)
class Spread:
    """One number, measured after several trainings that differ in their seed alone."""

    values: tuple[float, ...]
    """One for each seed, at least one."""

    @property
    def mean(self) -> float:
        """The arithmetic mean."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation (divided by n - 1); None for a single value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    @property
    def width(self) -> float:
        """The largest value less the smallest."""
        return max(self.values) - min(self.values)


def judge(ours: Spread, base: Spread, better: str) -> str | None:
    """Say what the difference of two means is worth.

    A difference counts if it is larger than the spread: the largest value less the smallest, of whichever of the two
    is wider.

    Args:
        ours: of the variant.
        base: of what it is compared with.
        better: `higher`, `lower`, or empty where neither is better.

    Returns:
        `better`, `worse`, `different` or `within the spread`; None where a single seed leaves the spread unknown.
    """
    if len(ours.values) < 2 or len(base.values) < 2:
        return None
    difference = ours.mean - base.mean
    if abs(difference) <= max(ours.width, base.width):
        return WITHIN
    if not better:
        return DIFFERENT
    return BETTER if (difference > 0) == (better == "higher") else WORSE


def summary(values: Sequence[float], base: Sequence[float] | None, better: str) -> dict[str, object]:
    """Return one number of one variant as variants.json holds it.

    Args:
        values: one for each seed, at least one.
        base: those of what it is compared with; None for that itself.
        better: as of `judge`.
    """
    ours = Spread(tuple(values))
    described: dict[str, object] = {
        "mean": ours.mean,
        "standard_deviation": ours.deviation,
        "min": min(ours.values),
        "max": max(ours.values),
        "values": list(ours.values),
    }
    if not base:
        return described
    theirs = Spread(tuple(base))
    return {**described, "difference": ours.mean - theirs.mean, "verdict": judge(ours, theirs, better)}


@dataclass(frozen=True)
class Outcome:
    """What came of one training."""

    variant: str
    seed: int
    training: Mapping[str, Any]
    """Facts of the training, as JSON data."""
    metrics: Mapping[str, float]


def document(outcomes: Sequence[Outcome], metrics: Mapping[str, Mapping[str, str]], changes: Mapping[str, Any]) -> Any:
    """Arrange a comparison as variants.json holds it.

    Args:
        outcomes: of the trainings that have finished; those of the recipe as it is come first.
        metrics: what is compared: name to protocol, unit and `better`.
        changes: every variant's name, the recipe as it is first, to what was changed.
    """
    base = next(iter(changes))
    measured = {
        (variant, name): [each.metrics[name] for each in outcomes if each.variant == variant and name in each.metrics]
        for variant in changes
        for name in metrics
    }
    return {
        "format": 1,
        "unchanged": base,
        "metrics": {name: dict(about) for name, about in metrics.items()},
        "variants": [
            {
                "name": variant,
                "changes": changed,
                "metrics": {
                    name: summary(values, None if variant == base else measured[base, name], about.get("better", ""))
                    for name, about in metrics.items()
                    if (values := measured[variant, name])
                },
                "trainings": [
                    {"seed": each.seed, **each.training, "metrics": dict(each.metrics)}
                    for each in outcomes
                    if each.variant == variant
                ],
            }
            for variant, changed in changes.items()
        ],
    }
