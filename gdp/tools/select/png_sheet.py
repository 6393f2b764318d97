"""A contact sheet of pairs as one PNG: source beside target, with captions."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence

from PIL import Image, ImageDraw, ImageFont

from gdp.core.errors import GdpError
from gdp.tools.select.table import DROPPED, KEPT, PENDING, PairTable
from gdp.tools.select.thumbnails import Thumbnails

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
