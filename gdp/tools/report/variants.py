"""The report's comparison: a table of the recipe's variants, and their learning curves in one drawing."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from gdp.support.metrics_files import finite
from gdp.support.wording import plain, scaled
from gdp.tools.report.curves import COLOURS, NOT_CURVES, axis_label, for_the_page, label_axes
from gdp.tools.report.folder import RunData, mapping, mappings, read_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = 9.4, 3.2
"""Width and height in inches; the page scales the drawing."""
LINES = {f"#0000a{number}": f"var(--line-{number})" for number in range(8)}
"""Stand-ins for the lines' colours, and the page's own."""
DASHED_FROM = 4
LOGARITHMIC_FROM = 6.0
"""Ratio of the largest value to the smallest from which the scale is logarithmic."""


@dataclass(frozen=True)
class Compared:
    """One number of the table's head."""

    name: str
    words: str


@dataclass(frozen=True)
class Cell:
    """One number of one variant."""

    value: str
    spread: str
    difference: str
    verdict: str
    """`better`, `worse`, `different`, `within the spread`, or empty where there is nothing to say."""


@dataclass(frozen=True)
class Row:
    """One variant."""

    name: str
    cells: list[Cell]
    parameters: str
    steps: str


@dataclass(frozen=True)
class LegendEntry:
    """One line of a drawing."""

    name: str
    number: int
    dashed: bool


@dataclass(frozen=True)
class LearningCurves:
    """One statistic of all variants over the training's steps."""

    name: str
    svg: Markup
    legend: list[LegendEntry]


@dataclass(frozen=True)
class Comparison:
    """All that the report says of the variants."""

    metrics: list[Compared]
    rows: list[Row]
    curves: list[LearningCurves]
    seeds: int
    unchanged: str


def read_comparison(data: RunData) -> Comparison | None:
    """Arrange what variants.json holds; None where nothing was compared (yet)."""
    variants = [each for each in mappings(data.variants.get("variants")) if mappings(each.get("trainings"))]
    if not variants:
        return None
    metrics = {name: mapping(about) for name, about in mapping(data.variants.get("metrics")).items()}
    return Comparison(
        metrics=[Compared(name, _words(about)) for name, about in metrics.items()],
        rows=[_row(variant, metrics) for variant in variants],
        curves=list(_learning_curves(data, variants)),
        seeds=max(len(mappings(variant.get("trainings"))) for variant in variants),
        unchanged=str(data.variants.get("unchanged", "")),
    )


def _words(about: Mapping[str, Any]) -> str:
    unit, better = str(about.get("unit") or ""), str(about.get("better") or "")
    return ", ".join(words for words in (unit, f"{better} is better" if better else "") if words)


def _row(variant: Mapping[str, Any], metrics: Mapping[str, Mapping[str, Any]]) -> Row:
    trainings = mappings(variant.get("trainings"))
    measured = mapping(variant.get("metrics"))
    cells = [_cell(mapping(measured.get(name)), str(about.get("unit") or "")) for name, about in metrics.items()]
    parameters, steps = (_same(trainings, fact) for fact in ("parameters", "steps"))
    return Row(
        name=str(variant.get("name", "")),
        cells=cells,
        parameters="" if parameters is None else scaled(parameters),
        steps="" if steps is None else plain(steps),
    )


def _same(trainings: Sequence[Mapping[str, Any]], fact: str) -> float | None:
    """Return a fact that all trainings of a variant share."""
    values = {value for each in trainings if (value := finite(each.get(fact))) is not None}
    return values.pop() if len(values) == 1 else None


def _cell(number: Mapping[str, Any], unit: str) -> Cell:
    mean, deviation, difference = (finite(number.get(name)) for name in ("mean", "standard_deviation", "difference"))
    if mean is None:
        return Cell("not measured", "", "", "")
    decimals = _decimals(mean, unit)
    return Cell(
        value=_fixed(mean, decimals),
        spread="" if deviation is None else f"± {_fixed(deviation, decimals)}",
        difference="" if difference is None else _fixed(difference, decimals, sign="+"),
        verdict=str(number.get("verdict") or ""),
    )


