"""Tables of the report: what was copied into the student, sizes, pruning.

What the student had before its first step: a table of the layers that it took over from its teacher.

The report's table of times and sizes.

The report's table of what pruning left of a network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from gdp.core.errors import CorruptFileError
from gdp.core.run_folder import RunFolder
from gdp.tools.prune.record import PruningRecord, read_record
from gdp.tools.report.folder import RunData, mapping, mappings
from gdp.tools.report.wording import duration, percent, plain, scaled, times


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


FIRST = ("student", "teacher", "slow_route")
"""Networks and routes that head the table, in this order."""


@dataclass(frozen=True)
class SizeRow:
    """One network, or route, of the speed and size table."""

    name: str
    time: str
    spread: str
    parameters: str
    macs: str
    weights: str


def size_table(data: RunData) -> list[SizeRow]:
    """Arrange `speed.NAME_ms` and `size.NAME.*` by name."""
    found = [match[1] for name in data.numbers if (match := re.fullmatch(r"size\.(\w+)\.\w+", name))]
    rows = [_row(data, name) for name in dict.fromkeys((*FIRST, *sorted(found, key=_rank)))]
    return [row for row in rows if any((row.time, row.parameters, row.macs, row.weights))]


def block_ratios(data: RunData) -> list[str]:
    """Say of networks that differ in their number of blocks how many times as long one takes as the other."""
    return list(_block_ratios(data))


def _block_ratios(data: RunData) -> Iterator[str]:
    width, resolution = data.value("size.blocks.width"), data.value("size.blocks.resolution")
    about = "" if width is None or resolution is None else f"Of width {plain(width)} and at {plain(resolution)} px, "
    for name, number in data.numbers.items():
        if match := re.fullmatch(r"speed\.blocks_(\d+)_to_(\d+)", name):
            yield f"{about}{match[1]} residual blocks take {times(number.value)} times as long as {match[2]}"


def _row(data: RunData, name: str) -> SizeRow:
    edges = ("fastest", "slowest") if name == "slow_route" else ("p10", "p90")
    low, high = (_milliseconds(data, f"{name}_ms_{edge}") for edge in edges)
    sizes = [data.value(f"size.{name}.{part}") for part in ("parameters", "macs", "bytes")]
    parameters, macs = ("" if size is None else scaled(size) for size in sizes[:2])
    weights = "" if sizes[2] is None else scaled(sizes[2], "B")
    spread = f"{low} to {high}" if low and high else ""
    return SizeRow(_words(name), _milliseconds(data, f"{name}_ms"), spread, parameters, macs, weights)


def _words(name: str) -> str:
    blocks = re.fullmatch(r"blocks_(\d+)", name)
    return f"{blocks[1]} residual blocks" if blocks else name.replace("_", " ")


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
    try:
        record = read_record(RunFolder(data.folder))
    except CorruptFileError as error:
        data.missing.append(str(error))
        return None
    if record is None:
        return None
    sentence = (
        f"The {record.of}'s network of the run {record.run} was pruned to {percent(record.share)} of its "
        f"multiply-accumulates, and what was left was trained on. Parts show their channels."
    )
    return PruningTable(
        sentence, [*_pruned_sizes(record), *(_pruned_row(part, *pair) for part, pair in record.channels.items())]
    )


def _pruned_sizes(record: PruningRecord) -> list[PruningRow]:
    before, after = record.before, record.after
    return [
        PruningRow(name, scaled(first), scaled(second), percent(second / first) if first else "")
        for name, first, second in (
            ("parameters", before.parameters, after.parameters),
            ("MACs a picture", before.macs, after.macs),
        )
    ]


def _pruned_row(part: str, before: int, after: int) -> PruningRow:
    return PruningRow(part, plain(before), plain(after), percent(after / before) if before else "")
