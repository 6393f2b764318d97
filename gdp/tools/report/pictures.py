"""What the report shows: the training's curves as inline SVG, and pictures embedded as data URIs.

Curves are drawn by matplotlib and coloured by the page, so that light and dark both read well.
"""

from __future__ import annotations

import base64
import io
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy
from markupsafe import Markup
from numpy.typing import NDArray

from gdp.support.assets import EmbeddedPicture
from gdp.support.wording import plain
from gdp.tools.report.folder import PNG_SIGNATURE, RunData, step_of

SIZE = 3.6, 1.8
"""Width and height in inches; the page scales the drawing."""
MAX_POINTS = 400
NOT_CURVES = frozenset({"step", "time", "seconds", "images", "epoch"})
"""Numbers of a line of statistics that only count."""
COLOURS = {"#000001": "var(--quiet)", "#000002": "var(--curve)", "#000003": "var(--raw)", "#000004": "var(--rule)"}
"""Stand-ins that matplotlib draws with, and the page's own colours that take their place."""


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


REJECTS_PER_FILTER = 12
SAMPLE_GRIDS = 3


@dataclass(frozen=True)
class PictureTable:
    """Rows of pictures that have the same columns."""

    heading: str
    columns: list[str]
    rows: list[tuple[str, list[EmbeddedPicture | None]]]


@dataclass
class RejectStrip:
    """Some pairs that one filter dropped."""

    filter: str
    pairs: list[tuple[str, list[EmbeddedPicture]]] = field(default_factory=list)
    """Reason, then source and target."""


def embed(label: str, png: bytes | None) -> EmbeddedPicture | None:
    """Make a picture of the content of a PNG file."""
    if png is None or not png.startswith(PNG_SIGNATURE) or len(png) < 24:
        return None
    width, height = (int.from_bytes(png[start : start + 4], "big") for start in (16, 20))  # of the IHDR chunk
    return EmbeddedPicture(label, "data:image/png;base64," + base64.b64encode(png).decode(), width, height)


def picture_tables(data: RunData) -> list[PictureTable]:
    """Arrange the before/after rows in tables: neighbours of the same heading and columns stand together.

    A row's title is `heading / row`, or the row's name alone.
    """
    parted = []
    for entry in data.rows:
        heading, _, title = str(entry.get("title", "")).rpartition(" / ")
        pictures = entry.get("pictures")
        if isinstance(pictures, dict) and pictures:
            parted.append((heading, [str(column) for column in pictures], title, list(pictures.values())))
    tables = []
    for (heading, columns), rows in groupby(parted, key=lambda row: (row[0], row[1])):
        embedded = [
            (title, [embed(column, data.picture(path)) for column, path in zip(columns, paths, strict=True)])
            for _, _, title, paths in rows
        ]
        tables.append(PictureTable(heading, columns, embedded))
    return tables


def reject_strips(data: RunData) -> list[RejectStrip]:
    """Collect some rejected pairs of each filter, with the reasons taking turns."""
    by_filter: dict[str, dict[str, list[list[EmbeddedPicture]]]] = defaultdict(lambda: defaultdict(list))
    for entry in data.rejects:
        reason, name = str(entry.get("reason") or ""), str(entry.get("filter") or "")
        pictures = [embed(side, data.picture(entry.get(side))) for side in ("source", "target")]
        there = [picture for picture in pictures if picture is not None]
        if there:
            by_filter[name][reason].append(there)
    strips = []
    for name, reasons in by_filter.items():
        turns = [(turn, reason, pictures) for reason, pairs in reasons.items() for turn, pictures in enumerate(pairs)]
        turns.sort(key=lambda item: item[0])
        strips.append(RejectStrip(name, [(reason, pictures) for _, reason, pictures in turns[:REJECTS_PER_FILTER]]))
    return strips


def sample_grids(data: RunData) -> list[EmbeddedPicture]:
    """Embed the first sample grid of the training, the last, and one between them."""
    paths = data.samples
    count = min(SAMPLE_GRIDS, len(paths))
    chosen = [paths[round(position * (len(paths) - 1) / max(1, count - 1))] for position in range(count)]
    grids = [embed(f"step {plain(step_of(path))}", path.read_bytes()) for path in chosen]
    return [grid for grid in grids if grid is not None]
