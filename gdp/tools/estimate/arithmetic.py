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
STUDENT = (12.7, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)
"""The same where the deviation itself is known from 2, 3, 4 ... values alone (Student's t)."""
FEWEST = (0.6, 1.7)
"""Factors by which the mean of a single measured unit may be off."""


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

    @classmethod
    def about(cls, seconds: float, low: float, high: float) -> Duration:
        """Return a time that may be off by these factors."""
        return cls(seconds, seconds * low, seconds * high)

    def times(self, factor: float) -> Duration:
        """Return it so many times over."""
        return Duration(self.seconds * factor, self.low * factor, self.high * factor)

    def within(self, low: float, high: float) -> Duration:
        """Return it with bounds that are wider by these factors, low at most 1 and high at least 1."""
        return Duration(self.seconds, self.low * low, self.high * high)


NOTHING = Duration.exactly(0.0)


def total(durations: Iterable[Duration]) -> Duration:
    """Add times up; the bounds too, for what slows one stage down (a busy machine) slows the others down as well."""
    parts = list(durations)
    return Duration(sum(p.seconds for p in parts), sum(p.low for p in parts), sum(p.high for p in parts))


def independent(durations: Iterable[Duration]) -> Duration:
    """Add times up that are off independently of each other: the distances to their bounds add up as squares do."""
    parts = list(durations)
    seconds = sum(part.seconds for part in parts)
    down = math.sqrt(sum((part.seconds - part.low) ** 2 for part in parts))
    up = math.sqrt(sum((part.high - part.seconds) ** 2 for part in parts))
    return Duration(seconds, max(0.0, seconds - down), seconds + up)


def repeated(unit_seconds: Sequence[float], units: float) -> Duration:
    """Return the time of many units from a few measured ones.

    The mean, not the median: over a whole run the slow units count, too. The bounds are so many standard errors of
    the mean away that 95 % lie within, times the number of units; of one unit alone they are `FEWEST`.

    Args:
        unit_seconds: measured times of a unit each, at least one.
        units: how many there will be.
    """
    mean, count = fmean(unit_seconds), len(unit_seconds)
    if count == 1:
        return Duration.about(units * mean, *FEWEST)
    wide = STUDENT[count - 2] if count - 2 < len(STUDENT) else CONFIDENCE
    error = wide * stdev(unit_seconds) / math.sqrt(count)
    low = max(min(unit_seconds), mean - error)
    return Duration(units * mean, units * low, units * (mean + min(error, mean)))


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
