"""Faces and their landmarks, told by a model in an ONNX file. Imports no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy
from numpy.typing import NDArray
from PIL import Image

from gdp import Aligner, CorruptFileError, EngineContext, MissingResourceError, PictureArray, ShapeError, Square
from gdp.plugins.face_alignment import METADATA, LandmarksConfig, LandmarkSettings, landmark_model
from gdp.plugins.face_alignment.frames import FFHQ, POINTS, Frame, open_frame
from gdp.toolbox import Levels, Points, cut

Floats = NDArray[numpy.float32]

_IBUG = 68
"""Landmarks of the 300-W scheme, 0 to 67: 36-41 and 42-47 the eyes, 30 the nose, 48 and 54 the mouth's corners."""
_SAME_FACE = 0.3
"""Two findings are one face where the middles of their squares are nearer than this share of the larger's side."""
_TURNED = 0.5
"""Cosine of the angle from which they may still be two, of which a second look shows the right one."""
_ROUNDING = 1e-6
_CANDIDATES = 300
_DOUBTFUL = 0.4
"""Before a face is looked at once more, this share of the smallest probability is enough."""
_LOOKS = 2
"""Times that each face is looked at once more; what is none seldom looks like one every time."""
_NEAR = 0.2
"""How far from the middle of its own picture a face may be found again, as a share of that."""
_AS_LARGE = 1.5
"""Largest ratio of its sides when it is found again."""
_CHUNK = 8


@dataclass(frozen=True)
class Found:
    """A face in a picture."""

    score: float
    """Probability in [0, 1]."""
    landmarks: Points
    """(5, 2) in pixels: left eye, right eye, nose, corners of the mouth."""


class LandmarkAligner(Aligner):
    """Finds faces by a landmark model, and turns and scales each into the teacher's frame.

    Raises:
        MissingResourceError, CorruptFileError, ShapeError: model or frame cannot be used, see `LandmarkFinder`.
    """

    config: LandmarksConfig
    finds: ClassVar[tuple[str, str]] = ("face", "faces")

    def __init__(self, config: LandmarksConfig, context: EngineContext) -> None:
        super().__init__(config, context)
        self.finder = LandmarkFinder(landmark_model(config.file), context.threads)
        self.frame = self.finder.frame if config.frame is None else open_frame(config.frame)

    def regions(self, pictures: PictureArray) -> list[list[Square]]:
        """Return the squares of the faces in pictures (N, H, W, 3), the surest first."""
        found = [self.finder.find(picture, self.frame) for picture in pictures]
        return [[self.frame.square(face.landmarks) for face in faces] for faces in found]


