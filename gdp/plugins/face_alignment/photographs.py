"""Faces in photographs: BlazeFace finds them at several sizes, a mesh of 468 landmarks tells their squares.

Both networks are MediaPipe's (Apache-2.0); how they came here stands in `assets/photographs.md`. Imports no torch.

Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs (2019); Kartynnik et al., Real-time
Facial Surface Geometry from Monocular Video on Mobile GPUs (2019).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy
from PIL import Image

from gdp import Aligner, EngineContext, PictureArray, Square
from gdp.plugins.face_alignment import PhotographsConfig
from gdp.plugins.face_alignment.found import Floats, Found, doubt, open_session, without_doubles
from gdp.plugins.face_alignment.frames import FFHQ, Frame, ffhq_square, open_frame
from gdp.toolbox import Levels, Points, cut

ASSETS = Path(__file__).parent / "assets"
DETECTOR, MESH = ASSETS / "blazeface.onnx", ASSETS / "face-mesh.onnx"
INSTALL = "gdp-distill[faces]"

STRIDES = ((16, 2), (32, 6))
"""Pixels between the places that BlazeFace (back camera, 256 px) is asked at, and how often it answers at each."""
_MULTIPLE = 32
_CANDIDATES = 200
_KEYPOINTS = 6
"""Of BlazeFace: eyes, nose, middle of the mouth, ears; left and right as they stand in the picture."""

_SHOWN, _AROUND = 128, 2.2
"""Pixels at which BlazeFace is shown a place that it has found once more, and the side of what is shown over its
box's."""
_MIDDLE = 0.25
"""How far from the middle of that the face may be found, as a share of it."""
_QUARTERS = tuple(numpy.array(across, numpy.float64) for across in ((1, 0), (0, 1), (-1, 0), (0, -1)))

LOOK = 192
"""Pixels of the square that the mesh reads."""
_ROOM = 1.5
"""Side of that square over that of the face's box, as MediaPipe cuts it out."""
_LANDMARKS = 468
_LEFT_EYE, _RIGHT_EYE = (33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380)
_NOSE, _LEFT_MOUTH, _RIGHT_MOUTH = 1, 61, 291
"""The mesh's points that stand where 300-W has 36 to 41, 42 to 47, 30, 48 and 54, whose places FFHQ was cut by."""
_CHUNK = 8
_LARGER, _HIGHER = 1.02, 0.0045
"""FFHQ was cut by dlib's landmarks. By the mesh's, squares come out 2 % larger and 0.45 % of their side higher than the
pictures, the mean over 78 of 39 people that StyleGAN2 trained on FFHQ made or that were cut likewise: taken back
here."""


class _Box(NamedTuple):
    score: float
    middle: Points
    side: float
    eyes: tuple[Points, Points]


class PhotographAligner(Aligner):
    """Finds the faces of photographs, small, turned and several of them, and gives each one's square in FFHQ's frame.

    Raises:
        MissingResourceError: onnxruntime is not installed, or the frame's file is not there.
        CorruptFileError: the frame's file is none.
    """

    config: PhotographsConfig
    finds: ClassVar[tuple[str, str]] = ("face", "faces")

    def __init__(self, config: PhotographsConfig, context: EngineContext) -> None:
        super().__init__(config, context)
        self.finder = PhotographFinder(config, context.threads)
        self.frame = open_frame(FFHQ if config.frame is None else config.frame)

    def regions(self, pictures: PictureArray) -> list[list[Square]]:
        """Return the squares of the faces in pictures (N, H, W, 3), the surest first."""
        return [[self.frame.square(face.landmarks) for face in self.finder.find(picture)] for picture in pictures]