def _decimals(value: float, unit: str) -> int:
    """Return how many decimals a number and those beside it get: four significant digits, of decibels two decimals."""
    if unit == "dB" or value == 0:
        return 2
    return min(8, max(0, 3 - math.floor(math.log10(abs(value)))))


def _fixed(value: float, decimals: int, sign: str = "") -> str:
    return f"{value:{sign}.{decimals}f}".replace("-", "\u2212")


@dataclass(frozen=True)
class _Line:
    """A variant's values at the steps that all its trainings have."""

    name: str
    steps: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]


def _learning_curves(data: RunData, variants: Sequence[Mapping[str, Any]]) -> Iterator[LearningCurves]:
    read = {
        str(variant.get("name", "")): [
            list(read_lines(path))
            for each in mappings(variant.get("trainings"))
            if (path := data.inside(each.get("folder"), "held_out.jsonl")) is not None
        ]
        for variant in variants
    }
    statistics = dict.fromkeys(
        name for files in read.values() for lines in files for line in lines for name in line if name not in NOT_CURVES
    )
    for statistic in statistics:
        lines = [_line(name, files, statistic) for name, files in read.items()]
        numbered = [(number, line) for number, line in enumerate(lines) if len(line.steps) > 1]
        if numbered:
            legend = [LegendEntry(line.name, number % len(LINES), number >= DASHED_FROM) for number, line in numbered]
            yield LearningCurves(statistic, _draw(statistic, numbered), legend)


def _line(name: str, files: Sequence[Sequence[Mapping[str, float]]], statistic: str) -> _Line:
    values = [{line["step"]: line[statistic] for line in lines if statistic in line} for lines in files]
    shared = sorted(set.intersection(*(set(each) for each in values))) if values else []
    at = [[each[step] for each in values] for step in shared]
    return _Line(
        name,
        shared,
        [sum(these) / len(these) for these in at],
        [min(these) for these in at],
        [max(these) for these in at],
    )


def _draw(statistic: str, lines: Sequence[tuple[int, _Line]]) -> Markup:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    text, *_, rule = COLOURS
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": statistic, "font.size": 8}):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        colours = list(LINES)
        for number, line in reversed(lines):  # the recipe as it is comes last, above the others
            colour, dash = colours[number % len(colours)], "--" if number >= DASHED_FROM else "-"
            if line.low != line.high:
                band = [*line.high, *reversed(line.low)]
                axes.fill(
                    [*line.steps, *reversed(line.steps)], band, color=colour, alpha=0.14, linewidth=0, clip_on=False
                )
            axes.plot(line.steps, line.mean, dash, color=colour, linewidth=1.3 if number else 2.0, clip_on=False)
        logarithmic = _scale(axes, [value for _, line in lines for value in (*line.low, *line.high)])
        label_axes(axes, axis_label(statistic, logarithmic), text)
        axes.grid(axis="y", color=rule, linewidth=0.6, clip_on=False)
        axes.tick_params(which="both", colors=text, bottom=False, left=False)
        axes.spines[:].set_visible(False)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return for_the_page(buffer.getvalue(), f"{statistic} of the variants over training steps", {**COLOURS, **LINES})


def _scale(axes: Axes, values: Sequence[float]) -> bool:
    """Choose the vertical scale: logarithmic with ticks at 1, 2 and 5 where the values differ by a large factor.

    Returns:
        Whether it is logarithmic.
    """
    low, high = min(values), max(values)
    axes.locator_params(axis="x", nbins=8)
    if low <= 0 or high / low < LOGARITHMIC_FROM:
        axes.locator_params(axis="y", nbins=5)
        return False
    axes.set_yscale("log")
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**exponent for exponent in exponents for digit in (1, 2, 5)]
    axes.set_yticks([tick for tick in ticks if low <= tick <= high])
    axes.set_yticks([], minor=True)
    axes.yaxis.set_major_formatter(lambda value, position: f"{value:.6g}")
    return True
