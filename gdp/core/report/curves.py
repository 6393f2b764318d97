"""Curves of the training as inline SVG: they follow the page's colours, light or dark, and need no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from markupsafe import Markup

from gdp.core.report.wording import plain

WIDTH, HEIGHT = 340.0, 168.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 18.0, 8.0, 22.0
MAX_POINTS = 400
NOT_CURVES = frozenset({"step", "time", "seconds", "images", "epoch"})
"""Numbers of a line of statistics that only count."""


@dataclass(frozen=True)
class Curve:
    """One number over the training's steps, drawn."""

    name: str
    last: str
    svg: Markup


def draw_curves(statistics: Sequence[dict[str, float]]) -> list[Curve]:
    """Draw every number of the statistics over its steps, in the order in which they first appear."""
    names = dict.fromkeys(name for line in statistics for name in line if name not in NOT_CURVES)
    curves = []
    for name in names:
        points = [(line["step"], line[name]) for line in statistics if name in line]
        if len(points) > 1:
            curves.append(Curve(name, plain(points[-1][1], 3), _draw(name, points)))
    return curves


def _draw(name: str, points: Sequence[tuple[float, float]]) -> Markup:
    steps, values = [step for step, _ in points], [value for _, value in points]
    low, high = _range(values)
    ticks = nice_ticks(low, high, 4)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    first, last = steps[0], max(steps[-1], steps[0] + 1)

    def x(step: float) -> float:
        return LEFT + (step - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = [
        Markup('<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
            LEFT, WIDTH - RIGHT, y(tick), y(tick)
        )
        + Markup('<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>').format(
            LEFT - 6, y(tick) + 3.5, _tick(tick, ticks[1] - ticks[0])
        )
        for tick in ticks
    ]
    for step in nice_ticks(first, last, 4):
        if first <= step <= last:
            parts.append(
                Markup('<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
                    x(step), HEIGHT - 6, plain(step)
                )
            )
    smooth = _smooth(values)
    if smooth != values:
        parts.append(_line("raw", [(x(step), y(value)) for step, value in points]))
    parts.append(_line("curve", [(x(step), y(value)) for step, value in zip(steps, smooth, strict=True)]))
    return Markup('<svg viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{} over training steps">{}</svg>').format(
        WIDTH, HEIGHT, name, Markup("").join(parts)
    )


def _tick(value: float, step: float) -> str:
    """Write a tick with as many decimals as the ticks' distance needs; very small ones as `2e-4`."""
    if 0 < step < 1e-3:
        return f"{value:.1e}".replace(".0e", "e").replace("e-0", "e-") if value else "0"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{decimals}f}" if abs(value) < 10_000 else plain(value)


def _line(style: str, points: Sequence[tuple[float, float]]) -> Markup:
    stride = max(1, math.ceil(len(points) / MAX_POINTS))
    kept = [*points[:-1:stride], points[-1]]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in kept)
    return Markup('<polyline class="{}" points="{}"/>').format(style, path)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return the range to draw: all but the outermost percent on each side, which first steps are prone to fill."""
    ordered = sorted(values)
    cut = len(ordered) // 100
    low, high = ordered[cut], ordered[-1 - cut]
    if low == high:
        margin = abs(low) * 0.1 or 1.0
        return low - margin, high + margin
    return low, high


def _smooth(values: Sequence[float]) -> list[float]:
    """Average each value with its neighbours, over about a thirtieth of the training; no wider than the ends allow."""
    reach = len(values) // 60
    sums = [0.0, *accumulate(values)]
    smooth = []
    for position in range(len(values)):
        wing = min(reach, position, len(values) - 1 - position)
        smooth.append((sums[position + wing + 1] - sums[position - wing]) / (2 * wing + 1))
    return smooth


def nice_ticks(low: float, high: float, wanted: int) -> list[float]:
    """Return about `wanted` round numbers (1, 2 or 5 times a power of ten apart) that cover [low, high]."""
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    start, stop = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(start, stop + 1)]
