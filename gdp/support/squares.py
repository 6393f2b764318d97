"""The geometry of `gdp apply --align`: upright squares, cut out of a picture and pasted back.

Points are x (right) and y (down) in pixels of a picture, the middle of its first pixel being (0.5, 0.5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy
from numpy.typing import NDArray
from PIL import Image

from gdp.core.errors import ShapeError

Points = NDArray[numpy.float64]
"""(K, 2)."""
Levels = NDArray[numpy.uint8]
"""(H, W, 3) levels 0 to 255."""

_MARGIN = 4
"""Pixels around what is sampled, so that a bicubic kernel finds neighbours at its edge."""
_SHARP = 1.25
"""Input pixels for an output pixel up to which a bicubic kernel needs no average before it."""
_NEAREST = 4
"""Power of the distance to a square's edge by which the pictures of overlapping squares are weighed."""


@dataclass(frozen=True)
class Square:
    """A square anywhere in a picture, turned by any angle: a similarity transform of the unit square.

    Attributes:
        matrix: (2, 3): takes (x, y, 1) with x, y in [0, 1] to the picture.
    """

    matrix: Points

    @property
    def side(self) -> float:
        """Pixels of the picture."""
        return math.hypot(*self.matrix[:, 0])

    @property
    def middle(self) -> Points:
        """(2,)."""
        found: Points = self.at(numpy.array([[0.5, 0.5]]))[0]
        return found

    def at(self, places: Points) -> Points:
        """Return where places of the unit square (K, 2) are in the picture."""
        found: Points = places @ self.matrix[:, :2].T + self.matrix[:, 2]
        return found

    def inverse(self) -> Points:
        """Return the (2, 3) matrix that takes the picture's (x, y, 1) to the unit square."""
        turn = numpy.linalg.inv(self.matrix[:, :2])
        return numpy.concatenate([turn, -turn @ self.matrix[:, 2:]], axis=1)

    def enlarged(self, factor: float) -> Square:
        """Return the square of `factor` times the side around the same middle."""
        turn = self.matrix[:, :2] * factor
        return Square(numpy.concatenate([turn, (self.middle - turn @ [0.5, 0.5])[:, None]], axis=1))


def fit_similarity(source: Points, target: Points) -> Points:
    """Return the (2, 3) similarity (turn, scale, shift, no mirroring) from source (K, 2) nearest to target (K, 2).

    Umeyama, Least-Squares Estimation of Transformation Parameters Between Two Point Patterns (1991), equations 40-42.

    Raises:
        ShapeError: the points are fewer than two, lie in one place, or are no numbers.
    """
    if len(source) < 2 or source.shape != target.shape or not (numpy.isfinite(source) & numpy.isfinite(target)).all():
        raise ShapeError(f"a similarity needs two points or more, all of them numbers; got {len(source)}")
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    from_mean, to_mean = source - source_mean, target - target_mean
    variance = float(numpy.square(from_mean).sum() / len(source))
    if variance <= 0:
        raise ShapeError("a similarity needs points that do not all lie in one place")
    left, singular, right = numpy.linalg.svd(to_mean.T @ from_mean / len(source))
    sign = numpy.array([1.0, math.copysign(1.0, float(numpy.linalg.det(left) * numpy.linalg.det(right)))])
    turn = left @ numpy.diag(sign) @ right
    scaled = turn * float((singular * sign).sum() / variance)
    return numpy.concatenate([scaled, (target_mean - scaled @ source_mean)[:, None]], axis=1)


def cut(picture: Levels, square: Square, size: int) -> Levels:
    """Cut a square out of a picture (H, W, 3), turned upright: (size, size, 3); the picture's edge is mirrored."""
    return _sampled(picture, square.matrix * [1 / size, 1 / size, 1], (size, size))


class Made(NamedTuple):
    """What is to stand in a square."""

    square: Square
    levels: Levels
    """(S, S, 3), upright."""
    before: Levels | None = None
    """What was cut out of it, (S, S, 3): then the change is pasted, and what is finer than its pixels stays; without
    it the content replaces all that was there."""