class PhotographFinder:
    """Finds faces with five landmarks each, placed as dlib would place them.

    Args:
        config: sizes and the least scores.
        threads: processor threads; None for all.

    Raises:
        MissingResourceError: onnxruntime is not installed.
    """

    def __init__(self, config: PhotographsConfig, threads: int | None = None) -> None:
        self.config = config
        self._detector = open_session(DETECTOR, threads, INSTALL)
        self._mesh = open_session(MESH, threads, INSTALL)

    def find(self, picture: Levels) -> list[Found]:
        """Return the faces of a picture (H, W, 3), best first, with landmarks that can be a face's."""
        seen = _without_double_boxes([box for size in self._sizes(picture) for box in self._boxes(picture, size)])
        turned = [upright for box in seen if (upright := self._turned(picture, box)) is not None]
        boxes = _without_double_boxes(turned)
        squares = [_square(box.middle, box.side * _ROOM, *box.eyes) for box in boxes]
        # The first look tells how a face is turned and how large it is; the second, mirrored too, its landmarks.
        first = self._meshes(picture, squares)
        sure = [(box, _square_around(points)) for box, (score, points) in zip(boxes, first, strict=True)
                if score >= self.config.min_mesh_score and _is_within(points, picture)]  # fmt: skip
        again = self._meshes(picture, [square for _, square in sure], mirrored=True)
        height, width = picture.shape[:2]
        found: list[Found] = []
        for (box, _), (score, points) in zip(sure, again, strict=True):
            landmarks = _as_dlib(_five(points))
            if score >= self.config.min_mesh_score and doubt(landmarks, (width, height)) is None:
                found.append(Found(box.score, landmarks))
        return without_doubles(found, Frame(FFHQ))

    def _sizes(self, picture: Levels) -> list[int]:
        """Return how many pixels the longer side has each time that the picture is shown."""
        longer = max(picture.shape[:2])
        return [size for size in sorted(self.config.sizes) if size <= longer] or [min(self.config.sizes)]

    def _boxes(self, picture: Levels, longer: int) -> Iterator[_Box]:
        """Yield what BlazeFace finds in a picture whose longer side is shown with so many pixels."""
        scale = longer / max(picture.shape[:2])
        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        rows, columns = (math.ceil(side / _MULTIPLE) * _MULTIPLE for side in (height, width))
        shown = numpy.full((rows, columns, 3), -1, numpy.float32)
        resized = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
        shown[:height, :width] = numpy.asarray(resized, numpy.float32) / 127.5 - 1
        boxes, logits = _run(self._detector, shown[None])
        scores = 1 / (1 + numpy.exp(-logits[0, :, 0].astype(numpy.float64).clip(-80, 80)))
        places = numpy.flatnonzero(scores >= self.config.min_score)
        places = places[numpy.argsort(-scores[places], kind="stable")[:_CANDIDATES]]
        to_picture = numpy.array([picture.shape[1] / width, picture.shape[0] / height])
        for place, middle in zip(places, middles(rows, columns)[places], strict=True):
            numbers = boxes[0, place].astype(numpy.float64)
            points = (numbers.reshape(-1, 2)[2 : 2 + _KEYPOINTS] + middle) * to_picture
            side = float((numbers[2:4] * to_picture).max())
            if side > 0 and math.dist(points[0], points[1]) > 0:
                yield _Box(float(scores[place]), (numbers[:2] + middle) * to_picture, side, (points[0], points[1]))

    def _turned(self, picture: Levels, box: _Box) -> _Box | None:
        """Show a found place four times, a quarter turned each time; return the surest answer, None where there is
        none.

        In a picture that hangs BlazeFace finds faces, but takes the mouth for eyes; the upright one is the surest.
        """
        squares = [_square(box.middle, box.side * _AROUND, numpy.zeros(2), across) for across in _QUARTERS]
        shown = numpy.stack([cut(picture, square, _SHOWN) for square in squares]).astype(numpy.float32) / 127.5 - 1
        boxes, logits = _run(self._detector, shown)
        places = middles(_SHOWN, _SHOWN)
        near = numpy.abs(boxes[..., :2] + places - _SHOWN / 2).max(axis=2) < _MIDDLE * _SHOWN
        logits = numpy.where(near, logits[..., 0], -numpy.inf)
        turn, place = numpy.unravel_index(int(logits.argmax()), logits.shape)
        score = 1 / (1 + math.exp(-min(max(float(logits[turn, place]), -80.0), 80.0)))
        numbers = boxes[turn, place].astype(numpy.float64)
        points = (numbers.reshape(-1, 2)[2 : 2 + _KEYPOINTS] + places[place]) / _SHOWN
        side = float(numbers[2:4].max()) / _SHOWN * squares[turn].side
        if score < self.config.min_score or side <= 0 or math.dist(points[0], points[1]) == 0:
            return None
        middle, left_eye, right_eye = squares[turn].at(
            numpy.stack([(numbers[:2] + places[place]) / _SHOWN, *points[:2]])
        )
        return _Box(max(score, box.score), middle, side, (left_eye, right_eye))

    def _meshes(self, picture: Levels, squares: Sequence[Square], mirrored: bool = False) -> list[tuple[float, Points]]:
        """Return the probability that a face is in each square, and the points of the mesh (468, 2) in the picture."""
        found: list[tuple[float, Points]] = []
        for start in range(0, len(squares), _CHUNK):
            part = squares[start : start + _CHUNK]
            shown: Floats = numpy.stack([cut(picture, square, LOOK) for square in part]).astype(
                numpy.float32
            ) / numpy.float32(255)
            scores, points = self._mesh_of(shown)
            if mirrored:
                other_scores, other = self._mesh_of(shown[:, :, ::-1])
                scores, points = (scores + other_scores) / numpy.float32(2), _averaged(points, other)
            told = zip(scores.tolist(), part, points, strict=True)
            found += [(score, square.at(each / LOOK)) for score, square, each in told]
        return found

    def _mesh_of(self, shown: Floats) -> tuple[Floats, Points]:
        points, logits = _run(self._mesh, shown)
        scores = 1 / (1 + numpy.exp(-logits.reshape(-1).clip(-80, 80)))
        return scores, points.reshape(-1, _LANDMARKS, 3)[..., :2].astype(numpy.float64)


