"""Sheets of pairs to look at: HTML and PNG.

Small pictures of pairs, read one pair at a time.

A contact sheet of pairs as one self-contained page: sortable by score, the filters' verdicts beside each pair.

A contact sheet of pairs as one PNG: source beside target, with captions.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont

from gdp.core.errors import GdpError
from gdp.core.pairs.records import Score
from gdp.core.pairs.store import PairStore
from gdp.core.pictures import to_array
from gdp.core.progress import ProgressTask
from gdp.support.expressions.binding import written
from gdp.support.pages import page_template
from gdp.support.pages.pictures import Cell, EmbeddedPicture, cell_of, embed_thumbnail
from gdp.tools.select.table import DROPPED, KEPT, PENDING, PairTable


@dataclass(frozen=True)
class Thumbnails:
    """The pictures of one pair."""

    row: int
    """Of the table."""
    pictures: tuple[tuple[str, Image.Image], ...]
    """Label and RGB picture: source, source 2 where there are two, target."""


def read_thumbnails(
    store: PairStore, table: PairTable, rows: Sequence[int], largest: int, task: ProgressTask
) -> Iterator[Thumbnails]:
    """Yield the pictures of the pairs in some rows; those above `largest` pixels are scaled down to it.

    Raises:
        CorruptFileError: a shard does not hold what was stored.
    """
    for row in rows:
        source, target = store.load_uint8([table.indices[row]])
        parts = [*torch.split(source[0], 3), target[0]]  # (3, H, W) each
        labels = ("source", "source 2", "target") if len(parts) == 3 else ("source", "target")
        yield Thumbnails(row, tuple((label, _small(part, largest)) for label, part in zip(labels, parts, strict=True)))
        task.advance(1)


def _small(picture: torch.Tensor, largest: int) -> Image.Image:
    image = Image.fromarray(to_array(picture))
    if max(image.size) > largest:
        image.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    return image


@dataclass(frozen=True)
class _Verdict:
    filter: str
    decision: str
    reason: str
    scores: list[tuple[str, str]]


@dataclass(frozen=True)
class _Pair:
    index: int
    decision: str
    split: str
    pictures: list[EmbeddedPicture]
    verdicts: list[_Verdict]
    values: str
    """Its scores as JSON, for sorting."""


def html_sheet(table: PairTable, pairs: Iterable[Thumbnails], title: str, subtitle: str) -> Iterator[str]:
    """Yield the page piece by piece; one pair's pictures are in memory at a time."""
    names = [f"{written(each.name)}.{written(score)}" for each in table.judged for score in each.scores]
    here = Path(__file__).parent
    page = page_template(*(here / f"sheet.{kind}" for kind in ("html.j2", "css", "js")))
    described = (_describe(table, pair) for pair in pairs)
    first = next(described, None)  # tells how wide all are
    shown = [] if first is None else first.pictures
    across = max(1, len(shown))
    return page.generate(
        title=title,
        subtitle=subtitle,
        names=names,
        across=across,
        cell=cell_of(shown, Cell(_WIDE, _PHONE // across - 3)),
        pairs=chain([] if first is None else [first], described),
    )


_WIDE, _PHONE = 190, 360
"""Pixels of the layout: about a picture's, and those that a phone has for a pair."""


def _describe(table: PairTable, pair: Thumbnails) -> _Pair:
    row = pair.row
    values: dict[str, Any] = {"index": table.indices[row]}
    verdicts = []
    for each in table.judged:
        found = {name: column[row] for name, column in each.scores.items() if column[row] is not None}
        values |= {f"{written(each.name)}.{written(name)}": value for name, value in found.items()}
        decision = each.decisions[row]
        if decision is not None:
            scores = [(written(name), _shown(value)) for name, value in found.items()]
            verdicts.append(_Verdict(each.name, decision, each.reasons[row] or "", scores))
    if table.decisions[row] == "pending":
        verdicts.append(_Verdict(table.filters[row], "pending", table.reasons[row], []))
    pictures = [embed_thumbnail(label, image) for label, image in pair.pictures]
    split = table.splits[row].replace("_", " ")
    return _Pair(table.indices[row], table.decisions[row], split, pictures, verdicts, json.dumps(values))


def _shown(value: Score) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


SIDE = 128
"""Pixels of a picture's cell; smaller pictures are enlarged by a whole factor."""
MOST = 2000
"""Pairs that fit on a sheet which programs still open."""
_GAP, _LINE, _MARGIN = 4, 15, 12
_PAPER, _INK, _QUIET = (253, 253, 252), (29, 31, 35), (102, 107, 116)
_MARKS = {KEPT: (43, 107, 70), DROPPED: (168, 72, 31), PENDING: (166, 124, 0)}


def png_sheet(table: PairTable, pairs: Iterable[Thumbnails], count: int, captions: Sequence[str]) -> bytes:
    """Return a PNG with the pairs in rows, filled from left to right.

    Args:
        table: what is said of the pairs.
        pairs: their pictures.
        count: how many there are.
        captions: the second line under each pair, in the same order.

    Raises:
        GdpError: more than `MOST` pairs.
    """
    if count > MOST:
        raise GdpError(f"a PNG sheet holds at most {MOST} pairs, not {count}: give --limit, or write it as .html")
    sheet, columns, width, height = Image.new("RGB", (1, 1)), 1, 1, 1
    draw = ImageDraw.Draw(sheet)
    for position, pair in enumerate(pairs):
        if position == 0:
            width = len(pair.pictures) * (SIDE + _GAP) - _GAP + _MARGIN
            height = SIDE + 2 * _LINE + _MARGIN
            columns = max(1, min(count, round(math.sqrt(count * height / width * 1.5))))
            rows = math.ceil(count / columns)
            sheet = Image.new("RGB", (columns * width + _MARGIN, rows * height + _MARGIN), _PAPER)
            draw = ImageDraw.Draw(sheet)
        left, top = _MARGIN + position % columns * width, _MARGIN + position // columns * height
        for number, (_, picture) in enumerate(pair.pictures[: (width - _MARGIN + _GAP) // (SIDE + _GAP)]):
            _paste(sheet, picture, left + number * (SIDE + _GAP), top)
        _write(draw, table, pair.row, captions[position], (left, top + SIDE + 2, width - _MARGIN))
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def _paste(sheet: Image.Image, picture: Image.Image, left: int, top: int) -> None:
    factor = max(1, SIDE // max(picture.size))
    if factor > 1:
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    elif max(picture.size) > SIDE:
        picture = picture.copy()
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    sheet.paste(picture, (left + (SIDE - picture.width) // 2, top + (SIDE - picture.height) // 2))


def _write(draw: ImageDraw.ImageDraw, table: PairTable, row: int, caption: str, box: tuple[int, int, int]) -> None:
    left, top, width = box
    decision, split = table.decisions[row], table.splits[row].replace("_", " ")
    draw.rectangle((left, top + 3, left + 7, top + 10), fill=_MARKS[decision])
    word = {KEPT: "kept", DROPPED: "dropped"}.get(decision, decision)
    title = " ".join(part for part in (f"#{table.indices[row]}", word, split) if part)
    font = ImageFont.load_default(12)
    draw.text((left + 12, top), _fitted(draw, font, title, width - 12), fill=_INK, font=font)
    draw.text((left, top + _LINE), _fitted(draw, font, caption, width), fill=_QUIET, font=font)


def _fitted(
    draw: ImageDraw.ImageDraw, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, text: str, width: int
) -> str:
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(f"{text}...", font=font) > width:
        text = text[:-1]
    return f"{text}..."
