"""What the scores of many pairs look like: histograms of numbers and counts of words, kept and dropped apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from gdp.core.pairs.records import Score
from gdp.tools.select.table import DROPPED, KEPT, PairTable

BINS = 24
WORDS = 8
"""How many different words are told with their counts."""


@dataclass(frozen=True)
class Histogram:
    """The numbers of some pairs."""

    counts: tuple[int, ...]
    """In bins of equal width between the summary's `low` and `high`."""
    median: float | None
    """None where there is no number."""

    @property
    def total(self) -> int:
        """How many numbers there are."""
        return sum(self.counts)


@dataclass(frozen=True)
class NumberSummary:
    """One score that is a number."""

    filter: str
    score: str
    low: float
    high: float
    kept: Histogram
    dropped: Histogram
    """Pairs that are not kept, whichever filter dropped them; those that are still pending are left out."""


@dataclass(frozen=True)
class WordSummary:
    """One score that is a word or a truth value."""

    filter: str
    score: str
    total: int
    """How many pairs have one."""
    different: int
    counts: tuple[tuple[str, int, int], ...]
    """The most frequent words with how many of the kept and of the dropped pairs have them."""


def summarise(table: PairTable, rows: Sequence[int]) -> Iterator[NumberSummary | WordSummary]:
    """Yield a summary of each score of each filter, over the pairs of some rows; scores without values are left out."""
    for columns in table.judged:
        for score, column in columns.scores.items():
            parts = {
                decision: [column[row] for row in rows if table.decisions[row] == decision and column[row] is not None]
                for decision in (KEPT, DROPPED)
            }
            values = [*parts[KEPT], *parts[DROPPED]]
            if not values:
                continue
            if any(isinstance(value, str | bool) for value in values):
                yield _words(columns.name, score, parts[KEPT], parts[DROPPED])
            else:
                yield _numbers(columns.name, score, parts[KEPT], parts[DROPPED])


def _numbers(name: str, score: str, kept: Sequence[Score], dropped: Sequence[Score]) -> NumberSummary:
    numbers = [[float(value) for value in part if value is not None] for part in (kept, dropped)]
    low, high = min(map(min, filter(None, numbers))), max(map(max, filter(None, numbers)))
    histograms = [_histogram(part, low, high) for part in numbers]
    return NumberSummary(name, score, low, high, *histograms)


def _histogram(values: Sequence[float], low: float, high: float) -> Histogram:
    counts = [0] * BINS
    width = (high - low) / BINS
    for value in values:
        counts[min(BINS - 1, int((value - low) / width)) if width else 0] += 1
    return Histogram(tuple(counts), median(values) if values else None)


def _words(name: str, score: str, kept: Sequence[Score], dropped: Sequence[Score]) -> WordSummary:
    counts = [
        Counter(str(value).lower() if isinstance(value, bool) else str(value) for value in part)
        for part in (kept, dropped)
    ]
    both = counts[0] + counts[1]
    most = tuple((word, counts[0][word], counts[1][word]) for word, _ in both.most_common(WORDS))
    return WordSummary(name, score, both.total(), len(both), most)