def _run(session: Any, pictures: Floats) -> tuple[Floats, Floats]:
    """Ask a network about pictures (N, H, W, 3) in its own range."""
    first, second = session.run(None, {"pictures": numpy.ascontiguousarray(pictures.transpose(0, 3, 1, 2))})
    return first, second


def middles(rows: int, columns: int) -> Points:
    """Return the places that BlazeFace is asked at in a picture of so many pixels, in the order of its answers: (P,
    2)."""
    found = []
    for stride, answers in STRIDES:
        down, across = numpy.mgrid[0 : rows // stride, 0 : columns // stride]
        places = (numpy.stack([across, down], axis=-1).reshape(-1, 2) + 0.5) * stride
        found.append(numpy.repeat(places, answers, axis=0))
    return numpy.concatenate(found)


def _without_double_boxes(boxes: Sequence[_Box]) -> list[_Box]:
    """Return the boxes, best first, without those around whose middle a better one is."""
    kept: list[_Box] = []
    for box in sorted(boxes, key=lambda box: -box.score):
        if all(
            math.dist(box.middle, other.middle) > 0.5 * min(box.side, other.side)
            or not 0.4 < box.side / other.side < 2.5
            for other in kept
        ):
            kept.append(box)
    return kept[:_CANDIDATES]


def _square(middle: Points, side: float, left_eye: Points, right_eye: Points) -> Square:
    """Return the square around a place whose upper side is parallel to the line of the eyes."""
    across = right_eye - left_eye
    across = across / math.hypot(*across) * side
    turn = numpy.array([[across[0], -across[1]], [across[1], across[0]]])
    return Square(numpy.concatenate([turn, (middle - turn @ [0.5, 0.5])[:, None]], axis=1))


def _square_around(points: Points) -> Square:
    """Return the upright square around a face's mesh (468, 2), with as much room as it is read with."""
    eyes = [points[list(eye)].mean(axis=0) for eye in (_LEFT_EYE, _RIGHT_EYE)]
    across = (eyes[1] - eyes[0]) / math.dist(*eyes)
    turn = numpy.array([[across[0], -across[1]], [across[1], across[0]]])
    upright = points @ turn
    low, high = upright.min(axis=0), upright.max(axis=0)
    return _square(turn @ ((low + high) / 2), float((high - low).max()) * _ROOM, *eyes)


def _is_within(points: Points, picture: Levels) -> bool:
    """Say whether a mesh's eyes are apart and its middle is in the picture, so that it can be looked at again."""
    height, width = picture.shape[:2]
    return doubt(_five(points), (width, height)) is None


def _five(points: Points) -> Points:
    """Return eyes, nose and corners of the mouth (5, 2) of a mesh (468, 2)."""
    eyes = [points[list(eye)].mean(axis=0) for eye in (_LEFT_EYE, _RIGHT_EYE)]
    return numpy.stack([*eyes, points[_NOSE], points[_LEFT_MOUTH], points[_RIGHT_MOUTH]])


_MIRRORED = {
    **dict(zip((33, 160, 158, 133, 153, 144), (263, 387, 385, 362, 380, 373), strict=True)),
    _LEFT_MOUTH: _RIGHT_MOUTH,
    _NOSE: _NOSE,
}
"""Points of the left half that are looked at, and those of the right half that stand there in a mirror."""


def _averaged(points: Points, mirrored: Points) -> Points:
    """Return the mean of meshes (N, 468, 2) and those of the same squares mirrored, at the points that are looked
    at."""
    made = points.copy()
    for one, other in {**_MIRRORED, **{right: left for left, right in _MIRRORED.items()}}.items():
        seen = [LOOK, 0] + mirrored[:, other] * [-1, 1]
        made[:, one] = (points[:, one] + seen) / 2
    return made


def _as_dlib(landmarks: Points) -> Points:
    """Move a mesh's landmarks (5, 2) to where dlib's are on average: FFHQ's square becomes smaller and lower."""
    square = ffhq_square(landmarks)
    return square.middle + (landmarks - square.middle) / _LARGER + _HIGHER * square.matrix[:, 1]
