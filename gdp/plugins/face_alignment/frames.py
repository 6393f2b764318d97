"""How a teacher's pictures are cut: which square belongs to a face with its eyes, nose and mouth in certain places."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy

from gdp import CorruptFileError, MissingResourceError, ShapeError, Square
from gdp.toolbox import Points, fit_similarity

POINTS = 5
"""Landmarks of a face: left eye, right eye, nose, left and right corner of the mouth, as they stand in the picture."""
FFHQ = "ffhq"


@dataclass(frozen=True)
class Frame:
    """A teacher's frame."""

    name: str
    landmarks: Points | None = None
    """(5, 2): where an average face's landmarks are, as shares of the square; None for FFHQ's own rule."""

    def square(self, landmarks: Points) -> Square:
        """Return the square of a face with these landmarks (5, 2) in pixels.

        Raises:
            ShapeError: the landmarks all lie in one place, or are no numbers.
        """
        if self.landmarks is None:
            return ffhq_square(landmarks)
        return Square(fit_similarity(self.landmarks, landmarks))


def ffhq_square(landmarks: Points) -> Square:
    """Return the square in which FFHQ shows a face with these landmarks (5, 2).

    Karras, Laine and Aila, A Style-Based Generator Architecture for GANs (2019), appendix A, and the alignment that the
    data set's authors publish with it: the square's sides follow the line of the eyes and, turned by 90 degrees, the
    line from eyes to mouth; its side is the larger of 4 distances of the eyes and 3.6 distances from eyes to mouth.
    """
    if not numpy.isfinite(landmarks).all():
        raise ShapeError("the landmarks of a face are no numbers")
    left_eye, right_eye, _, left_mouth, right_mouth = landmarks
    eyes, eye_to_eye = (left_eye + right_eye) / 2, right_eye - left_eye
    eye_to_mouth = (left_mouth + right_mouth) / 2 - eyes
    x = eye_to_eye + numpy.array([eye_to_mouth[1], -eye_to_mouth[0]])
    length = math.hypot(*x)
    if length == 0:
        raise ShapeError("the landmarks of a face all lie in one place")
    x = x / length * max(2.0 * math.hypot(*eye_to_eye), 1.8 * math.hypot(*eye_to_mouth))
    y = numpy.array([-x[1], x[0]])
    middle = eyes + 0.1 * eye_to_mouth
    return Square(numpy.stack([2 * x, 2 * y, middle - x - y], axis=1))


def parse_frame(data: object, where: str) -> Frame:
    """Read `{"name": ..., "landmarks": [[x, y], ...]}` with five points as shares of the square.

    Raises:
        CorruptFileError: it is not that.
    """
    try:
        assert isinstance(data, dict)
        landmarks = numpy.array(data["landmarks"], numpy.float64)
        name = str(data.get("name", where))
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise CorruptFileError(f'{where}: a frame is {{"landmarks": [[x, y], ...]}} ({error!r})') from error
    if landmarks.shape != (POINTS, 2) or not numpy.isfinite(landmarks).all():
        raise CorruptFileError(
            f"{where}: a frame has the places of {POINTS} landmarks (eyes, nose, corners of the mouth) as shares of "
            f"its square, [[x, y], ...]; this has {landmarks.shape}"
        )
    return Frame(name, landmarks)


def open_frame(text: str) -> Frame:
    """Return the frame that `--align-frame` names: `ffhq`, or a JSON file.

    Raises:
        MissingResourceError: there is no such file.
        CorruptFileError: it is no frame.
    """
    if text == FFHQ:
        return Frame(FFHQ)
    path = Path(text).expanduser()
    if not path.is_file():
        raise MissingResourceError(f"{text}: a frame is called ffhq, or is a JSON file; there is no such file")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorruptFileError(f"{path}: this is no JSON ({error})") from error
    return parse_frame(data, str(path))
