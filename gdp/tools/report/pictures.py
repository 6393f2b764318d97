"""What the report shows: the training's curves as inline SVG, and pictures embedded as data URIs.

Curves are drawn by matplotlib and coloured by the page, so that light and dark both read well. Pictures are as large as
the page shows them, and all together no larger than a page may be; each leads to its original in the run's folder.
"""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy
from markupsafe import Markup
from numpy.typing import NDArray

from gdp.support.page_pictures import EmbeddedPicture, Fineness, embed_png
from gdp.support.wording import plain
from gdp.tools.report.folder import RunData, step_of

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
LARGEST = 12_000_000
"""Bytes of all pictures of a page together, as the page holds them."""
FINENESSES = (
    Fineness(400, 400, 92),  # a cell is about 200 pixels of the layout wide, on fine screens 400
    Fineness(400, 160, 85),
    Fineness(240, 160, 80),
    Fineness(160, 160, 70),
)
"""Tried in this order until the pictures are no larger than `LARGEST`."""
GRID_COLUMNS = 1.5
"""Width of a sample grid in widths of a cell: the three grids of a page stand beside each other."""


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


@dataclass(frozen=True)
class Pictures:
    """All pictures of a report."""

    tables: list[PictureTable]
    rejects: list[RejectStrip]
    samples: list[EmbeddedPicture]

    @property
    def all(self) -> list[EmbeddedPicture]:
        """Every picture, in the order of the page."""
        rows = [picture for table in self.tables for _, pictures in table.rows for picture in pictures if picture]
        dropped = [picture for strip in self.rejects for _, pictures in strip.pairs for picture in pictures]
        return [*rows, *dropped, *self.samples]

    @property
    def scaled(self) -> bool:
        """Whether one is not shown as it was made."""
        return any(picture.original for picture in self.all)


def embed_pictures(data: RunData) -> Pictures:
    """Embed the report's pictures, as fine as their number lets them be."""
    for fineness in FINENESSES:
        found = Pictures(_picture_tables(data, fineness), _reject_strips(data, fineness), _sample_grids(data, fineness))
        if sum(len(picture.uri) for picture in found.all) <= LARGEST:
            break
    return found


def _embed(data: RunData, label: str, relative: Any, fineness: Fineness) -> EmbeddedPicture | None:
    """Embed a picture that a file of the folder names."""
    png, path = data.picture(relative), data.inside(relative)
    return embed_png(label, png, fineness, "" if path is None else _address(data, path))


def _address(data: RunData, path: Path) -> str:
    """Return where a file of the folder lies as seen from the report."""
    return quote(path.resolve().relative_to(data.folder.resolve()).as_posix())


def _picture_tables(data: RunData, fineness: Fineness) -> list[PictureTable]:
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
            (title, [_embed(data, column, path, fineness) for column, path in zip(columns, paths, strict=True)])
            for _, _, title, paths in rows
        ]
        tables.append(PictureTable(heading, columns, embedded))
    return tables


def _reject_strips(data: RunData, fineness: Fineness) -> list[RejectStrip]:
    """Collect some rejected pairs of each filter, with the reasons taking turns."""
    by_filter: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for entry in data.rejects:
        reason, name = str(entry.get("reason") or ""), str(entry.get("filter") or "")
        by_filter[name][reason].append(entry)
    strips = []
    for name, reasons in by_filter.items():
        turns = [(turn, reason, entry) for reason, entries in reasons.items() for turn, entry in enumerate(entries)]
        turns.sort(key=lambda item: item[0])
        strip = RejectStrip(name)
        for _, reason, entry in turns:
            sides = (_embed(data, side, entry.get(side), fineness) for side in ("source", "target"))
            if there := [picture for picture in sides if picture is not None]:
                strip.pairs.append((reason, there))
            if len(strip.pairs) == REJECTS_PER_FILTER:
                break
        if strip.pairs:
            strips.append(strip)
    return strips


def _sample_grids(data: RunData, fineness: Fineness) -> list[EmbeddedPicture]:
    """Embed the first sample grid of the training, the last, and one between them."""
    paths = data.samples
    count = min(SAMPLE_GRIDS, len(paths))
    chosen = [paths[round(position * (len(paths) - 1) / max(1, count - 1))] for position in range(count)]
    wider = Fineness(
        round(GRID_COLUMNS * fineness.widest), round(GRID_COLUMNS * fineness.exact_up_to), fineness.quality
    )
    grids = []
    for path in chosen:
        grids.append(embed_png(f"step {plain(step_of(path))}", path.read_bytes(), wider, _address(data, path)))
    return [grid for grid in grids if grid is not None]
