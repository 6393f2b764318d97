"""The report's pictures, embedded as data URIs."""

from __future__ import annotations

import base64
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import groupby

from gdp.support.embedded_picture import EmbeddedPicture
from gdp.tools.report.folder import PNG_SIGNATURE, RunData, step_of
from gdp.tools.report.wording import plain

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
