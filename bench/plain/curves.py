"""Whether two trainings have the same loss curves: how far they are apart, against the noise of the curve itself."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

CONTESTANTS = ("plain", "gdp", "plain again")
COLOURS = {"plain": "#8c6d31", "gdp": "#2c6fbb", "plain again": "#c9b58b"}
TOLERANCE = 2.0
"""gdp's curve may be so many times as far from the plain one as the plain one is from itself."""

Curves = Mapping[str, Mapping[str, Sequence[float]]]
"""Term to contestant to values, one a step."""


def compare(curves: Curves) -> dict[str, dict[str, Any]]:
    """Hold the curves of every term against each other.

    Returns:
        Term to `whole` and `last_half`: `gdp` and `plain again` are mean absolute distances to the plain curve, `jump`
        is the plain curve's mean absolute change from one step to the next; and to `verdict`, see `verdict`.
    """
    found = {}
    for term, lines in curves.items():
        steps = len(lines["plain"])
        parts = {"whole": _distances(lines, 0), "last_half": _distances(lines, steps // 2)}
        found[term] = {**parts, "verdict": verdict(parts["last_half"])}
    return found


def verdict(distances: Mapping[str, float]) -> str:
    """Say in words how near gdp's curve is, of the distances over the last half of the steps.

    The two noises are what becomes of a change of the weights (or the latents) that means nothing, and what the
    choice of a step's pictures does to the curve.
    """
    if distances["gdp"] <= TOLERANCE * distances["plain again"]:
        return "same within noise: as near as the plain one is to itself"
    if distances["gdp"] <= distances["jump"]:
        return "same within noise: nearer than the plain curve's own next step"
    return "differs"


def _distances(lines: Mapping[str, Sequence[float]], first: int) -> dict[str, float]:
    plain = lines["plain"][first:]
    distances = {
        name: mean(abs(a - b) for a, b in zip(plain, lines[name][first:], strict=True)) for name in CONTESTANTS[1:]
    }
    changes = [abs(after - before) for before, after in itertools.pairwise(plain)]
    return {**distances, "jump": mean(changes) if changes else 0.0}


def plot(cases: Mapping[str, Curves], path: Path) -> None:
    """Draw the curves of every case, a row each, and a column for each term."""
    from matplotlib.figure import Figure

    columns = max(len(curves) for curves in cases.values())
    figure = Figure(figsize=(4.2 * columns, 2.8 * len(cases)), layout="constrained")
    axes = figure.subplots(len(cases), columns, squeeze=False)
    for row, (case, curves) in zip(axes, cases.items(), strict=True):
        for place in row[len(curves) :]:
            place.set_visible(False)
        for place, (term, lines) in zip(row, curves.items(), strict=False):
            for name, style in zip(CONTESTANTS, ("-", "-", "--"), strict=True):
                place.plot(lines[name], style, color=COLOURS[name], label=name, linewidth=1.2)
            place.set_title(f"{case}: {term}", fontsize=9)
            place.set_xlabel("step", fontsize=8)
            place.tick_params(labelsize=7)
            place.grid(alpha=0.3)
    axes[0][0].legend(fontsize=8)
    figure.savefig(path, dpi=130)
