"""Writing what was found: a file for each direction, and its picture strip.

A picture strip: rows of samples, columns of strengths, and what was measured under each column.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gdp.core.files import write_atomically
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.pictures import reduced_to_side, to_array, to_levels
from gdp.support.directions import save_direction
from gdp.tools.directions.samples import STRENGTHS, Effects
from gdp.tools.directions.search import Finding, SearchSettings, Tools, measuring_ws

SMALLEST_COLUMN = 96
"""Pixels; smaller pictures are enlarged by a whole factor, so that the words below them can be read."""
LARGEST_COLUMN = 256
"""Pixels; larger pictures are reduced to it: a strip is to be seen whole."""
_LINE = 16


def write_strip(
    teacher: LatentTeacher,
    moves: Sequence[Tensor],
    ws: Tensor,
    captions: Sequence[Sequence[str]],
    path: Path,
    advance: Callable[[int], object] = lambda _: None,
) -> None:
    """Write a PNG with one row for each of ws (N, num_ws, w_dim) and one column for each move.

    Args:
        teacher: makes the pictures.
        moves: what is added to the ws, (num_ws, w_dim) each.
        ws: the samples.
        captions: lines of words under each column.
        path: the PNG file.
        advance: is told how many pictures were made.

    Raises:
        DiskFullError, RunFolderError: the file cannot be written.
    """
    columns = []
    for move in moves:
        images = teacher.synthesize(ws + move.to(ws))
        images = reduced_to_side(images.float(), LARGEST_COLUMN)  # (N, 3, R, R)
        columns.append(numpy.concatenate(to_array(to_levels(images))))  # (N * R, R, 3)
        advance(len(ws))
    factor = -(-SMALLEST_COLUMN // images.shape[-1])
    width = images.shape[-1] * factor
    pictures = Image.fromarray(numpy.concatenate(columns, axis=1))
    pictures = pictures.resize((pictures.width * factor, pictures.height * factor), Image.Resampling.NEAREST)
    lines = max((len(lines) for lines in captions), default=0)
    sheet = Image.new("RGB", (pictures.width, pictures.height + lines * _LINE + (6 if lines else 0)), "white")
    sheet.paste(pictures)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for column, words in enumerate(captions):
        for row, text in enumerate(words):
            centre = (column * width + width // 2, pictures.height + 3 + row * _LINE)
            draw.text(centre, text, fill="black", font=font, anchor="ma")
    content = io.BytesIO()
    sheet.save(content, "PNG")
    write_atomically(path, content.getbuffer())


def write_findings(
    tools: Tools,
    settings: SearchSettings,
    findings: Sequence[Finding],
    *,
    output: str | Path | None,
    strip: str | Path | None,
    rows: int,
) -> list[Path | None]:
    """Write directions and strips; return each direction's file, None where there is no `output`.

    Raises:
        DiskFullError, RunFolderError: a file cannot be written.
    """
    names = [finding.direction.name for finding in findings]
    files = named_files(output, names)
    for finding, file in zip(findings, files, strict=True):
        if file is not None:
            save_direction(finding.direction, file)
    if strip is None:
        return files
    ws = measuring_ws(tools.teacher, settings)[:rows]
    with tools.progress.task("drawing strips", len(findings) * len(STRENGTHS) * len(ws), "pictures") as task:
        for finding, picture in zip(findings, named_files(strip, names), strict=True):
            assert picture is not None
            moves = [finding.direction.displacement(tools.teacher, strength) for strength in STRENGTHS]
            write_strip(tools.teacher, moves, ws, _captions(finding), picture, task.advance)
    return files


def named_files(path: str | Path | None, names: Sequence[str]) -> list[Path | None]:
    """Return a path for each direction: `out.png`, or `out-smile.png` and so on where there are several."""
    if path is None:
        return [None] * len(names)
    path = Path(path)
    return [path] if len(names) == 1 else [path.with_stem(f"{path.stem}-{name}") for name in names]


def _captions(finding: Finding) -> list[list[str]]:
    """Write under each column its strength, and what was measured there of the label (or of what changes most)."""
    effects = finding.effects
    if effects is None:
        return [[f"{strength:+.0f}"] for strength in STRENGTHS]
    score = str(finding.direction.found.get("label") or _most_changed(effects))
    if not score:
        return [[f"{effect.strength:+.0f}"] for effect in effects.strengths]
    short = score.removeprefix("source_")
    return [[f"{effect.strength:+.0f}", f"{short} {effect.means[score]:.3g}"] for effect in effects.strengths]


def _most_changed(effects: Effects) -> str:
    changes = effects.changes
    return max(changes, key=lambda name: abs(changes[name]), default="")
