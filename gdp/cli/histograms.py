"""Scores as histograms in the terminal: bars of eight heights, plain characters where the stream has no such signs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from gdp.console import encodable

if TYPE_CHECKING:
    from gdp.tools.select.table import Histogram, NumberSummary, PairTable, WordSummary

BARS = " ▁▂▃▄▅▆▇█"
PLAIN_BARS = " .:-=+*#%"


def print_summary(table: PairTable, rows: Sequence[int]) -> None:
    """Print each score of the pairs in some rows, kept and dropped apart."""
    from gdp.tools.select.table import NumberSummary, summarise

    bars = _bars(sys.stdout.encoding)
    for summary in summarise(table, rows):
        typer.echo("")
        lines = _numbers(summary, bars) if isinstance(summary, NumberSummary) else _words(summary)
        for line in lines:
            typer.echo(encodable(line, sys.stdout.encoding))


def _bars(encoding: str | None) -> str:
    return BARS if encodable(BARS, encoding) == BARS else PLAIN_BARS


def draw(counts: Sequence[int], bars: str) -> str:
    """Draw a histogram on one line; whatever is not 0 can be seen."""
    highest = max(counts, default=0)
    return "".join(bars[-(-count * (len(bars) - 1) // highest)] if count else bars[0] for count in counts)


def _numbers(summary: NumberSummary, bars: str) -> list[str]:
    def line(word: str, histogram: Histogram) -> str:
        middle = "" if histogram.median is None else f"  median {histogram.median:.4g}"
        return f"  {word:<7} {histogram.total:>7,} |{draw(histogram.counts, bars)}|{middle}"

    title = f"{_name(summary)}  from {summary.low:.4g} to {summary.high:.4g}"
    parts = (("kept", summary.kept), ("dropped", summary.dropped))
    return [title, *(line(word, histogram) for word, histogram in parts if histogram.total)]


def _words(summary: WordSummary) -> list[str]:
    title = f"{_name(summary)}  {summary.different:,} different of {summary.total:,}"
    if 2 * summary.different > summary.total:
        return [title]  # nearly each pair has its own, so no word says anything
    return [title, *(f"  {word}: {kept:,} kept, {dropped:,} dropped" for word, kept, dropped in summary.counts)]


def _name(summary: NumberSummary | WordSummary) -> str:
    from gdp.support.expressions.binding import written

    return f"{written(summary.filter)}.{written(summary.score)}"
