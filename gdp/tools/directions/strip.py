"""A picture strip: rows of samples, columns of strengths, and what was measured under each column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gdp.core.errors import readable_os_errors
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.support.directions.direction import Direction
from gdp.tools.directions.effects import STRENGTHS

SMALLEST_COLUMN = 96
"""Pixels; smaller pictures are enlarged by a whole factor, so that the words below them can be read."""
_LINE = 16


def write_strip(
    teacher: LatentTeacher, direction: Direction, ws: Tensor, captions: Sequence[Sequence[str]], path: Path
) -> None:
    """Write a PNG with one row for each of ws (N, num_ws, w_dim) and one column for each of `STRENGTHS`.

    Args:
        teacher: makes the pictures.
        direction: what is followed.
        ws: the samples.
        captions: lines of words under each column.
        path: the PNG file.

    Raises:
        DiskFullError, RunFolderError: the file cannot be written.
    """
    columns = []
    for strength in STRENGTHS:
        images = teacher.synthesize(ws + direction.displacement(teacher, strength).to(ws))
        levels = images.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).cpu()
        columns.append(levels.permute(0, 2, 3, 1).flatten(0, 1))  # (N * R, R, 3)
    factor = -(-SMALLEST_COLUMN // teacher.resolution)
    width = teacher.resolution * factor
    pictures = Image.fromarray(torch.cat(columns, dim=1).numpy())
    pictures = pictures.resize((pictures.width * factor, pictures.height * factor), Image.Resampling.NEAREST)
    lines = max((len(lines) for lines in captions), default=0)
    sheet = Image.new("RGB", (pictures.width, pictures.height + lines * _LINE + (6 if lines else 0)), "white")
    sheet.paste(pictures)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for column, words in enumerate(captions):
        for row, text in enumerate(words):
            centre = (column * width + width // 2, pictures.height + 3 + row * _LINE)
            draw.text(centre, text, fill="black", font=font, anchor="ma")
    with readable_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path, "PNG")
