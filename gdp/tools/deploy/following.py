"""Squares followed through a video: which are of one thing, and how each moves without its aligner's tremor.

An aligner looks at each frame by itself, so that noise in a still picture lets its squares tremble, and with them all
that is pasted. Here the whole way of a square is known before the first is used: it is smoothed to both sides, so that
nothing lags behind what moves, over as many frames as the movement allows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy
from numpy.typing import NDArray

from gdp.support.squares import Levels, Square, cut

CUT = 24.0
"""Levels by which frames differ on average from which the second begins another scene."""
STILL = 1.5
"""Levels by which what is in a square may differ on average, as noise does, from what it was at the same place."""
NEAR = 0.01
"""Share of a square's side by which what is in it would have to be moved, at most, to differ so."""
TREMOR = 0.003
"""Standard deviation, as a share of a square's side, that any aligner trembles by."""
OVERLAP = 0.3
"""Smallest share of what two squares cover together that both must cover, to be of the same thing."""
UPRIGHT = 0.5
"""Smallest cosine of the angle between them."""
GAP = 0.25
"""Seconds for which an aligner may miss a thing between two frames in which it finds it."""
REACHES = (0, 1, 2, 4, 8, 16, 32)
"""Frames to each side over which a square's way may be smoothed."""
SURE = 2.5
"""Standard deviations of the tremor by which a way may miss what is found before it is taken for too smooth."""
_THUMBNAIL, _LOOK = 48, 16
_ORDER = 4
"""Of the differences that show tremor: movement that is even for some moments has none."""
_MEDIAN = 0.6745
"""What the median of absolute values of normal noise is in its standard deviations."""
_STILL = 1e-9

Numbers = NDArray[numpy.float64]


@dataclass
class Track:
    """Where one thing was found."""

    frames: list[int] = field(default_factory=list)
    """Their numbers, rising."""
    squares: list[Square] = field(default_factory=list)
    stays: list[int] = field(default_factory=list)
    """For each frame a number that is the same as long as the picture shows that it keeps its place."""
    _place: Square | None = None
    _shown: Levels | None = None

    def add(self, picture: Levels, number: int, square: Square) -> None:
        """Take where it was found next."""
        stays = self._place is not None and self._shown is not None and _is_same(
            self._shown, cut(picture, self._place, _LOOK)
        )  # fmt: skip
        if not stays:
            self._place, self._shown = square, cut(picture, square, _LOOK)
        self.stays.append(self.stays[-1] + (not stays) if self.stays else 0)
        self.frames.append(number)
        self.squares.append(square)


@dataclass
class Follower:
    """What was found in frame after frame, and of which things."""

    seconds: list[float] = field(default_factory=list)
    """When each frame is shown."""
    tracks: list[Track] = field(default_factory=list)
    _scene: int = 0
    """Number of the first track of this scene."""
    _before: Levels | None = None

    def add(self, picture: Levels, squares: Sequence[Square], seconds: float) -> None:
        """Take what was found in the next frame.

        Args:
            picture: the frame (H, W, 3).
            squares: what was found, the surest first.
            seconds: when the frame is shown.
        """
        number = len(self.seconds)
        self.seconds.append(seconds)
        now = _thumbnail(picture)
        if self._before is not None and _is_cut(self._before, now):
            self._scene = len(self.tracks)
        self._before = now
        followed = [track for track in self.tracks[self._scene :] if self._is_open(track, number, seconds)]
        shares = [
            (_overlap(track.squares[-1], square), track, place)
            for track in followed
            for place, square in enumerate(squares)
        ]
        new = set(range(len(squares)))
        for share, track, place in sorted(shares, key=lambda each: -each[0]):
            if share >= OVERLAP and place in new and track.frames[-1] != number:
                track.add(picture, number, squares[place])
                new.remove(place)
        for place in sorted(new):
            self.tracks.append(Track())
            self.tracks[-1].add(picture, number, squares[place])

    def steadied(self) -> list[list[Square]]:
        """Return the squares of each frame, steadied, and those of frames in which the aligner missed them."""
        found: list[list[Square]] = [[] for _ in self.seconds]
        for track in self.tracks:
            for number, square in zip(*self._whole(track), strict=True):
                found[number].append(square)
        return found

    def _is_open(self, track: Track, number: int, seconds: float) -> bool:
        last = track.frames[-1]
        return last == number - 1 or seconds - self.seconds[last] <= GAP

    def _whole(self, track: Track) -> tuple[list[int], list[Square]]:
        """Return a track's frames, without gaps, and its squares in them, smooth."""
        numbers = list(range(track.frames[0], track.frames[-1] + 1))
        seconds = numpy.array([self.seconds[number] for number in numbers])
        known = numpy.array([self.seconds[number] for number in track.frames])
        found = numpy.stack([square.matrix.reshape(-1) for square in track.squares])  # (N, 6)
        stays = numpy.array(track.stays)
        for stay in range(stays[-1] + 1):
            found[stays == stay] = numpy.median(found[stays == stay], axis=0)
        filled = numpy.stack([numpy.interp(seconds, known, way) for way in found.T], axis=1)
        side = float(numpy.median([square.side for square in track.squares]))
        made = smooth(seconds, filled / side) * side
        return numbers, [Square(matrix.reshape(2, 3)) for matrix in made]


