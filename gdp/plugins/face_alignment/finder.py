"""Faces and their landmarks, told by a model in an ONNX file. Imports no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy
from PIL import Image

from gdp import Aligner, CorruptFileError, EngineContext, PictureArray, ShapeError, Square
from gdp.plugins.face_alignment import METADATA, LandmarksConfig, LandmarkSettings, landmark_model
from gdp.plugins.face_alignment.found import Floats, Found, first_line, open_session, without_doubles
from gdp.plugins.face_alignment.frames import FFHQ, Frame, open_frame
from gdp.plugins.face_alignment.heads import Heads, choose_heads
from gdp.toolbox import Levels, Points, cut

_TURNED = 0.5
"""Cosine of the angle from which two findings in one place may still be two, of which a second look shows the right
one."""
_DOUBTFUL = 0.4
"""Before a face is looked at once more, this share of the smallest probability is enough."""
_LOOKS = 2
"""Times that each face is looked at once more; what is none seldom looks like one every time."""
_NEAR = 0.2
"""How far from the middle of its own picture a face may be found again, as a share of that."""
_AS_LARGE = 1.5
"""Largest ratio of its sides when it is found again."""
_CHUNK = 8
_PLAIN = (0, 128, 255)
"""Grey levels of the plain pictures by which a model is tried before it sees the first photo."""


class LandmarkAligner(Aligner):
    """Finds faces by a landmark model, and turns and scales each into the teacher's frame.

    Raises:
        MissingResourceError, CorruptFileError, ShapeError: model or frame cannot be used, see `LandmarkFinder`.
    """

    config: LandmarksConfig
    finds: ClassVar[tuple[str, str]] = ("face", "faces")

    def __init__(self, config: LandmarksConfig, context: EngineContext) -> None:
        super().__init__(config, context)
        self.finder = LandmarkFinder(landmark_model(config.file), context.threads, config.settings)
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
        settings: of the model, in place of those that stand with it.

    Raises:
        MissingResourceError: onnxruntime or the file is not there.
        CorruptFileError: the file is no model that can be run, or its settings are wrong.
        ShapeError: it does not read one picture, or what it tells can be no decoded landmarks.
    """

    def __init__(self, path: Path, threads: int | None = None, settings: LandmarkSettings | None = None) -> None:
        self.path = path
        self._session = open_session(path, threads, "gdp-distill[onnx]")
        self.settings = settings or _settings(path, self._session.get_modelmeta().custom_metadata_map)
        inputs = self._session.get_inputs()
        shape = inputs[0].shape
        last = self.settings.layout == "NHWC"
        colours = shape[3 if last else 1] if len(shape) == 4 else None
        if len(inputs) != 1 or len(shape) != 4 or (isinstance(colours, int) and colours != 3):
            told = ", ".join(f"{found.name} {found.shape}" for found in inputs)
            asked = (
                "(N, H, W, 3), as its settings say" if last else '(N, 3, H, W), or (N, H, W, 3) with "layout": "NHWC"'
            )
            raise ShapeError(f"{path}: a landmark model reads one picture {asked}; this one reads {told}")
        self._input = inputs[0]
        # Files of a fixed batch take one picture at a time.
        self._chunk = 1 if isinstance(shape[0], int) else _CHUNK
        height, width = shape[1:3] if last else shape[2:]
        self._fixed = (height, width) if isinstance(height, int) and isinstance(width, int) else None
        self._heads = self._tried()

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
        faces = without_doubles(self._everywhere(picture, enough), frame, _TURNED if settings.refine else -1)
        for _ in range(_LOOKS if settings.refine else 0):
            faces = without_doubles(self._refined(picture, faces, frame), frame)
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
                found.append(self._heads.best(scores, landmarks, enough, whole))
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
        height, width = pictures.shape[2:]
        return self._heads.read(self._outputs(pictures), (height, width))

    def _outputs(self, pictures: Floats) -> Mapping[str, Floats]:
        names = [output.name for output in self._session.get_outputs()]
        kind = numpy.float16 if self._input.type == "tensor(float16)" else numpy.float32
        try:
            shown = pictures.transpose(0, 2, 3, 1) if self.settings.layout == "NHWC" else pictures
            made = self._session.run(names, {self._input.name: numpy.ascontiguousarray(shown, kind)})
        except Exception as error:
            raise ShapeError(
                f"{self.path}: the model cannot read pictures {pictures.shape} ({first_line(error)})"
            ) from error
        return dict(zip(names, made, strict=True))

    def _tried(self) -> Heads:
        """Show the model plain pictures, and return the outputs with scores and landmarks.

        Raises:
            ShapeError: there is none of that shape, or what it tells of plain pictures can be no decoded landmarks.
        """
        height, width = self._fixed or (min(self.settings.sizes),) * 2
        stated = (self.settings.mean, self.settings.deviation)
        mean, deviation = (numpy.array(values, numpy.float32)[:, None, None] for values in stated)
        plain = [
            ((level - mean) / deviation)[None] * numpy.ones((1, 1, height, width), numpy.float32) for level in _PLAIN
        ]
        outputs = [self._outputs(picture) for picture in plain]
        heads = choose_heads(self.path, self.settings, {name: value.shape for name, value in outputs[0].items()})
        for of_picture in outputs:
            heads.check(*heads.read(of_picture, (height, width)), (height, width))
        return heads


def _turned_back(landmarks: Points, turns: int, height: int, width: int) -> Points:
    """Return points of a picture that numpy.rot90 has turned `turns` times as points of the picture (H, W)."""
    x, y = landmarks.T
    places = ((x, y), (width - y, x), (width - x, height - y), (y, height - x))
    return numpy.stack(places[turns], axis=1)


def _settings(path: Path, metadata: Mapping[str, str]) -> LandmarkSettings:
    beside = path.with_suffix(".json")
    try:
        text = beside.read_text(encoding="utf-8") if beside.is_file() else metadata.get(METADATA, "{}")
        return LandmarkSettings.model_validate(json.loads(text))
    except (ValueError, OSError) as error:
        where = beside if beside.is_file() else path
        raise CorruptFileError(f"{where}: these are no settings of a landmark model ({error})") from error
