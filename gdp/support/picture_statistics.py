"""How pictures look in figures, and how far others are from them: tells what a network was not trained on.

A picture is brought to a stated number of pixels and measured in two ways. Its *look*: mean and spread of lightness and
of two colour differences, and how much of the two there is at each scale, of lightness from single pixels up. Its
*layout*: where it is lighter and darker than on the whole, on a grid of 6 x 6. For each way the pictures of a training
have a mean and a covariance, and the distance of another is Mahalanobis's (1936), by the square root of the number of
measures:

    d(x) = sqrt((x - mean)' C^-1 (x - mean) / K)

with C the covariance shrunk towards independence by K / (K + N) for N pictures. The limit of each way is the largest
distance that one of the training's own pictures has from the other three quarters of them, and a margin that is larger
the fewer there are. A picture is unlike the training's where it is beyond the limit in one of the two ways. Imports no
torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray
from PIL import Image

from gdp.core.errors import CorruptFileError

Levels = NDArray[numpy.uint8]
"""(H, W, 3) levels 0 to 255."""
Numbers = NDArray[numpy.float64]

LARGEST, SMALLEST = 256, 16
"""Pixels of the side of a square of so many pixels as pictures are brought to, at most and at least."""
GRID = 6
FEWEST = 8
"""Pictures that are needed to say anything of them."""
LEVEL, SPREAD, DETAIL = 1.0, 0.05, 0.25
"""Standard deviations that count at least: in levels, and of the logarithms of spreads and of detail at a scale. Less
says nothing however alike the pictures are: a JPEG of quality 75 changes the detail of 64 px faces by about so much."""
_FOLDS = 4
_GAP = 2.0
"""Times by which whole pixels are averaged before a bicubic kernel, with its own average, does the rest."""
_ROWS = 512
_DIGITS = 4
"""Significant ones of what is written down."""


def measured_at(resolution: int) -> int:
    """Return the size at which pictures of a training are measured, for their height and width in pixels."""
    return max(SMALLEST, min(resolution, LARGEST))


def fitted(picture: Levels, size: int) -> Levels:
    """Bring a picture (H, W, 3) to about size x size pixels in all, its proportions kept; (h, w, 3).

    What is longer than 16 times its width is pressed together: no side has less than a quarter of `size`.
    """
    height, width = picture.shape[:2]
    scale = size / math.sqrt(height * width)
    sides = tuple(min(4 * size, max(size // 4, round(side * scale))) for side in (width, height))
    if sides == (width, height):
        return picture
    fewer = int(1 / scale / _GAP)
    small, box = (_reduced(picture, fewer), (0, 0, width / fewer, height / fewer)) if fewer > 1 else (picture, None)
    return numpy.asarray(Image.fromarray(small).resize(sides, Image.Resampling.BICUBIC, box))


def _reduced(picture: Levels, fewer: int) -> Levels:
    """Return means of so many pixels each way, by strips: Pillow would hold a copy of all of a large picture."""
    rows = _ROWS // fewer * fewer or fewer
    strips = [Image.fromarray(picture[top : top + rows]).reduce(fewer) for top in range(0, len(picture), rows)]
    return numpy.concatenate([numpy.asarray(strip) for strip in strips])


def measure(picture: Levels, size: int) -> tuple[Numbers, Numbers]:
    """Return look (5 + 2 octaves,) and layout (36,) of a picture (H, W, 3) that is brought to `size` first."""
    red, green, blue = numpy.ascontiguousarray(fitted(picture, size).transpose(2, 0, 1)).astype(numpy.float32)
    lightness = 0.299 * red + 0.587 * green + 0.114 * blue
    planes = numpy.stack([lightness, 0.564 * (blue - lightness), 0.713 * (red - lightness)])  # YCbCr of ITU-R BT.601
    mean, squared = planes.mean(axis=(1, 2), dtype=numpy.float64), _mean_square(planes)
    spread = numpy.sqrt((squared - mean**2).clip(0))
    look = [*mean, *numpy.log(spread + 1)]
    octaves = _octaves(size)
    for octave in range(octaves):
        even = planes[:, : planes.shape[1] // 2 * 2, : planes.shape[2] // 2 * 2]
        halved = _halved(even)
        # Means of 2 x 2 pixels and what they lose are orthogonal (Haar), so their energies add up.
        lost = (_mean_square(even) - _mean_square(halved)).clip(0)
        look.append(math.log(math.sqrt(lost[0]) + 0.5))
        if octave:  # JPEG and video do away with the colours of single pixels
            look.append(math.log(math.sqrt((lost[1] + lost[2]) / 2) + 0.5))
        planes = halved
        if octave == max(0, octaves - 3):
            cells = Image.fromarray(planes[0]).resize((GRID, GRID), Image.Resampling.BOX)
    layout = numpy.asarray(cells, numpy.float64).ravel()
    return numpy.array(look), layout - layout.mean()


def _octaves(size: int) -> int:
    return int(math.log2(size)) - 2


def _mean_square(planes: NDArray[numpy.float32]) -> Numbers:
    """Return the mean square of each of planes (3, H, W)."""
    return numpy.array([float(numpy.vdot(plane, plane)) / plane.size for plane in planes])


def _halved(planes: NDArray[numpy.float32]) -> NDArray[numpy.float32]:
    """Return means of 2 x 2 pixels of planes (3, H, W) of even sides."""
    rows = planes[:, 0::2] + planes[:, 1::2]
    return numpy.ascontiguousarray((rows[:, :, 0::2] + rows[:, :, 1::2]) * numpy.float32(0.25))


@dataclass(frozen=True)
class Spread:
    """How measures of one sort are spread over pictures."""

    mean: Numbers
    """(K,)."""
    deviation: Numbers
    """(K,), standard ones, above 0."""
    correlation: Numbers
    """(K, K), shrunk towards independence."""
    limit: float
    """Distance up to which a picture is like the others."""

    @classmethod
    def of(cls, values: Numbers, least: Numbers) -> Spread:
        """Return that of values (N, K), whose deviations count as no smaller than `least` (K,)."""
        count = len(values)
        order = numpy.random.default_rng(0).permutation(count)
        farthest = 1.0  # what all pictures have alike has no spread of its own
        for fold in range(_FOLDS):
            others = numpy.delete(values, order[fold::_FOLDS], axis=0)
            rest = cls(*_moments(others, least), 1.0)
            farthest = max(farthest, *map(rest.distance, values[order[fold::_FOLDS]]))
        return cls(*_moments(values, least), farthest * (1 + 10 / count))

    def distance(self, values: Numbers) -> float:
        """Return the distance of one picture's measures (K,), in units of the limit."""
        apart = (values - self.mean) / self.deviation
        return math.sqrt(max(0.0, float(apart @ numpy.linalg.solve(self.correlation, apart)) / len(apart))) / self.limit

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data, of the symmetric matrix the rows below the diagonal."""
        below = [[_rounded(value) for value in row[:at]] for at, row in enumerate(self.correlation) if at]
        return {
            "limit": _rounded(self.limit),
            "mean": [_rounded(value) for value in self.mean],
            "deviation": [_rounded(value) for value in self.deviation],
            "correlation": below,
        }

    @classmethod
    def from_data(cls, data: Any, count: int) -> Spread:
        """Read what `to_data` wrote for `count` measures; raises ValueError, TypeError or KeyError where it is not."""
        mean, deviation = (_numbers(data[name], count) for name in ("mean", "deviation"))
        correlation = numpy.eye(count)
        rows = data["correlation"]
        if not isinstance(rows, list) or len(rows) != count - 1:
            raise ValueError(f"a correlation of {count} measures has {count - 1} rows below its diagonal")
        for at, row in enumerate(rows, 1):
            correlation[at, :at] = correlation[:at, at] = _numbers(row, at)
        limit = float(_numbers([data["limit"]], 1)[0])
        if limit <= 0 or (deviation <= 0).any() or numpy.linalg.eigvalsh(correlation)[0] < 1e-6:
            raise ValueError("a limit and deviations are above 0, and a correlation is positive definite")
        return cls(mean, deviation, correlation, limit)


def _moments(values: Numbers, least: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return mean, deviation and shrunk correlation of values (N, K)."""
    count, measures = values.shape
    mean, deviation = values.mean(axis=0), numpy.maximum(values.std(axis=0), least)
    apart = (values - mean) / deviation
    kept = count / (count + measures)
    correlation = kept * (apart.T @ apart / count)
    numpy.fill_diagonal(correlation, 1.0)
    return mean, deviation, correlation


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _numbers(data: Any, count: int) -> Numbers:
    """Return so many finite numbers of JSON; raises ValueError where they are others."""
    if not isinstance(data, list) or any(
        isinstance(value, bool) or not isinstance(value, int | float) for value in data
    ):
        raise ValueError("a list of numbers is due")
    found = numpy.array(data, numpy.float64)
    if len(found) != count or not (numpy.abs(found) < 1e6).all():
        raise ValueError(f"{count} finite numbers are due, and these are {len(found)}")
    return found


