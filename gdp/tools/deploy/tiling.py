"""Pictures of any size through a network that takes multiples of some pixels: padded, and cut in tiles where large."""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from gdp.core.errors import UsageError
from gdp.support.interfaces.engines import PictureArray, Translate

BATCH_PIXELS = 8 * 2**20
"""Pictures that go through the network together have so many pixels at most, or it is one: eight of 1024 x 1024."""
SMALLEST_SIDE = 16
"""Pixels; smaller pictures are enlarged by reflection first, for deep networks cannot take them (`Sizes`)."""


@dataclass(frozen=True)
class Sizes:
    """Which heights and widths a student takes; pictures of others are continued by reflection, and cut back."""

    multiple: int
    """They are multiples of this many pixels."""
    smallest: int = SMALLEST_SIDE
    """Smaller ones are brought to the next multiple of `multiple` from here on."""

    @classmethod
    def of(cls, multiple: int, resolution: int) -> Sizes:
        """Return those of a student that was trained at a resolution, which it takes in any case.

        Where its deepest layers would see one pixel of a picture, which reflection and normalisation refuse, they see
        two.
        """
        return cls(multiple, min(max(SMALLEST_SIDE, 2 * multiple), max(SMALLEST_SIDE, resolution)))

    def fitting(self, size: int) -> int:
        """Return the smallest height or width that a picture of this one fits into."""
        return -(-max(size, self.smallest) // self.multiple) * self.multiple


@dataclass(frozen=True)
class Tiling:
    """How large pictures are cut."""

    tile: int = 1024
    """Largest height and width in pixels that the network is given at once."""
    overlap: int = 64
    """Pixels that neighbouring tiles share; there one fades into the other."""

    def __post_init__(self) -> None:
        if self.tile < 2 * self.overlap or self.overlap < 0:
            raise UsageError(
                f"tiles of {self.tile} pixels cannot overlap by {self.overlap}: a tile must be at least twice as large "
                f"as the overlap"
            )


def pictures_together(most: int, height: int, width: int) -> int:
    """Return how many pictures of a size go through the network at once: `most`, or fewer where they are large."""
    return max(1, min(most, BATCH_PIXELS // (height * width)))


def translate_any_size(translate: Translate, pictures: PictureArray, sizes: Sizes, tiling: Tiling) -> PictureArray:
    """Translate pictures of one size, whatever it is.

    Args:
        translate: takes these sizes.
        pictures: (N, H, W, C).
        sizes: of the student.
        tiling: how pictures larger than a tile are cut.

    Returns:
        (N, H, W, 3).
    """
    height, width = pictures.shape[1:3]
    step = max(sizes.multiple, tiling.tile // sizes.multiple * sizes.multiple)
    if height <= step and width <= step:
        return _padded(translate, pictures, sizes)
    made = numpy.empty((*pictures.shape[:3], 3), numpy.uint8)
    strip = _Strip(len(pictures), min(step, height), width)
    tops = _starts(height, step, tiling.overlap)
    for top, following in zip(tops, [*tops[1:], height], strict=True):
        rows = slice(top, min(top + step, height))
        for left in _starts(width, step, tiling.overlap):
            columns = slice(left, min(left + step, width))
            tile = _padded(translate, pictures[:, rows, columns], sizes)
            fade = _fade(tile.shape[1], tile.shape[2], tiling.overlap, rows, columns, (height, width))
            strip.add(columns, tile, fade)
        done = following - top  # below these rows the next tiles reach
        strip.finish(made[:, top:following], done)
    return made


class _Strip:
    """Rows of pictures to which tiles still add: only these are kept as floats, whatever the pictures' height."""

    def __init__(self, count: int, rows: int, width: int) -> None:
        self._summed = numpy.zeros((count, rows, width, 3), numpy.float32)
        self._weights = numpy.zeros((1, rows, width, 1), numpy.float32)

    def add(self, columns: slice, tile: PictureArray, fade: NDArray[numpy.float32]) -> None:
        """Add a tile (N, h, w, 3) at the strip's top."""
        self._summed[:, : tile.shape[1], columns] += tile * fade
        self._weights[:, : tile.shape[1], columns] += fade

    def finish(self, made: PictureArray, rows: int) -> None:
        """Write the first rows' pictures, which no tile adds to any more, and move the others up."""
        numpy.divide(self._summed[:, :rows], self._weights[:, :rows], out=self._summed[:, :rows])
        numpy.rint(self._summed[:, :rows], out=self._summed[:, :rows])
        made[:] = self._summed[:, :rows]  # levels, for the weights of a pixel add up to those that it is divided by
        for values in (self._summed, self._weights):
            kept = values.shape[1] - rows
            values[:, :kept] = values[:, rows:]
            values[:, kept:] = 0


def reflected(size: int, wanted: int) -> NDArray[numpy.int64]:
    """Return the places 0 to size - 1 of one side of a picture, continued to `wanted` by reflection at its ends."""
    period = max(1, 2 * (size - 1))
    places = numpy.arange(wanted) % period
    return numpy.minimum(places, period - places) if size > 1 else places


def _padded(translate: Translate, pictures: PictureArray, sizes: Sizes) -> PictureArray:
    height, width = pictures.shape[1:3]
    rows, columns = sizes.fitting(height), sizes.fitting(width)
    # At the end, as `DeployedStudent` does: both are to make the same pictures.
    if rows > height:
        pictures = pictures.take(reflected(height, rows), axis=1)
    if columns > width:
        pictures = pictures.take(reflected(width, columns), axis=2)
    return translate(numpy.ascontiguousarray(pictures))[:, :height, :width]


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
