"""What the report shows: pictures embedded as data URIs, in tables with one order of columns.

Pictures are fine enough to be looked at closely, and all together no larger than a page may be; small ones are enlarged
pixel by pixel, large ones lead to their originals in the run's folder.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gdp.support.pages.pictures import Cell, EmbeddedPicture, Fineness, cell_of, embed_png
from gdp.support.wording import plain
from gdp.tools.report.folder import RunData, step_of

REJECTS_PER_FILTER = 12
SAMPLE_GRIDS = 3
LARGEST = 12_000_000
"""Bytes of all pictures of a page together, as the page holds them."""
FINENESSES = (
    Fineness(640, 400, 88),  # what the page enlarges a picture to that is clicked; a cell is a third as wide
    Fineness(400, 160, 85),
    Fineness(240, 160, 80),
    Fineness(160, 160, 70),
)
"""Tried in this order until the pictures are no larger than `LARGEST`."""
REJECTS_WIDEST = 256
"""Pixels to which pictures of dropped pairs are scaled: a cell on a fine screen."""
GRID_COLUMNS = 1.5
"""Width of a sample grid in widths of a cell: a grid has several pictures in a row."""
STUDENT = "student"
COLUMNS = ("source", "teacher", STUDENT)
"""The columns that come first, in this order; the truth comes last, and what else evaluators show between them."""
TRUTH = "truth"


CELL, CELL_OF_THREE = Cell(208, 160), Cell(208, 112)
"""A phone shows two columns in a line, or three."""
REJECT = Cell(128, 80)
GRID = Cell(480, 330)


@dataclass(frozen=True)
class PictureTable:
    """Rows of pictures that have the same columns."""

    heading: str
    columns: list[str]
    rows: list[tuple[str, list[EmbeddedPicture | None]]]

    @property
    def cell(self) -> Cell:
        """How wide its pictures are shown."""
        wanted = CELL_OF_THREE if len(self.columns) == 3 else CELL
        return cell_of((picture for _, pictures in self.rows for picture in pictures), wanted)


@dataclass(frozen=True)
class BeforeAfter:
    """A picture, and what the student made of it."""

    title: str
    before: EmbeddedPicture
    after: EmbeddedPicture


@dataclass(frozen=True)
class RejectStrip:
    """Some pairs that one filter dropped."""

    filter: str
    pairs: list[tuple[str, list[EmbeddedPicture]]]
    """Reason, then source and target."""

    @property
    def cell(self) -> Cell:
        """How wide its pictures are shown."""
        return cell_of((picture for _, pictures in self.pairs for picture in pictures), REJECT)


@dataclass(frozen=True)
class Pictures:
    """All pictures of a report."""

    tables: list[PictureTable]
    rejects: list[RejectStrip]
    samples: list[EmbeddedPicture]

    @property
    def first(self) -> BeforeAfter | None:
        """The first row that has a picture and what the student made of it: chosen by nobody."""
        for table in self.tables:
            if STUDENT in table.columns[1:]:
                for title, pictures in table.rows:
                    before, after = pictures[0], pictures[table.columns.index(STUDENT)]
                    if before is not None and after is not None:
                        return BeforeAfter(row_title(table.heading, title), before, after)
        return None

    @property
    def grid(self) -> Cell:
        """How wide the sample grids are shown."""
        return cell_of(self.samples, GRID)

    @property
    def all(self) -> list[EmbeddedPicture]:
        """Every picture, in the order of the page."""
        rows = [picture for table in self.tables for _, pictures in table.rows for picture in pictures if picture]
        dropped = [picture for strip in self.rejects for _, pictures in strip.pairs for picture in pictures]
        twice = [] if self.first is None else [self.first.before, self.first.after]
        return [*twice, *rows, *dropped, *self.samples]

    @property
    def scaled(self) -> bool:
        """Whether one is not shown as it was made."""
        return any(picture.original for picture in self.all)


def row_title(heading: str, title: str) -> str:
    """Return what a row of pictures is called."""
    return f"{heading}: {title}" if heading and title else heading or title


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


def ordered_rows(data: RunData) -> list[tuple[str, list[str], list[tuple[str, list[Any]]]]]:
    """Return the before/after rows as the report has them: heading, columns, and the rows' titles and files.

    Neighbours of the same heading and columns stand together. A row's title is `heading / row`, or the row's name
    alone. Where the truth is known, it is shown first.
    """
    parted = []
    for entry in data.rows:
        heading, _, title = str(entry.get("title", "")).rpartition(" / ")
        pictures = entry.get("pictures")
        if isinstance(pictures, dict) and pictures:
            columns = sorted(pictures, key=_place)
            parted.append((heading, columns, title, [pictures[column] for column in columns]))
    tables = [
        (heading, columns, [(title, paths) for _, _, title, paths in rows])
        for (heading, columns), rows in groupby(parted, key=lambda row: (row[0], row[1]))
    ]
    return sorted(tables, key=lambda table: TRUTH not in table[1])


def _picture_tables(data: RunData, fineness: Fineness) -> list[PictureTable]:
    tables = []
    for heading, columns, rows in ordered_rows(data):
        embedded = [
            (title, [_embed(data, column, path, fineness) for column, path in zip(columns, paths, strict=True)])
            for title, paths in rows
        ]
        tables.append(PictureTable(heading, columns, embedded))
    return tables


def _place(column: str) -> int:
    """Return the place of a column: several sources are called `source 1`, `source 2`."""
    if column == TRUTH:
        return len(COLUMNS) + 1
    name = column.rstrip(" 0123456789")
    return COLUMNS.index(name) if name in COLUMNS else len(COLUMNS)


def _reject_strips(data: RunData, fineness: Fineness) -> list[RejectStrip]:
    """Collect some rejected pairs of each filter, with the reasons taking turns."""
    fineness = replace(fineness, widest=min(REJECTS_WIDEST, fineness.widest))
    by_filter: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for entry in data.rejects:
        reason, name = str(entry.get("reason") or ""), str(entry.get("filter") or "")
        by_filter[name][reason].append(entry)
    strips = []
    for name, reasons in by_filter.items():
        turns = [(turn, reason, entry) for reason, entries in reasons.items() for turn, entry in enumerate(entries)]
        turns.sort(key=lambda item: item[0])
        pairs: list[tuple[str, list[EmbeddedPicture]]] = []
        for _, reason, entry in turns:
            sides = (_embed(data, side, entry.get(side), fineness) for side in ("source", "target"))
            if there := [picture for picture in sides if picture is not None]:
                pairs.append((reason, there))
            if len(pairs) == REJECTS_PER_FILTER:
                break
        if pairs:
            strips.append(RejectStrip(name, pairs))
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
        grid = embed_png(f"step {plain(step_of(path))}", path.read_bytes(), wider, _address(data, path))
        if grid is not None:  # its pictures are small where it is: several stand beside each other
            grids.append(replace(grid, pixelated=not grid.original and grid.width <= GRID.wide))
    return grids
