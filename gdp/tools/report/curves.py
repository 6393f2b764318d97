"""The training's numbers over its steps, as inline SVG.

Drawn by matplotlib and coloured by the page, so that light and dark both read well. Axes have their labels, with units;
numbers that are the same at every step are drawn once.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy
from markupsafe import Markup
from numpy.typing import NDArray

from gdp.support.wording import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = 3.6, 2.2
"""Width and height in inches; the page scales the drawing."""
MAX_POINTS = 400
NOT_CURVES = frozenset({"step", "time", "seconds", "images", "epoch"})
"""Numbers of a line of statistics that only count."""
COLOURS = {"#000001": "var(--quiet)", "#000002": "var(--curve)", "#000003": "var(--raw)", "#000004": "var(--rule)"}
"""Stand-ins that matplotlib draws with, and the page's own colours that take their place."""
STEPS = "training steps"
LABELS = {
    "learning_rate": "learning rate",
    "images_per_s": "pictures a second",
    "gradient_norm": "L2 norm of the gradient",
    "held_out_l1": "L1, values in [\u22121, 1]",
}
"""The last part of a statistic's name to what its axis says, with the unit; core's training writes these."""


@dataclass(frozen=True)
class Curve:
    """One number over the training's steps, drawn."""

    name: str
    """Of the number; of several that are the same at every step, all names."""
    last: str
    svg: Markup


def draw_curves(statistics: Sequence[dict[str, float]]) -> list[Curve]:
    """Draw every number of the statistics over its steps, in the order in which they first appear, equal ones once."""
    names = dict.fromkeys(name for line in statistics for name in line if name not in NOT_CURVES)
    alike: dict[tuple[tuple[float, float], ...], list[str]] = {}
    for name in names:
        points = tuple((line["step"], line[name]) for line in statistics if name in line)
        if len(points) > 1:
            alike.setdefault(points, []).append(name)
    return [Curve(" = ".join(same), plain(points[-1][1], 3), _draw(same[0], points)) for points, same in alike.items()]


def axis_label(name: str, logarithmic: bool = False) -> str:
    """Return what the vertical axis of a statistic says: what is measured, its unit, and that the scale is logarithmic.

    Terms of the objective are called `generator.l1`; the objective itself, their weighted sum, has no second part.
    """
    first, _, last = name.rpartition(".")
    if first.endswith(("generator", "discriminator")):
        what = LABELS.get(last, "loss, not weighted")
    elif name.endswith(("generator", "discriminator")):
        what = "weighted sum of the losses"
    else:
        what = LABELS.get(last, last.replace("_", " "))
    return f"{what}, log scale" if logarithmic else what


def label_axes(axes: Axes, vertical: str, colour: str) -> None:
    """Say what both axes of a drawing over training steps show."""
    axes.set_xlabel(STEPS, color=colour, fontsize=7.5)
    axes.set_ylabel(vertical, color=colour, fontsize=7.5)


def _draw(name: str, points: Sequence[tuple[float, float]]) -> Markup:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    text, curve, raw, rule = COLOURS
    steps, values = numpy.array(points).T
    smooth = _smooth(values)
    low, high = _range(values)
    chosen = numpy.unique(numpy.linspace(0, len(steps) - 1, MAX_POINTS).round().astype(int))
    # Text stays text, and equal drawings get equal bytes.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 8}):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        axes.set_ylim(low, high)
        # No clip path: it would need a name that is unique on the page. What is out of range runs along the edge.
        for line, colour, width in ((values, raw, 1.0), (smooth, curve, 1.5)):
            axes.plot(steps[chosen], line[chosen].clip(low, high), color=colour, linewidth=width, clip_on=False)
        axes.locator_params(nbins=5)
        axes.grid(axis="y", color=rule, linewidth=0.6, clip_on=False)
        axes.tick_params(colors=text, bottom=False, left=False)
        axes.spines[:].set_visible(False)
        label_axes(axes, axis_label(name), text)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return for_the_page(buffer.getvalue(), f"{name} over training steps", COLOURS)


def for_the_page(svg: str, label: str, colours: Mapping[str, str]) -> Markup:
    """Keep the <svg> element alone, without links to other places, in the page's colours and with a spoken name."""
    svg = re.sub(r"<(metadata|style)\b.*?</\1>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' id="[^"]*"', "", svg)  # a page has many drawings, and each would bring the same names
    for stand_in, colour in colours.items():
        svg = svg.replace(stand_in, colour)
    head, rest = svg.split(">", 1)
    (box,) = re.findall(r'viewBox="[0-9. ]+"', head)
    drawing = Markup(f"<svg {box} role='img' aria-label='{{}}'>{{}}")  # noqa: S704 - only matplotlib's own markup
    return drawing.format(label, Markup(rest))  # noqa: S704 - the same


def _range(values: NDArray[numpy.float64]) -> tuple[float, float]:
    """Return the range to draw: all but the outermost percent on each side, which first steps are prone to fill."""
    low, high = numpy.percentile(values, [1, 99])
    margin = 0.08 * (high - low) or abs(low) * 0.1 or 1.0
    return float(low - margin), float(high + margin)


def _smooth(values: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    """Average each value with its neighbours, over about a thirtieth of the training; no wider than the ends allow."""
    sums = numpy.concatenate([[0.0], numpy.cumsum(values)])
    positions = numpy.arange(len(values))
    wing = numpy.minimum(len(values) // 60, numpy.minimum(positions, len(values) - 1 - positions))
    smooth: NDArray[numpy.float64] = (sums[positions + wing + 1] - sums[positions - wing]) / (2 * wing + 1)
    return smooth
