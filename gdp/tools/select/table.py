"""All pairs of a run as columns: what was measured of each, what the filters said, what became of it. No pictures.

What the scores of many pairs look like: histograms of numbers and counts of words, kept and dropped apart.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import Any

from gdp.core.pairs.records import Score, Scores
from gdp.core.pairs.store import PairStore
from gdp.core.run.judging import Judged, walk
from gdp.core.run.session import Session
from gdp.core.run.stages import filters
from gdp.support.expressions import Expression, parse_value
from gdp.support.expressions.binding import bind
from gdp.support.expressions.tree import Value, kind_of

KEPT, DROPPED, PENDING = "keep", "drop", "pending"
"""What became of a pair; pending where a filter has not judged it yet."""


@dataclass
class FilterColumns:
    """What one filter said of all pairs; None for those that did not reach it or are not measured yet."""

    name: str
    decisions: list[str | None]
    """keep, drop or unknown."""
    reasons: list[str | None]
    scores: dict[str, list[Score]] = field(default_factory=dict)


@dataclass
class PairTable:
    """The pairs of a run, a row each, by ascending number.

    A condition over the table may name, beside the scores, what is known of the pair itself: `index` (its number),
    `decision` (keep, drop or pending), `filter` (which dropped it), `reason` (why) and `split` (train or held_out),
    the last three empty where there is none; and of each filter `sharpness.decision` and `sharpness.reason`.
    """

    indices: Sequence[int]
    decisions: list[str]
    filters: list[str]
    reasons: list[str]
    splits: list[str]
    judged: list[FilterColumns]
    funnel: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.indices)

    @cached_property
    def known(self) -> Mapping[str, Collection[str]]:
        """Names of scores by filter, as `gdp.support.expressions` asks for them."""
        own = ("index", "decision", "filter", "reason", "split")
        return {"": own, **{each.name: {*each.scores, "decision", "reason"} for each in self.judged}}

    def scores(self, row: int) -> Mapping[str, Scores]:
        """Return all that is known of the pair in a row, by filter and name; under "" what is known of itself."""
        own: dict[str, Score] = {
            "index": self.indices[row],
            "decision": self.decisions[row],
            "filter": self.filters[row],
            "reason": self.reasons[row],
            "split": self.splits[row],
        }
        found: dict[str, Scores] = {"": own}
        for each in self.judged:
            verdict: dict[str, Score] = {"decision": each.decisions[row], "reason": each.reasons[row]}
            found[each.name] = verdict | {name: column[row] for name, column in each.scores.items()}
        return found

    def reader(self, name: str) -> Callable[[int], list[Score]]:
        """Return what reads a score from a row, by a name as in a condition: one value, or one of each picture.

        Raises:
            GdpError: there is no such score.
        """
        places = bind(parse_value(name), self.known).places[name]

        def read(row: int) -> list[Score]:
            scores = self.scores(row)
            return [scores.get(owner, {}).get(score) for owner, score in places.values()]

        return read

    def select(self, where: Expression | None = None, sort: Expression | None = None) -> list[int]:
        """Return rows, by pair number or by what they are sorted by.

        Args:
            where: condition to meet; a pair of which it is not known does not meet it.
            sort: a score, or something calculated from scores, such as `target_age - source_age`; ascending, numbers
                before words, pairs without it last.

        Raises:
            GdpError: one of the two names what is not there.
        """
        rows = list(range(len(self)))
        if where is not None:
            condition = bind(where, self.known)
            rows = [row for row in rows if condition.judge(self.scores(row)).holds]
        if sort is not None:
            measure = bind(sort, self.known, each_picture=False)
            values = {row: measure.value(self.scores(row)) for row in rows}
            rows.sort(key=lambda row: _order(values[row]))
        return rows


def _order(value: Value) -> tuple[int, float, str]:
    if value is None:
        return 3, 0.0, ""
    if isinstance(value, str):
        return 2, 0.0, value
    return (1 if kind_of(value) == "number" else 0), float(value), ""


def read_table(session: Session, store: PairStore, made: Sequence[int]) -> PairTable:
    """Judge the pairs by their stored scores and put all that is said of them into columns.

    Args:
        session: on the run; its keys of teacher and pairs are known.
        store: its pairs, which another process may be adding to.
        made: numbers of the pairs, ascending.

    Raises:
        GdpError: a filter of the recipe cannot be built.
    """
    rows = {index: row for row, index in enumerate(made)}
    count = len(made)
    table = PairTable(made, [KEPT] * count, [""] * count, [""] * count, [""] * count, [], [])
    for judged in walk(session, store, made, measure=False):
        table.judged.append(_columns(judged, rows))
        table.funnel.append({**judged.funnel_row(), "unmeasured": len(judged.unmeasured)})
        _mark(table, judged, rows)
    for split in (filters.TRAIN, filters.HELD_OUT):
        for index in store.split(split):
            if index in rows:
                table.splits[rows[index]] = split
    return table


def _columns(judged: Judged, rows: Mapping[int, int]) -> FilterColumns:
    columns = FilterColumns(judged.filter.name, [None] * len(rows), [None] * len(rows))
    for index, verdict in judged.verdicts.items():
        row = rows[index]
        columns.decisions[row] = verdict.decision
        columns.reasons[row] = sys.intern(verdict.reason or "")  # thousands share a few
        for name, value in {**judged.scores.get(index, {}), **verdict.scores}.items():
            column = columns.scores.get(name)
            if column is None:
                column = columns.scores[name] = [None] * len(rows)
            column[row] = value
    return columns


def _mark(table: PairTable, judged: Judged, rows: Mapping[int, int]) -> None:
    """Write down what became of the pairs that go no further than this filter."""
    kept, columns = set(judged.kept), table.judged[-1]
    for index in judged.entered:
        if index not in kept:
            row = rows[index]
            measured = index in judged.verdicts
            table.decisions[row] = DROPPED if measured else PENDING
            table.filters[row] = judged.filter.name
            table.reasons[row] = (columns.reasons[row] or "no reason given") if measured else "not judged yet"


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
