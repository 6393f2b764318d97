"""Looks at the pictures: the built-in judge and the measures, once a picture.

Simple measures of a picture's quality, on the scales of the service: each a number in [0, 1].

What the service says of a picture with a face, as JSON.
"""

from __future__ import annotations

import io
import math
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray
from PIL import Image

from gdp.testing.azure_face.protocol import FORMATS, Question, no_picture
from gdp.testing.azure_face.settings import JudgeName

_LUMINANCE = numpy.array([0.299, 0.587, 0.114], dtype=numpy.float32)
_HALF_BLURRED = 0.06
"""Laplacian variance over luminance variance at which the blur is 0.5: a face of 64 px blurred by 1 px."""
_ALL_NOISE = 30.0
"""Standard deviation of noise, in levels of 0 to 255, at which the noise is 1."""


@dataclass(frozen=True)
class Quality:
    """Blur (larger is blurrier), exposure (larger is brighter) and noise (larger is noisier), each in [0, 1]."""

    blur: float
    exposure: float
    noise: float

    @property
    def blur_level(self) -> str:
        """Low below 0.25, high from 0.75 on: the service's bounds."""
        return _level(self.blur, (0.25, 0.75), ("low", "medium", "high"))

    @property
    def exposure_level(self) -> str:
        """Under-exposed below 0.25, over-exposed from 0.75 on: the service's bounds."""
        return _level(self.exposure, (0.25, 0.75), ("underExposure", "goodExposure", "overExposure"))

    @property
    def noise_level(self) -> str:
        """Low below 0.3, high from 0.7 on: the service's bounds."""
        return _level(self.noise, (0.3, 0.7), ("low", "medium", "high"))


def measure(picture: NDArray[numpy.uint8]) -> Quality:
    """Measure a picture of a face, (H, W, 3) uint8 RGB, at least 3 x 3; scaled to 64 px the numbers compare.

    Blur is 1 / (1 + (r / 0.06)^0.8) with r the variance of the 4-neighbour Laplacian over that of the luminance
    (Pech-Pacheco and others, "Diatom autofocusing in brightfield microscopy" (2000), made independent of contrast).
    Exposure is the mean luminance (Rec. 601). Noise is the standard deviation by Immerkaer, "Fast noise variance
    estimation" (1996), equation 4, with the median in place of the mean, so that edges count little; over 30 levels.
    """
    grey = picture.astype(numpy.float32) @ _LUMINANCE  # (H, W), 0 to 255
    middle = grey[1:-1, 1:-1]
    sides = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    corners = grey[:-2, :-2] + grey[:-2, 2:] + grey[2:, :-2] + grey[2:, 2:]
    sharpness = float((sides - 4.0 * middle).var()) / max(float(grey.var()), 1e-6)
    deviation = float(numpy.median(numpy.abs(corners - 2.0 * sides + 4.0 * middle))) / (6.0 * 0.6745)
    return Quality(
        blur=1.0 / (1.0 + math.pow(sharpness / _HALF_BLURRED, 0.8)),
        exposure=float(grey.mean()) / 255.0,
        noise=min(1.0, deviation / _ALL_NOISE),
    )


def _level(value: float, bounds: tuple[float, float], names: tuple[str, str, str]) -> str:
    return names[sum(value >= bound for bound in bounds)]


