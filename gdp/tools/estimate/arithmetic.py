"""The arithmetic of an estimate: pure functions of numbers. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

HOUR, DAY = 3600.0, 86400.0
"""Seconds."""
CONFIDENCE = 1.96
"""Standard errors to either side of an estimate: 95 % of normally distributed ones lie within."""


@dataclass(frozen=True)
class Duration:
    """A time and how far it may be off, in seconds."""

    seconds: float
    low: float
    high: float

    @classmethod
    def exactly(cls, seconds: float) -> Duration:
        """Return a time that is known."""
        return cls(seconds, seconds, seconds)

    def times(self, factor: float) -> Duration:
        """Return it so many times over."""
        return Duration(self.seconds * factor, self.low * factor, self.high * factor)


NOTHING = Duration.exactly(0.0)


def total(durations: Iterable[Duration]) -> Duration:
    """Add times up; the bounds too, for what slows one stage down (a busy machine) slows the others down as well."""
    parts = list(durations)
    return Duration(sum(p.seconds for p in parts), sum(p.low for p in parts), sum(p.high for p in parts))


def repeated(unit_seconds: Sequence[float], units: float) -> Duration:
    """Return the time of many units from a few measured ones.

    The mean, not the median: over a whole run the slow units count, too. The bounds are `CONFIDENCE` standard errors
    of the mean away, times the number of units.

    Args:
        unit_seconds: measured times of a unit each, at least one.
        units: how many there will be.
    """
    mean = fmean(unit_seconds)
    error = stdev(unit_seconds) / math.sqrt(len(unit_seconds)) if len(unit_seconds) > 1 else 0.0
    return Duration(
        units * mean, units * max(min(unit_seconds), mean - CONFIDENCE * error), units * (mean + CONFIDENCE * error)
    )


def training_seconds(pictures: int, epochs: float, seconds_per_picture: float) -> float:
    """Return how long a training takes: system A's 10,000 x 200 pictures at 0.95 s are 1,900,000 s."""
    return pictures * epochs * seconds_per_picture


def dollars(seconds: float, dollars_per_hour: float) -> float:
    """Return what a machine costs for so long."""
    return seconds / HOUR * dollars_per_hour


def binomial_bounds(kept: int, judged: int) -> tuple[float, float]:
    """Return between which shares the true one lies where `kept` of `judged` passed (Wilson, 1927; `CONFIDENCE`)."""
    if judged == 0:
        return 0.0, 1.0
    share, z = kept / judged, CONFIDENCE
    middle = (share + z * z / (2 * judged)) / (1 + z * z / judged)
    half = z / (1 + z * z / judged) * math.sqrt(share * (1 - share) / judged + z * z / (4 * judged * judged))
    return max(0.0, middle - half), min(1.0, middle + half)