def paste(picture: Levels, contents: Sequence[Made], feather: float) -> Levels:
    """Return a picture (H, W, 3) with other contents in squares; what lies outside of them is the same, bit for bit.

    Args:
        picture: the original.
        contents: what is to be there. Where squares overlap, what is deeper in its square counts more.
        feather: share of a square's side, in (0, 0.5], over which its content fades in from the edge.
    """
    made = picture.copy()
    if not contents:
        return made
    rows, columns = _around([each.square for each in contents], picture.shape)
    below = picture[rows, columns].astype(numpy.float32)
    cover = numpy.zeros((*below.shape[:2], 1), numpy.float32)
    weights = numpy.zeros_like(cover)
    summed = numpy.zeros_like(below)
    for each in contents:
        down, across = _around([each.square], picture.shape)
        if down.start >= down.stop or across.start >= across.stop:
            continue
        part = numpy.s_[down.start - rows.start : down.stop - rows.start,
                        across.start - columns.start : across.stop - columns.start]  # fmt: skip
        shown, depth = _placed(each.square, each.levels, down, across)
        if each.before is not None:
            shown += below[part] - _placed(each.square, each.before, down, across)[0]
        weight = numpy.float_power(depth, _NEAREST).astype(numpy.float32)
        summed[part] += weight * shown.clip(0, 255)
        weights[part] += weight
        share = numpy.clip(depth / feather, 0, 1)
        cover[part] = numpy.maximum(cover[part], share * share * (3 - 2 * share))
    inside = weights > 0
    content = numpy.divide(summed, weights, out=below.copy(), where=inside)
    blended = numpy.rint(below + cover * (content - below)).astype(numpy.uint8)
    made[rows, columns] = numpy.where(inside, blended, picture[rows, columns])
    return made


def _placed(
    square: Square, levels: Levels, rows: slice, columns: slice
) -> tuple[NDArray[numpy.float32], NDArray[numpy.float64]]:
    """Return a square's content in a part of the picture (h, w, 3), and the distance to its edge (h, w, 1).

    The distance is a share of the side, 0 outside and 0.5 in the middle.
    """
    size = (columns.stop - columns.start, rows.stop - rows.start)
    matrix = square.inverse()
    matrix[:, 2] += matrix[:, :2] @ [columns.start, rows.start]
    shown = _sampled(levels, matrix * len(levels), size).astype(numpy.float32)
    x, y = numpy.arange(size[0]) + 0.5, numpy.arange(size[1]) + 0.5
    places = matrix[:, 0] * x[None, :, None] + matrix[:, 1] * y[:, None, None] + matrix[:, 2]  # (h, w, 2)
    depth = (0.5 - numpy.abs(places - 0.5)).min(axis=2, keepdims=True)
    return shown, numpy.maximum(depth, 0)


def _around(squares: Sequence[Square], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns of a picture that squares reach, none where they lie beside it."""
    corners = numpy.concatenate([square.at(_CORNERS) for square in squares])
    (left, top), (right, bottom) = numpy.floor(corners.min(axis=0)), numpy.ceil(corners.max(axis=0))
    height, width = shape[:2]
    rows, columns = (max(0, int(top)), min(height, int(bottom))), (max(0, int(left)), min(width, int(right)))
    return slice(*rows), slice(*columns)


_CORNERS = numpy.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def _sampled(picture: Levels, matrix: Points, size: tuple[int, int]) -> Levels:
    """Sample a picture at places of another: matrix (2, 3) takes that one's pixels to this one's.

    Where pixels are lost they are averaged first, by whole numbers of them, so that nothing aliases.

    Returns:
        (height, width, 3) of `size` (width, height).
    """
    width, height = size
    corners = _CORNERS * [width, height] @ matrix[:, :2].T + matrix[:, 2]
    left, top = (int(value) - _MARGIN for value in numpy.floor(corners.min(axis=0)))
    right, bottom = (int(value) + _MARGIN for value in numpy.ceil(corners.max(axis=0)))
    image = Image.fromarray(_padded(picture, left, top, right, bottom))
    matrix = numpy.concatenate([matrix[:, :2], matrix[:, 2:] - [[left], [top]]], axis=1)
    scale = math.sqrt(abs(float(numpy.linalg.det(matrix[:, :2]))))  # input pixels for an output pixel
    if (fewer := int(scale / 2)) > 1:
        image, matrix, scale = image.reduce(fewer), matrix / fewer, scale / fewer
    finer = 1 if scale <= _SHARP else math.ceil(scale)
    data = (matrix * [1 / finer, 1 / finer, 1]).flatten().tolist()
    larger = image.transform((width * finer, height * finer), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
    return numpy.asarray(larger.reduce(finer) if finer > 1 else larger)


def _padded(picture: Levels, left: int, top: int, right: int, bottom: int) -> Levels:
    """Return the part of a picture between these pixels; what lies beyond its edge is mirrored at it."""
    rows, columns = _mirrored(top, bottom, picture.shape[0]), _mirrored(left, right, picture.shape[1])
    if rows[0] >= 0 and (numpy.diff(rows) == 1).all() and (numpy.diff(columns) == 1).all():
        return numpy.ascontiguousarray(picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    return picture[rows[:, None], columns[None, :]]


def _mirrored(first: int, last: int, size: int) -> NDArray[numpy.int64]:
    places = numpy.arange(first, last) % (2 * size)
    return numpy.where(places < size, places, 2 * size - 1 - places)
