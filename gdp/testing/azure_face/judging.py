"""Looks at the pictures: the built-in judge and the measures, once a picture."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy
from PIL import Image

from gdp.testing.azure_face.measures import Quality, measure
from gdp.testing.azure_face.protocol import FORMATS, no_picture
from gdp.testing.azure_face.settings import JudgeName

JUDGED_SIZE = 64
FACE_SHARE = 0.72
"""Side of the face's square over the picture's shorter side: that of the renderer's heads."""
LEAST_FACE = 36
_FULL_HD = (1920, 1080)
_MOST_PIXELS = 64_000_000
_REMEMBERED = 50_000


@dataclass(frozen=True)
class Square:
    """Where the face is, in pixels of the picture."""

    left: int
    top: int
    side: int


@dataclass(frozen=True)
class Judgement:
    """What is known of a picture with a face in it."""

    square: Square
    quality: Quality
    age: float
    """Years."""
    glasses: float
    """Probability of glasses."""


@dataclass(frozen=True)
class _Seen:
    """What an assessor says: probability of a face, years, probability of glasses."""

    face: float
    age: float
    glasses: float


class PictureJudge:
    """Judges encoded pictures and remembers the last 50,000 by their hash. One thread uses it.

    Args:
        name: `built-in` loads torch and the judge's weights at once; `measures` finds a face in every picture.
    """

    def __init__(self, name: JudgeName) -> None:
        self._assess: Callable[[Image.Image], _Seen] = _load_judge() if name == "built-in" else _see_a_face
        self._known: OrderedDict[str, Judgement | None] = OrderedDict()

    def judge(self, sha256: str, data: bytes) -> Judgement | None:
        """Return what is known of the face in a picture; None where none is found.

        Raises:
            RefusalError: the bytes are no picture that the service takes.
        """
        if sha256 not in self._known:
            self._known[sha256] = self._look(data)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return self._known[sha256]

    def _look(self, data: bytes) -> Judgement | None:
        picture = decode(data)
        square = _face_square(picture.width, picture.height)
        if square is None:
            return None
        seen = self._assess(picture)
        if seen.face < 0.5:
            return None
        edge = square.side
        box = (square.left, square.top, square.left + edge, square.top + edge)
        small = round(JUDGED_SIZE * FACE_SHARE)
        crop = picture.resize((small, small), Image.Resampling.BOX, box=box)
        return Judgement(square, measure(numpy.asarray(crop)), seen.age, seen.glasses)


def decode(data: bytes) -> Image.Image:
    """Decode a picture (the first one of a GIF) to RGB.

    Raises:
        RefusalError: it is of another format, broken, or of more than 64 million pixels.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise no_picture()
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise no_picture() from error


def _face_square(width: int, height: int) -> Square | None:
    """Return the place of a face that fills the picture, None where it is too small to be found."""
    side = round(FACE_SHARE * min(width, height))
    # Pictures above full HD need a proportionally larger face.
    least = LEAST_FACE * max(1.0, max(width, height) / _FULL_HD[0], min(width, height) / _FULL_HD[1])
    return Square((width - side) // 2, (height - side) // 2, side) if side >= least else None


def _load_judge() -> Callable[[Image.Image], _Seen]:
    import torch

    from gdp.plugins.faces.judge import FaceJudge

    judge = FaceJudge.load()

    def assess(picture: Image.Image) -> _Seen:
        levels = torch.from_numpy(numpy.array(picture)).permute(2, 0, 1)[None]  # (1, 3, H, W)
        seen = judge.assess(levels.float().div_(127.5).sub_(1.0))
        return _Seen(face=float(seen.face), age=float(seen.age), glasses=float(seen.glasses))

    return assess


def _see_a_face(picture: Image.Image) -> _Seen:
    return _Seen(face=1.0, age=40.0, glasses=0.0)
