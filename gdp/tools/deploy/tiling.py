"""Pictures of any size through a network that takes multiples of some pixels: padded, and cut in tiles where large."""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from gdp.core.errors import ShapeError
from gdp.core.interfaces.engines import PictureArray, Translate

SMALLEST_SIDE = 16
"""Pixels; smaller pictures are enlarged by reflection first, for deep networks cannot take them."""


@dataclass(frozen=True)
class Tiling:
    """How large pictures are cut."""

    tile: int = 1024
    """Largest height and width in pixels that the network is given at once."""
    overlap: int = 64
    """Pixels that neighbouring tiles share; there one fades into the other."""

    def __post_init__(self) -> None:
        if self.tile < 2 * self.overlap or self.overlap < 0:
            raise ShapeError(
                f"tiles of {self.tile} pixels cannot overlap by {self.overlap}: a tile must be at least twice as large "
                f"as the overlap"
            )


def translate_any_size(
    translate: Translate, pictures: PictureArray, size_multiple: int, tiling: Tiling
) -> PictureArray:
    """Translate pictures of one size, whatever it is.

    Args:
        translate: takes heights and widths that are multiples of `size_multiple`.
        pictures: (N, H, W, C).
        size_multiple: of the student.
        tiling: how pictures larger than a tile are cut.

    Returns:
        (N, H, W, 3).
    """
    height, width = pictures.shape[1:3]
    step = max(size_multiple, tiling.tile // size_multiple * size_multiple)
    if height <= step and width <= step:
        return _padded(translate, pictures, size_multiple)
    summed = numpy.zeros((*pictures.shape[:3], 3), numpy.float32)
    weights = numpy.zeros((1, height, width, 1), numpy.float32)
    for top in _starts(height, step, tiling.overlap):
        for left in _starts(width, step, tiling.overlap):
            rows, columns = slice(top, min(top + step, height)), slice(left, min(left + step, width))
            made = _padded(translate, pictures[:, rows, columns], size_multiple)
            fade = _fade(made.shape[1], made.shape[2], tiling.overlap, rows, columns, (height, width))
            summed[:, rows, columns] += made * fade
            weights[:, rows, columns] += fade
    return numpy.rint(summed / weights).astype(numpy.uint8)


def _padded(translate: Translate, pictures: PictureArray, size_multiple: int) -> PictureArray:
    height, width = pictures.shape[1:3]
    rows, columns = (_next_size(size, size_multiple) - size for size in (height, width))
    if not rows and not columns:
        return translate(numpy.ascontiguousarray(pictures))
    # At the end, as `DeployedStudent` does: both are to make the same pictures.
    made = translate(numpy.pad(pictures, ((0, 0), (0, rows), (0, columns), (0, 0)), mode="reflect"))
    return made[:, :height, :width]


def _next_size(size: int, multiple: int) -> int:
    return -(-max(size, SMALLEST_SIDE) // multiple) * multiple


def _starts(size: int, step: int, overlap: int) -> list[int]:
    """Return where tiles begin along one side: evenly apart, each overlapping the next by `overlap` or more."""
    if size <= step:
        return [0]
    count = -(-(size - overlap) // (step - overlap))
    return [round(number * (size - step) / (count - 1)) for number in range(count)]


def _fade(
    height: int, width: int, overlap: int, rows: slice, columns: slice, whole: tuple[int, int]
) -> NDArray[numpy.float32]:
    """Return (H, W, 1) weights of a tile: 1 inside, falling linearly over the overlap towards other tiles."""
    down = _ramp(height, overlap, rows.start > 0, rows.stop < whole[0])
    across = _ramp(width, overlap, columns.start > 0, columns.stop < whole[1])
    return (down[:, None] * across[None, :])[..., None]


def _ramp(size: int, overlap: int, before: bool, after: bool) -> NDArray[numpy.float32]:
    ramp = numpy.ones(size, numpy.float32)
    rising = numpy.arange(1, overlap + 1, dtype=numpy.float32) / (overlap + 1)
    if before:
        ramp[:overlap] = rising
    if after:
        ramp[size - overlap :] = rising[::-1]
    return ramp