_LANDMARKS = {
    "pupilLeft": (0.30, 0.38), "pupilRight": (0.70, 0.38), "noseTip": (0.50, 0.60), "mouthLeft": (0.34, 0.76),
    "mouthRight": (0.66, 0.76), "eyebrowLeftOuter": (0.18, 0.28), "eyebrowLeftInner": (0.42, 0.28),
    "eyeLeftOuter": (0.23, 0.38), "eyeLeftTop": (0.30, 0.35), "eyeLeftBottom": (0.30, 0.41),
    "eyeLeftInner": (0.37, 0.38), "eyebrowRightInner": (0.58, 0.28), "eyebrowRightOuter": (0.82, 0.28),
    "eyeRightInner": (0.63, 0.38), "eyeRightTop": (0.70, 0.35), "eyeRightBottom": (0.70, 0.41),
    "eyeRightOuter": (0.77, 0.38), "noseRootLeft": (0.45, 0.40), "noseRootRight": (0.55, 0.40),
    "noseLeftAlarTop": (0.43, 0.54), "noseRightAlarTop": (0.57, 0.54), "noseLeftAlarOutTip": (0.40, 0.60),
    "noseRightAlarOutTip": (0.60, 0.60), "upperLipTop": (0.50, 0.73), "upperLipBottom": (0.50, 0.75),
    "underLipTop": (0.50, 0.78), "underLipBottom": (0.50, 0.81),
}  # fmt: skip
"""The 27 landmarks, as shares of the face's square."""


def faces(question: Question, judgement: Judgement | None) -> list[dict[str, Any]]:
    """Answer a question about a picture; an empty list where no face was found."""
    if judgement is None:
        return []
    square = judgement.square
    rectangle = {"top": square.top, "left": square.left, "width": square.side, "height": square.side}
    face: dict[str, Any] = {"faceRectangle": rectangle}
    if question.face_id:
        face["faceId"] = str(uuid.uuid4())
    if question.name_recognition_model:
        face["recognitionModel"] = question.recognition_model
    if question.landmarks:
        face["faceLandmarks"] = {
            name: {"x": round(square.left + x * square.side, 1), "y": round(square.top + y * square.side, 1)}
            for name, (x, y) in _LANDMARKS.items()
        }
    if question.attributes:
        face["faceAttributes"] = _attributes(question, judgement)
    return [face]


def _attributes(question: Question, judgement: Judgement) -> dict[str, Any]:
    quality, worn = judgement.quality, judgement.glasses >= 0.5
    said = {
        "accessories": [{"type": "glasses", "confidence": round(judgement.glasses, 2)}] if worn else [],
        "age": round(judgement.age, 1),
        "blur": {"blurLevel": quality.blur_level, "value": round(quality.blur, 2)},
        "exposure": {"exposureLevel": quality.exposure_level, "value": round(quality.exposure, 2)},
        "glasses": _spelling("readingGlasses" if worn else "noGlasses", question),
        "headPose": {"pitch": 0.0, "roll": 0.0, "yaw": 0.0},
        "mask": {"type": _spelling("noMask", question), "noseAndMouthCovered": False},
        "noise": {"noiseLevel": quality.noise_level, "value": round(quality.noise, 2)},
        "occlusion": {"foreheadOccluded": False, "eyeOccluded": False, "mouthOccluded": False},
        "qualityForRecognition": _recognition_quality(judgement),
    }
    return {name: said[name] for name in question.attributes}


def _spelling(word: str, question: Question) -> str:
    """Spell a word as the version of the API does: NoGlasses in v1.0, noGlasses in v1.2."""
    return word if question.version == "v1.2" else word[0].upper() + word[1:]


def _recognition_quality(judgement: Judgement) -> str:
    """Say how well the face could be recognised: a large, sharp and well lit one is of high quality."""
    quality, side = judgement.quality, judgement.square.side
    if side < 50 or quality.blur_level == "high" or quality.exposure_level != "goodExposure":
        return "low"
    return "high" if side >= 100 and quality.blur_level == "low" else "medium"


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
    from gdp.core.pictures import from_array, from_levels
    from gdp.plugins.faces.judge import FaceJudge

    judge = FaceJudge.load()

    def assess(picture: Image.Image) -> _Seen:
        seen = judge.assess(from_levels(from_array(numpy.array(picture)))[None])  # (1, 3, H, W)
        return _Seen(face=float(seen.face), age=float(seen.age), glasses=float(seen.glasses))

    return assess


def _see_a_face(picture: Image.Image) -> _Seen:
    return _Seen(face=1.0, age=40.0, glasses=0.0)