def smooth(seconds: Numbers, ways: Numbers, least: float = TREMOR) -> Numbers:
    """Smooth how some numbers change, over as many moments as they change evenly for, and not at all where they jump.

    Lines are fitted around each moment by least squares (Cleveland, Robust Locally Weighted Regression and Smoothing
    Scatterplots, 1979, with equal weights), from a few moments to more and more, as long as all that were fitted so far
    agree within their confidence intervals: Katkovnik, A New Method for Varying Adaptive Bandwidth Selection, 1999,
    equations 12 to 14. The tremor is told by the median of differences of an order that movement hardly has.

    Args:
        seconds: (N,), rising.
        ways: (N, K), in units of about the size of what moves.
        least: standard deviation of tremor that is reckoned with in any case.

    Returns:
        (N, K).
    """
    count = len(seconds)
    if count < 3:
        return ways
    tremor = numpy.maximum(_tremor(ways), least)
    made = ways.copy()
    for moment in range(count):
        low, high = numpy.full(ways.shape[1], -numpy.inf), numpy.full(ways.shape[1], numpy.inf)
        for reach in REACHES:
            first, end = max(0, moment - reach), min(count, moment + reach + 1)
            weights = _line_weights(seconds[first:end] - seconds[moment])
            fitted = weights @ ways[first:end]
            sure = SURE if reach else 2 * SURE  # what is found once may be far off by chance
            room = sure * tremor * math.sqrt(float(weights @ weights)) + _STILL
            low, high = numpy.maximum(low, fitted - room), numpy.minimum(high, fitted + room)
            if (low > high).any():
                break
            made[moment] = fitted
            if first == 0 and end == count:
                break
    return made


def _tremor(ways: Numbers) -> Numbers:
    """Return the standard deviation of what changes from moment to moment by chance: (K,)."""
    order = min(_ORDER, len(ways) - 1)
    of_white_noise = math.sqrt(math.comb(2 * order, order))
    typical: Numbers = numpy.median(numpy.abs(numpy.diff(ways, order, axis=0)), axis=0)
    return typical / (_MEDIAN * of_white_noise)


def _line_weights(apart: Numbers) -> Numbers:
    """Return by what the values at some moments count in the value at 0 of the line through them: (N,)."""
    middle = float(apart.mean())
    spread = float(numpy.square(apart - middle).sum())
    even = numpy.full(len(apart), 1 / len(apart))
    return even if spread == 0 else even - middle * (apart - middle) / spread


def _thumbnail(frame: Levels) -> Levels:
    """Return every so many pixels of a frame (H, W, 3), about 48 of its longer side."""
    step = max(1, max(frame.shape[:2]) // _THUMBNAIL)
    return frame[::step, ::step].copy()


def _is_cut(before: Levels, after: Levels) -> bool:
    """Return whether a frame begins another scene than the one before it, by their thumbnails."""
    return before.shape != after.shape or float(numpy.abs(before.astype(numpy.int16) - after).mean()) > CUT


def _is_same(before: Levels, after: Levels) -> bool:
    """Return whether a small picture (S, S, 3) shows the same at the same place as one before it."""
    earlier, later = before.astype(numpy.float64), after.astype(numpy.float64)
    apart = float(numpy.abs(later - earlier).mean())
    slope = float(numpy.abs(numpy.diff(earlier, axis=0)).mean() + numpy.abs(numpy.diff(earlier, axis=1)).mean()) / 2
    return apart < STILL and apart < NEAR * len(before) * slope


def _overlap(one: Square, other: Square) -> float:
    """Return what upright squares of their middles and sides share, of what they cover together; 0 if turned apart."""
    directions = one.matrix[:, 0] / one.side, other.matrix[:, 0] / other.side
    if float(directions[0] @ directions[1]) < UPRIGHT:
        return 0.0
    apart = numpy.abs(one.middle - other.middle)
    shared = numpy.clip((one.side + other.side) / 2 - apart, 0, min(one.side, other.side))
    both = float(shared.prod())
    return both / (one.side**2 + other.side**2 - both)
