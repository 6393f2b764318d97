"""Tables of the report: funnel, what the student began with, times and sizes, pruning, all numbers, stages, facts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from gdp.support.metrics_files import finite
from gdp.support.places import without_places_in
from gdp.support.wording import duration, percent, plain, scaled, times, with_unit
from gdp.tools.report.folder import STAGES, Number, RunData, mapping, mappings


@dataclass(frozen=True)
class FunnelStep:
    """One step of the funnel: what is left after it."""

    name: str
    kept: str
    dropped: str
    share: float
    """Pairs left, in percent of those made."""
    reasons: list[tuple[str, str]]
    only_scored: bool = False
    """Whether the filter let every pair pass and only measured."""
    summary: list[tuple[str, str]] = field(default_factory=list)
    """What the filter itself tells of its work, such as calls and cost."""


def funnel_table(data: RunData) -> list[FunnelStep]:
    """Follow the pairs from filter to filter; empty where the recipe has none."""
    made = number_of(data.funnel.get("made"))
    if not mappings(data.funnel.get("filters")):
        return []  # a recipe without filters keeps all
    steps = [FunnelStep("made", plain(made), "", 100.0 if made else 0.0, [])]
    for row in mappings(data.funnel.get("filters")):
        kept, entered = number_of(row.get("kept")), number_of(row.get("input"))
        reasons = [(reason, plain(number_of(count))) for reason, count in mapping(row.get("reasons")).items()]
        if left := number_of(row.get("not_yet")):
            reasons.append((f"not yet looked at ({row.get('not_yet_because', '')})", plain(left)))
        share = 100.0 * kept / made if made else 0.0
        told = _plain_items(mapping(row.get("summary")))
        name, only_scored = str(row.get("filter", "")), row.get("only_score") is True
        steps.append(FunnelStep(name, plain(kept), plain(entered - kept), share, reasons, only_scored, told))
    return steps


@dataclass(frozen=True)
class Layer:
    """One layer of the student."""

    name: str
    origin: str
    """The teacher's layer that plays the same part; empty where there is none."""
    shape: str
    copied: bool
    reason: str
    """Why it was not copied."""


@dataclass(frozen=True)
class Initialisation:
    """All that is known of the student before its first step."""

    layers: list[Layer]
    facts: list[tuple[str, str]]


def read_initialisation(data: RunData) -> Initialisation | None:
    """Arrange what the training's initialisation.json holds; None where it tells nothing."""
    student = mapping(data.initialisation.get("student"))
    layers = [_layer(list(rows)) for _, rows in groupby(mappings(student.get("layers")), key=_layer_name)]
    facts = [
        (name.replace("_", " "), str(value))
        for name, value in student.items()
        if isinstance(value, str | int | float) and value != ""
    ]
    return Initialisation(layers, facts) if layers or facts else None


def _layer_name(row: Mapping[str, Any]) -> tuple[str, bool, str]:
    """Return what tensors of one layer share: its name, and what became of it."""
    return _module(row.get("student")), row.get("copied") is True, str(row.get("reason") or "")


def _module(tensor: Any) -> str:
    name = str(tensor or "")
    return name.rpartition(".")[0] or name


def _layer(rows: list[dict[str, Any]]) -> Layer:
    """Sum up a layer's tensors by the largest, its weight."""
    main = max(rows, key=lambda row: len(_extents(row.get("student_shape"))))
    name, copied, reason = _layer_name(main)
    ours, theirs = (_extents(main.get(f"{whose}_shape")) for whose in ("student", "teacher"))
    shape = _shape(ours) if not theirs or ours == theirs else f"{_shape(ours)}, the teacher's {_shape(theirs)}"
    return Layer(name, _module(main.get("teacher")), shape, copied, reason)


def _extents(shape: Any) -> list[Any]:
    return shape if isinstance(shape, list) else []


def _shape(sizes: list[Any]) -> str:
    return " × ".join(str(size) for size in sizes)  # noqa: RUF001  # the sign that the report shows


FIRST = ("student", "teacher")
"""Networks that head the table of times and sizes, in this order."""


@dataclass(frozen=True)
class SizeRow:
    """One network, or route, of the table of times and sizes."""

    name: str
    time: str
    spread: str
    extremes: bool
    """Whether the spread is from the fastest to the slowest, not from the 10th to the 90th percentile."""
    parameters: str
    macs: str
    weights: str
    times: str = ""
    """Its time in times of the student's."""
    macs_times: str = ""
    """Its multiply-accumulates in times of the student's."""


def size_table(data: RunData) -> list[SizeRow]:
    """Arrange `speed.NAME_ms` and `size.NAME.*` by name, whoever measured them."""
    timed, sized = (
        {match[1] for name in data.numbers if (match := re.fullmatch(pattern, name))}
        for pattern in (r"speed\.(\w+)_ms", r"size\.(\w+)\.\w+")
    )
    others = sorted((timed | sized) - set(FIRST), key=lambda name: (name in sized, *_rank(name)))
    rows = [_size_row(data, name) for name in (*FIRST, *others)]
    return [row for row in rows if any((row.time, row.parameters, row.macs, row.weights))]


def _size_row(data: RunData, name: str) -> SizeRow:
    low, high = (_milliseconds(data, f"{name}_ms_{edge}") for edge in ("p10", "p90"))
    fastest, slowest = (_milliseconds(data, f"{name}_ms_{edge}") for edge in ("fastest", "slowest"))
    extremes = not (low and high) and bool(fastest and slowest)
    if extremes:
        low, high = fastest, slowest
    parameters, macs, weights = (data.value(f"size.{name}.{part}") for part in ("parameters", "macs", "bytes"))
    return SizeRow(
        name=_words(name),
        time=_milliseconds(data, f"{name}_ms"),
        spread=f"{low} to {high}" if low and high else "",
        extremes=extremes,
        parameters="" if parameters is None else scaled(parameters),
        macs="" if macs is None else scaled(macs),
        weights="" if weights is None else scaled(weights, "B"),
        times=_of_student(data, name, "speed.{}_ms"),
        macs_times=_of_student(data, name, "size.{}.macs"),
    )