class LandmarkFinder:
    """Finds faces with their landmarks in pictures of any size.

    Args:
        path: the .onnx file. Its settings stand in its own metadata or in a .json file of its name beside it.
        threads: processor threads; None for all.

    Raises:
        MissingResourceError: onnxruntime or the file is not there.
        CorruptFileError: the file is no model that can be run, or its settings are wrong.
        ShapeError: it does not read one picture, or tells no landmarks.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self.path = path
        self._session = _open(path, threads)
        self.settings = _settings(path, self._session.get_modelmeta().custom_metadata_map)
        inputs = self._session.get_inputs()
        shape = inputs[0].shape
        if len(inputs) != 1 or len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != 3):
            told = ", ".join(f"{found.name} {found.shape}" for found in inputs)
            raise ShapeError(f"{path}: a landmark model reads one picture (N, 3, H, W); this one reads {told}")
        self._input = inputs[0]
        # Files of a fixed batch take one picture at a time.
        self._chunk = 1 if isinstance(shape[0], int) else _CHUNK
        self._fixed = (shape[2], shape[3]) if isinstance(shape[2], int) and isinstance(shape[3], int) else None
        self._scores, self._landmarks = self._choose_outputs()

    @property
    def frame(self) -> Frame:
        """The frame that the model is meant for: its own, or FFHQ's."""
        if self.settings.frame is None:
            return Frame(FFHQ)
        return Frame(self.path.stem, numpy.array(self.settings.frame))

    def find(self, picture: Levels, frame: Frame) -> list[Found]:
        """Return the faces of a picture (H, W, 3), best first.

        Args:
            picture: RGB.
            frame: in which each is looked at once more, where the settings say so.
        """
        settings = self.settings
        enough = settings.min_score * (_DOUBTFUL if settings.refine else 1)
        faces = _without_doubles(self._everywhere(picture, enough), frame, _TURNED if settings.refine else -1)
        for _ in range(_LOOKS if settings.refine else 0):
            faces = _without_doubles(self._refined(picture, faces, frame), frame)
        return faces

    def _everywhere(self, picture: Levels, enough: float) -> Iterator[Found]:
        height, width = picture.shape[:2]
        for turns in range(4 if self.settings.turns else 1):
            shown = numpy.ascontiguousarray(numpy.rot90(picture, turns))
            for size in self._sizes(*shown.shape[:2]):
                for face in self._ask([shown], size, enough)[0]:
                    yield Found(face.score, _turned_back(face.landmarks, turns, height, width))

    def _sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Return the heights and widths at which a picture is shown."""
        if self._fixed is not None:
            return [self._fixed]
        longer, multiple = max(height, width), self.settings.multiple
        # One size beyond the picture's own still helps to find small faces, a second one shows nothing more.
        sizes = [size for size in sorted(self.settings.sizes) if size < 2 * longer] or [min(self.settings.sizes)]
        scaled = ((height * size / longer, width * size / longer) for size in sizes)
        return [
            (math.ceil(rows / multiple) * multiple, math.ceil(columns / multiple) * multiple)
            for rows, columns in scaled
        ]

    def _refined(self, picture: Levels, faces: Sequence[Found], frame: Frame) -> Iterator[Found]:
        """Look at each face once more, upright and at the size that the model knows best."""
        side = min(self._fixed or (min(self.settings.sizes),))
        squares = [frame.square(face.landmarks).enlarged(1 / self.settings.refine) for face in faces]
        shown = [cut(picture, square, side) for square in squares]
        again = self._ask(shown, (side, side), self.settings.min_score)
        for square, candidates in zip(squares, again, strict=True):
            near = [face for face in candidates if self._is_again(face, side, frame)]
            if near:
                best = max(near, key=lambda face: face.score)
                yield Found(best.score, square.at(best.landmarks / side))

    def _is_again(self, face: Found, side: int, frame: Frame) -> bool:
        """Say whether a face stands in the middle of a picture that was cut around it, upright and as large."""
        square = frame.square(face.landmarks)
        larger = square.side / (side * self.settings.refine)
        near = numpy.abs(square.middle / side - 0.5).max() < _NEAR
        return bool(near and 1 / _AS_LARGE < larger < _AS_LARGE and square.matrix[0, 0] > _TURNED * square.side)

    def _ask(self, pictures: Sequence[Levels], size: tuple[int, int], enough: float) -> list[list[Found]]:
        """Return the faces with scores from `enough` of pictures shown at a size (height, width), in their pixels."""
        found: list[list[Found]] = []
        for start in range(0, len(pictures), self._chunk):
            part = pictures[start : start + self._chunk]
            shown, sides = zip(*(self._fitted(picture, size) for picture in part), strict=True)
            for scores, landmarks, whole in zip(*self._run(numpy.stack(shown)), sides, strict=True):
                found.append(_best(scores, landmarks, enough, whole))
        return found

    def _fitted(self, picture: Levels, size: tuple[int, int]) -> tuple[Floats, tuple[float, float]]:
        """Return a picture as the model reads it, (3, H, W), and that one's width and height in its pixels."""
        height, width = size
        inner = (width, height)
        if self.settings.fit == "pad":
            scale = min(height / picture.shape[0], width / picture.shape[1])
            inner = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        image = Image.fromarray(picture)
        resized = image if image.size == inner else image.resize(inner, Image.Resampling.BILINEAR)
        levels = numpy.zeros((height, width, 3), numpy.float32)
        levels[: inner[1], : inner[0]] = numpy.asarray(resized)
        if self.settings.channels == "BGR":
            levels = levels[..., ::-1]
        stated = (self.settings.mean, self.settings.deviation)
        mean, deviation = (numpy.array(values, numpy.float32) for values in stated)
        shown = (width * picture.shape[1] / inner[0], height * picture.shape[0] / inner[1])
        return ((levels - mean) / deviation).transpose(2, 0, 1), shown

    def _run(self, pictures: Floats) -> tuple[Floats, Floats]:
        """Return scores (N, P), and landmarks (N, P, 5, 2) as shares of what was shown."""
        outputs = self._outputs(pictures)
        scores = outputs[self._scores]
        scores = scores[..., -1] if scores.ndim == 3 else scores
        landmarks = outputs[self._landmarks]
        landmarks = _five(landmarks.reshape(*landmarks.shape[:2], -1, 2))
        if self.settings.coordinates == "pixels":
            landmarks = (landmarks / [pictures.shape[3], pictures.shape[2]]).astype(numpy.float32)
        return scores, landmarks

    def _outputs(self, pictures: Floats) -> Mapping[str, Floats]:
        names = [output.name for output in self._session.get_outputs()]
        kind = numpy.float16 if self._input.type == "tensor(float16)" else numpy.float32
        try:
            made = self._session.run(names, {self._input.name: numpy.ascontiguousarray(pictures, kind)})
        except Exception as error:
            raise ShapeError(
                f"{self.path}: the model cannot read pictures {pictures.shape} ({_first_line(error)})"
            ) from error
        return dict(zip(names, made, strict=True))

    def _choose_outputs(self) -> tuple[str, str]:
        """Return the names of the outputs with scores and landmarks.

        Raises:
            ShapeError: there is none of that shape.
        """
        height, width = self._fixed or (min(self.settings.sizes),) * 2
        shapes = {
            name: value.shape
            for name, value in self._outputs(numpy.zeros((1, 3, height, width), numpy.float32)).items()
        }
        landmarks = _named(shapes, self.settings.landmarks, _LANDMARK_SHAPES)
        scores = _named(shapes, self.settings.scores, ((), (1,), (2,)))
        if landmarks is None or scores is None:
            told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            boxes = any(shape[2:] == (4,) for shape in shapes.values())
            raise ShapeError(
                f"{self.path}: to align faces their landmarks are needed, (N, P, 10) or (N, P, 68, 2) with scores "
                f"(N, P); this model's outputs are {told}"
                f"{': it tells boxes only, which do not say how a face is turned' if boxes else ''}. Take a detector "
                f"with landmarks, or name its outputs in {self.path.with_suffix('.json').name} beside it (scores, "
                f"landmarks)."
            )
        return scores, landmarks


