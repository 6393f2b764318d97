"""The report's table of times and sizes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gdp.tools.report.folder import RunData
from gdp.tools.report.wording import duration, plain, scaled, times

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