@dataclass(frozen=True)
class PictureStatistics:
    """How the pictures of a training look."""

    size: int
    """At which they are measured: they are brought to size x size pixels in all."""
    pictures: int
    """Of how many."""
    look: Spread
    layout: Spread
    held_out: tuple[int, int] | None = None
    """How many pictures of the same source, on which nothing rests, were measured, and how many of them are unlike."""

    @classmethod
    def of(cls, pictures: Sequence[Levels], size: int) -> PictureStatistics | None:
        """Return the statistics of pictures, each (H, W, 3); None of too few to say anything."""
        if len(pictures) < FEWEST:
            return None
        measured = [measure(picture, size) for picture in pictures]
        look, layout = (numpy.array(values) for values in zip(*measured, strict=True))
        least = numpy.array([*[LEVEL] * 3, *[SPREAD] * 3, *[DETAIL] * (look.shape[1] - 6)])
        return cls(size, len(pictures), Spread.of(look, least), Spread.of(layout, numpy.ones(GRID**2)))

    def distance(self, picture: Levels) -> float:
        """Return how far a picture (H, W, 3) is from these in units of the limit: beyond 1 it is unlike them."""
        look, layout = measure(picture, self.size)
        return max(self.look.distance(look), self.layout.distance(layout))

    def difference(self, picture: Levels) -> str:
        """Return in some words in what a picture differs most from these."""
        look, layout = measure(picture, self.size)
        if self.layout.distance(layout) > self.look.distance(look):
            return "light and dark are in other places"
        apart = (look - self.look.mean) / self.look.deviation
        most = int(numpy.abs(apart).argmax())
        in_colours = most > 6 and most % 2 == 1
        return _WORDS[most if most < 6 else 7 if in_colours else 6][int(apart[most] > 0)]

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        held_out = None if self.held_out is None else dict(zip(("pictures", "unlike"), self.held_out, strict=True))
        return {
            "size": self.size,
            "pictures": self.pictures,
            "held_out": held_out,
            "look": self.look.to_data(),
            "layout": self.layout.to_data(),
        }

    @classmethod
    def from_data(cls, data: object, where: str) -> PictureStatistics:
        """Read what `to_data` wrote.

        Raises:
            CorruptFileError: it is no such data; the message begins with `where`.
        """
        try:
            assert isinstance(data, Mapping)
            size, pictures = (_count(data[name]) for name in ("size", "pictures"))
            if not SMALLEST <= size <= LARGEST:
                raise ValueError(f"a size is {SMALLEST} to {LARGEST} pixels")
            measures = 5 + 2 * _octaves(size)
            look, layout = Spread.from_data(data["look"], measures), Spread.from_data(data["layout"], GRID**2)
            tried = data.get("held_out")
            held_out = None if tried is None else (_count(tried["pictures"]), _count(tried["unlike"]))
        except (AssertionError, ValueError, KeyError, TypeError, numpy.linalg.LinAlgError) as error:
            raise CorruptFileError(
                f"{where}: these are no statistics of pictures ({type(error).__name__}: {error}); export the "
                f"student again"
            ) from error
        return cls(size, pictures, look, layout, held_out)


_WORDS = (
    ("darker", "brighter"),
    ("less blue, more yellow", "bluer"),
    ("less red, more green", "redder"),
    ("less contrast", "more contrast"),
    ("fewer colours", "more colours"),
    ("fewer colours", "more colours"),
    ("less detail: blurred or plain", "more detail: noise or sharpened"),
    ("less detail in its colours", "more detail in its colours"),
)
"""In what a picture differs, where a measure of its look is lower and higher; the last two stand for every scale."""


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a count is a whole number from 0 on")
    return value
