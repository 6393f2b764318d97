"""Sheets of pictures for cards and docs: columns with a title each, enlarged by whole pixels, never blurred."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.utils import make_grid

from gdp.toolbox import to_array, to_levels

LINE, GAP, MARGIN = 22, 16, 4


def labelled_columns(columns: Sequence[tuple[str, Tensor]], across: int, factor: int = 2) -> bytes:
    """Draw grids beside each other, each with its title above, as PNG.

    Args:
        columns: titles and pictures (N, 3, H, W) in [-1, 1].
        across: pictures in a row of each grid.
        factor: by which each pixel is enlarged.
    """
    grids = [(title, _enlarged(make_grid(pictures, nrow=across, padding=0), factor)) for title, pictures in columns]
    width = sum(grid.width for _, grid in grids) + GAP * (len(grids) - 1)
    sheet = Image.new("RGB", (width, max(grid.height for _, grid in grids) + LINE), "white")
    draw, font, left = ImageDraw.Draw(sheet), ImageFont.load_default(16), 0
    for title, grid in grids:
        draw.text((left + MARGIN, 1), title, fill="black", font=font)
        sheet.paste(grid, (left, LINE))
        left += grid.width + GAP
    return _png(sheet)


def labelled_rows(
    rows: Sequence[tuple[str, Sequence[Tensor]]],
    captions: Sequence[str],
    factor: int = 2,
    together: int = 1,
    text: int = 15,
) -> bytes:
    """Draw rows of pictures with a title to the left of each and a caption above each column, as PNG.

    Args:
        rows: titles and pictures (3, H, W) in [-1, 1], as many in each row as there are captions.
        captions: of the columns.
        factor: by which each pixel is enlarged.
        together: rows that belong together; a gap stands between such groups.
        text: height of the letters in pixels.
    """
    side, line, left = rows[0][1][0].shape[-1] * factor, text * LINE // 15, 130
    gaps = (len(rows) - 1) // together
    sheet = Image.new("RGB", (left + side * len(captions), line + side * len(rows) + GAP // 2 * gaps), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(text)
    for column, caption in enumerate(captions):
        draw.text((left + side * column + side // 2, 2), caption, fill="black", font=font, anchor="ma")
    for number, (title, pictures) in enumerate(rows):
        top = line + side * number + GAP // 2 * (number // together)
        draw.text((MARGIN, top + side // 2), title, fill="black", font=font, anchor="lm")
        for column, picture in enumerate(pictures):
            sheet.paste(_enlarged(picture, factor), (left + side * column, top))
    return _png(sheet)


def _enlarged(picture: Tensor, factor: int) -> Image.Image:
    levels = to_array(to_levels(picture.cpu()))
    return Image.fromarray(numpy.ascontiguousarray(levels)).resize(
        (levels.shape[1] * factor, levels.shape[0] * factor), Image.Resampling.NEAREST
    )


def _png(sheet: Image.Image) -> bytes:
    content = io.BytesIO()
    sheet.save(content, "PNG", optimize=True)
    return content.getvalue()