def _of_student(data: RunData, name: str, pattern: str) -> str:
    """Return how many times the student's a number is; empty for the student itself, and where one is unknown."""
    own, students = data.value(pattern.format(name)), data.value(pattern.format(FIRST[0]))
    if name == FIRST[0] or own is None or not students:
        return ""
    return f"{times(own / students)}\u00a0\u00d7"


def _words(name: str) -> str:
    """Write a name as words: `slow route`; of several of a thing, how many: `9 blocks`."""
    many = re.fullmatch(r"(\w+s)_(\d+)", name)
    return (f"{many[2]} {many[1]}" if many else name).replace("_", " ")


def _rank(name: str) -> tuple[str, int]:
    """Order names; those that end in a number by it, the largest first."""
    stem, _, number = name.rpartition("_")
    return (stem, -int(number)) if number.isascii() and number.isdigit() and len(number) < 10 else (name, 0)


def _milliseconds(data: RunData, name: str) -> str:
    value = data.value(f"speed.{name}")
    return "" if value is None else duration(value / 1000)


@dataclass(frozen=True)
class PruningRow:
    """One line: a size of the whole network, or the channels of one of its parts."""

    name: str
    before: str
    after: str
    left: str


@dataclass(frozen=True)
class PruningTable:
    """What was pruned, and the sizes before and after."""

    sentence: str
    rows: list[PruningRow]


def pruning_table(data: RunData) -> PruningTable | None:
    """Return the table of a pruned run; None for any other run."""
    pruning = data.pruning
    if pruning is None:
        return None
    sentence = (
        f"The {pruning.of}'s network of the run {pruning.run} was pruned to {percent(pruning.share)} of its "
        f"multiply-accumulates, and what was left was trained on. Parts show their channels."
    )
    words = {"parameters": "parameters", "macs": "MACs a picture"}
    sizes = [_pruning_row(words[name], *pair, scaled) for name, pair in pruning.sizes.items()]
    return PruningTable(
        sentence, [*sizes, *(_pruning_row(part, *pair, plain) for part, pair in pruning.channels.items())]
    )


def _pruning_row(name: str, before: float, after: float, write: Callable[[float], str]) -> PruningRow:
    return PruningRow(name, write(before), write(after), percent(after / before) if before else "")


@dataclass(frozen=True)
class MetricLine:
    """One number of the full list."""

    name: str
    value: str
    protocol: str
    better: str
    same_judge: str = ""
    """The filter that chose the pairs by the judge that tells this number."""


def metric_groups(data: RunData) -> list[tuple[str, list[MetricLine]]]:
    """Group all numbers by everything of their names but the last part."""
    ordered = sorted(data.numbers.values(), key=lambda number: (_group(number), number.name))
    return [(group, [_line(data, number) for number in numbers]) for group, numbers in groupby(ordered, key=_group)]


def _group(number: Number) -> str:
    return number.name.rpartition(".")[0]


def _line(data: RunData, number: Number) -> MetricLine:
    leaf, judge = number.name.rpartition(".")[2], data.filtered_by_its_judge(number.name)
    return MetricLine(leaf, with_unit(number.value, number.unit), number.protocol, number.better, judge)


@dataclass(frozen=True)
class StageRow:
    """One stage of the run."""

    name: str
    time: str
    share: float
    """Its time in percent of the longest stage's."""
    key: str
    summary: list[tuple[str, str]]


def stage_table(data: RunData) -> list[StageRow]:
    """List the finished stages in their order, with their times and what they tell."""
    seconds = {name: number_of(entry.get("seconds")) for name, entry in data.stages.items()}
    longest = max(seconds.values(), default=0.0) or 1.0
    known = [stage for stage in STAGES if stage in data.stages]
    rows = []
    for name in [*known, *(name for name in data.stages if name not in known)]:
        entry = data.stages[name]
        items = _plain_items(mapping(entry.get("summary")))
        key = str(entry.get("key", ""))[:12]
        rows.append(StageRow(name, duration(seconds[name]), 100 * seconds[name] / longest, key, items))
    return rows


def number_of(value: Any) -> float:
    """Return a number of a JSON file, 0 where it holds something else."""
    return finite(value) or 0.0


def facts(data: RunData) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what run.json says of the run, of the machine and of the versions; of paths the names alone.

    A report is given to others, whom it does not concern where its files lie.
    """
    known = without_places_in(data.run)
    parts: Sequence[tuple[str, Any]] = (
        ("Run", {name: value for name, value in known.items() if not isinstance(value, dict | list)}),
        *((name.capitalize(), value) for name, value in known.items() if isinstance(value, dict)),
    )
    return [(title, _plain_items(items)) for title, items in parts if items]


def _plain_items(items: dict[str, Any]) -> list[tuple[str, str]]:
    """Write a mapping's values as text; nested ones as `a b, c d`."""
    lines = []
    for name, value in items.items():
        if isinstance(value, dict):
            text = ", ".join(f"{key} {inner}" for key, inner in value.items())
        elif isinstance(value, list):
            text = ", ".join(str(inner) for inner in value)
        elif (number := finite(value)) is not None:
            text = plain(number)
        else:
            text = "" if value is None else str(value)
        lines.append((name.replace("_", " "), text))
    return lines
