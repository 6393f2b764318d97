"""The picture of a bench: a bar for each row, times on a logarithmic axis."""

from __future__ import annotations

from pathlib import Path

from gdp.core.errors import GdpError, readable_os_errors
from gdp.tools.bench.tasks import Bench

COLOURS = {"teacher": "#8c6d31", "slow route": "#a0333d", "student": "#2c6fbb"}
WIDTH, ROW_HEIGHT, MARGIN = 8.0, 0.32, 1.4
"""Inches."""


def check_plot(path: Path) -> None:
    """Refuse a file that could not be drawn, before minutes are spent.

    Raises:
        GdpError: its ending is of no picture.
    """
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise GdpError(f"{path}: a plot is written as .png, .svg or .pdf; give a file with one of these endings")


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
    with readable_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
