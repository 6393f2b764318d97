"""The model card's picture: what the student makes of pictures that it was measured on, above them the pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from gdp.core.files import write_atomically
from gdp.support.pages.pictures import PIXELATED_UP_TO, encode_webp, shrunk
from gdp.tools.report.folder import RunData
from gdp.tools.report.pictures import STUDENT, ordered_rows

SAMPLE = "samples.png"
"""As it is."""
SCALED_SAMPLE = "samples.webp"
"""With loss, where the other would be large for a page."""
LARGEST_SAMPLE, SAMPLE_WIDTH = 1_000_000, 960
"""Bytes above which it is scaled, and pixels of that one's width."""
MOST, SIDE = 5, 192
"""Pictures beside each other, and about how wide each is."""
_GAP, _LINE = 4, 22
_PAPER, _INK = (255, 255, 255), (60, 64, 72)


def write_sample(data: RunData, place: Path) -> str | None:
    """Put a picture beside the card; return its name, None where the run has nothing to show.

    Args:
        data: the run; one without pictures of its measurement shows the training's last sample grid.
        place: folder of the card.

    Raises:
        DiskFullError, RunFolderError: the system refuses to write.
    """
    couples = list(_couples(data))[:MOST]
    if couples:
        buffer = io.BytesIO()
        _draw(couples).save(buffer, "PNG", optimize=True)
        content = buffer.getvalue()
    elif data.samples:
        content = data.samples[-1].read_bytes()
    else:
        return None
    name, other = SAMPLE, SCALED_SAMPLE
    if len(content) > LARGEST_SAMPLE:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as file:
            content = encode_webp(shrunk(file.convert("RGB"), SAMPLE_WIDTH), quality=90, method=2)
        name, other = SCALED_SAMPLE, SAMPLE
    write_atomically(place / name, content)
    (place / other).unlink(missing_ok=True)
    return name


def _couples(data: RunData) -> Iterator[tuple[Image.Image, Image.Image]]:
    """Yield the first pictures of the report, and what the student made of them."""
    for _, columns, rows in ordered_rows(data):
        for _, paths in rows if STUDENT in columns[1:] else ():
            contents = [data.picture(path) for path in (paths[0], paths[columns.index(STUDENT)])]
            pictures = [_opened(content) for content in contents if content is not None]
            before, after = (*pictures, None, None)[:2]
            if before is not None and after is not None:
                yield before, after


def _opened(png: bytes) -> Image.Image | None:
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as file:
            picture = file.convert("RGB")
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError):
        return None  # cut short, or made to do harm
    factor = max(1, SIDE // picture.width) if picture.width <= PIXELATED_UP_TO else 1
    enlarged = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    return shrunk(enlarged, SIDE, SIDE)


def _draw(couples: list[tuple[Image.Image, Image.Image]]) -> Image.Image:
    width = max(picture.width for couple in couples for picture in couple)
    height = max(picture.height for couple in couples for picture in couple)
    size = (len(couples) * (width + _GAP) - _GAP, 2 * (height + _LINE) + _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for number, words in enumerate(("before", "after")):
        top = number * (_LINE + height + _GAP)
        draw.text((0, top + 2), words, fill=_INK, font=font)
        for column, couple in enumerate(couples):
            sheet.paste(couple[number], (column * (width + _GAP), top + _LINE))
    return sheet
