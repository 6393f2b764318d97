"""The table of a bench, for people.

The picture of a bench: a bar for each row, times on a logarithmic axis.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from gdp.core.errors import UsageError
from gdp.core.files import write_atomically
from gdp.tools.bench.tasks import REFERENCE, Bench, Row

COLUMNS = (
    "size",
    "threads",
    "what",
    "ms an image",
    "p10 to p90",
    "images/s",
    "x slow route",
    "x teacher",
    "x torch",
    "peak MB",
    "loading MB",
    "M parameters",
    "GMAC",
    "file MB",
    "dB to fp32",
    "largest",
)
SPARE = (
    *("largest", "loading MB", "p10 to p90", "M parameters", "file MB", "GMAC", "images/s", "x torch", "dB to fp32"),
    *("peak MB", "threads"),
)
"""What a narrow terminal does without, in this order; --json tells all."""


def table(bench: Bench) -> list[list[str]]:
    """Return the cells of every row, by `COLUMNS`; an empty one has nothing to tell."""
    return [_cells(bench, row) for row in bench.rows]


def notes(bench: Bench) -> list[str]:
    """Return what must be said beside the table: the machine, how the slow route was extrapolated, what failed."""
    machine = bench.about["machine"]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, {machine['device']}; "
        f"Python {bench.about['versions']['python']}, torch {bench.about['versions']['torch']}",
        bench.about["protocol"],
        *([bench.about["weights"]] if "weights" in bench.about else []),
    ]
    lines += [f"engine {name}: left out: {reason}" for name, reason in bench.about.get("left_out", {}).items()]
    lines += _failures(bench)
    told = set()
    for row in bench.rows:
        if row.failure:
            continue
        if row.task.kind == "slow route":
            facts = row.facts
            lines.append(
                f"{_title(row)}: {facts['total_steps']} steps, of which {facts['measured_steps']} were measured "
                f"({sum(row.milliseconds) / len(row.milliseconds):.1f} ms each); distance: {facts['distance']}"
            )
        elif row.facts["runs_on"] not in told:
            told.add(row.facts["runs_on"])
            lines.append(f"{row.task.name}: {row.facts['runs_on']}")
    return lines


def _failures(bench: Bench) -> list[str]:
    """Return a line for each that failed, once for all sizes and thread counts at which it failed alike."""
    sizes: dict[tuple[str, str], list[str]] = {}
    for row in bench.rows:
        if row.failure:
            sizes.setdefault((row.task.name, row.failure), []).append(str(row.task.size))
    return [
        f"{name} at {', '.join(dict.fromkeys(found))} px: left out: {failure}"
        for (name, failure), found in sizes.items()
    ]


def _title(row: Row) -> str:
    return f"{row.task.name} at {row.task.size} px"


def _cells(bench: Bench, row: Row) -> list[str]:
    task, facts = row.task, row.facts
    place = [str(task.size), "" if task.threads is None else str(task.threads), task.name]
    if row.failure:
        return [*place, "-", *[""] * (len(COLUMNS) - 4)]
    low, high = row.spread_ms
    ratios, memory = bench.ratios(row), facts.get("memory", {})
    slow = next((other.task.name for other in bench.rows if other.task.kind == "slow route"), "")
    reference = next((other.task.name for other in bench.rows if _is_reference(other)), "")
    difference = facts.get("difference")
    return [
        *place,
        _number(row.median_ms),
        f"{_number(low)} to {_number(high)}",
        _number(1000 / row.median_ms),
        _ratio(ratios.get(slow)),
        _ratio(ratios.get("teacher")),
        _ratio(ratios.get(reference)),
        _scaled(memory.get("running_peak_bytes"), 1e6),
        _scaled(memory.get("loading_peak_bytes"), 1e6),
        _scaled(facts.get("parameters"), 1e6),
        _scaled(facts.get("macs"), 1e9),
        _scaled(facts.get("file_bytes"), 1e6),
        _decibels(difference),
        "" if difference is None else str(difference["largest"]),
    ]


def _is_reference(row: Row) -> bool:
    return row.task.kind == "student" and row.task.engine == REFERENCE and not row.task.settings


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _scaled(value: float | None, unit: float) -> str:
    return "" if value is None else _number(value / unit)


def _ratio(value: float | None) -> str:
    return "" if value is None else _number(value)


def _decibels(difference: dict[str, Any] | None) -> str:
    if difference is None:
        return ""
    return "equal" if difference["psnr_db"] is None else f"{difference['psnr_db']:.1f}"


COLOURS = {"teacher": "#8c6d31", "slow route": "#a0333d", "student": "#2c6fbb"}
WIDTH, ROW_HEIGHT, MARGIN = 8.0, 0.32, 1.4
"""Inches."""


def check_plot(path: Path) -> None:
    """Refuse a file that could not be drawn, before minutes are spent.

    Raises:
        UsageError: its ending is of no picture.
    """
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise UsageError(f"{path}: a plot is written as .png, .svg or .pdf; give a file with one of these endings")


def plot(bench: Bench, path: Path) -> None:
    """Draw the times of all rows, slowest last.

    Raises:
        DiskFullError, RunFolderError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    rows = sorted((row for row in bench.rows if not row.failure), key=lambda row: row.median_ms)
    figure = Figure(figsize=(WIDTH, MARGIN + ROW_HEIGHT * len(rows)), layout="constrained")
    axes = figure.subplots()
    names = []
    for place, row in enumerate(rows):
        low, high = row.spread_ms
        errors = [[row.median_ms - min(low, row.median_ms)], [max(high, row.median_ms) - row.median_ms]]
        axes.barh(place, row.median_ms, xerr=errors, color=COLOURS[row.task.kind], ecolor="#00000080")
        threads = "" if row.task.threads is None else f", {row.task.threads} threads"
        names.append(f"{row.task.name}\n{row.task.size} px{threads}")
    axes.set_yticks(range(len(rows)), names, fontsize=7)
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds an image (median; lines: 10th to 90th percentile)")
    axes.set_title(str(bench.about["machine"]["processor"]), fontsize=8)
    axes.grid(axis="x", alpha=0.3)
    content = io.BytesIO()
    figure.savefig(content, dpi=150, format=path.suffix.lower().removeprefix("."))
    write_atomically(path, content.getbuffer())