_LANDMARK_SHAPES = ((2 * POINTS,), (POINTS, 2), (2 * _IBUG,), (_IBUG, 2))


def _named(shapes: Mapping[str, tuple[int, ...]], name: str | None, endings: Sequence[tuple[int, ...]]) -> str | None:
    """Return the output of that name, or the first of a shape (N, P, *ending); None where there is none."""
    fitting = (found for found, shape in shapes.items() if len(shape) >= 2 and shape[2:] in endings)
    return next((found for found in fitting if name in (None, found)), None)


def _five(landmarks: Floats) -> Floats:
    """Return (..., 5, 2) of the 68 landmarks of 300-W, or the five as they are."""
    if landmarks.shape[-2] == POINTS:
        return landmarks
    eyes = [landmarks[..., first : first + 6, :].mean(axis=-2) for first in (36, 42)]
    return numpy.stack([*eyes, landmarks[..., 30, :], landmarks[..., 48, :], landmarks[..., 54, :]], axis=-2)


def _best(scores: Floats, landmarks: Floats, enough: float, size: tuple[float, float]) -> list[Found]:
    """Return the likeliest candidates of a picture whose whole is `size` (width, height) pixels."""
    sound = numpy.isfinite(landmarks).all(axis=(1, 2)) & (numpy.ptp(landmarks, axis=1) > 0).any(axis=1)
    places = numpy.flatnonzero((scores >= enough) & sound)
    order = places[numpy.argsort(-scores[places], kind="stable")[:_CANDIDATES]]
    return [Found(float(scores[place]), landmarks[place].astype(numpy.float64) * size) for place in order]


def _without_doubles(faces: Iterable[Found], frame: Frame, turned: float = -1.0) -> list[Found]:
    """Return the faces, best first, without those that stand where a better one does.

    Args:
        faces: in any order.
        frame: whose squares are compared.
        turned: cosine of the angle up to which a face is the same as another in its place; -1 for any angle.
    """
    kept: list[tuple[Found, Square]] = []
    for face in sorted(faces, key=lambda face: -face.score):
        square = frame.square(face.landmarks)
        if not any(_same(square, other, turned) for _, other in kept):
            kept.append((face, square))
    return [face for face, _ in kept]


def _same(first: Square, second: Square, turned: float) -> bool:
    larger = max(first.side, second.side)
    cosine = float(first.matrix[:, 0] @ second.matrix[:, 0]) / (first.side * second.side)
    return math.dist(first.middle, second.middle) < _SAME_FACE * larger and cosine >= turned - _ROUNDING


def _turned_back(landmarks: Points, turns: int, height: int, width: int) -> Points:
    """Return points of a picture that numpy.rot90 has turned `turns` times as points of the picture (H, W)."""
    x, y = landmarks.T
    places = ((x, y), (width - y, x), (width - x, height - y), (y, height - x))
    return numpy.stack(places[turns], axis=1)


def _open(path: Path, threads: int | None) -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingResourceError(
            "finding faces needs onnxruntime, which is not installed: pip install 'gdp-distill[onnx]'"
        ) from error
    if not path.is_file():
        raise MissingResourceError(f"{path}: no such landmark model; --align takes an .onnx file or builtin:faces64")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise CorruptFileError(f"{path}: onnxruntime cannot load this model ({_first_line(error)})") from error


def _settings(path: Path, metadata: Mapping[str, str]) -> LandmarkSettings:
    beside = path.with_suffix(".json")
    try:
        text = beside.read_text(encoding="utf-8") if beside.is_file() else metadata.get(METADATA, "{}")
        return LandmarkSettings.model_validate(json.loads(text))
    except (ValueError, OSError) as error:
        where = beside if beside.is_file() else path
        raise CorruptFileError(f"{where}: these are no settings of a landmark model ({error})") from error


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
