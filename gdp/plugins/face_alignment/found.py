"""Faces that were found: which are one and the same, and which can be none. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from gdp import CorruptFileError, MissingResourceError, Square
from gdp.plugins.face_alignment.frames import Frame
from gdp.toolbox import Points

Floats = NDArray[numpy.float32]

_SAME_FACE = 0.3
"""Two findings are one face where the middles of their squares are nearer than this share of the larger's side."""
_ROUNDING = 1e-6
_BESIDE, _AROUND = 0.1, 0.5
"""How far the middle of a face, and any of its landmarks, may lie beyond the picture, as shares of its sides."""
_NARROWEST, _WIDEST = 0.1, 6.0
"""Distance of the eyes over that from eyes to mouth: 0.1 in profile, about 1 from the front."""
_SEEN = 0.3
"""Of the distance from eyes to mouth: what eyes and corners of the mouth are apart where their direction says
something."""
_PARALLEL = 0.5
"""Least cosine of the angle between the lines of the eyes and of the mouth then."""
_HIGHEST_NOSE, _LOWEST_NOSE = -0.6, 1.8
"""Where the nose may be on the way from the eyes (0) to the mouth (1)."""


@dataclass(frozen=True)
class Found:
    """A face in a picture."""

    score: float
    """Probability in [0, 1]."""
    landmarks: Points
    """(5, 2) in pixels: left eye, right eye, nose, corners of the mouth."""


def doubt(landmarks: Points, size: tuple[float, float]) -> str | None:
    """Say why landmarks (5, 2) can be no face's, in a picture of `size` (width, height) pixels; None if they can."""
    if not numpy.isfinite(landmarks).all():
        return "landmarks are no numbers"
    if (numpy.ptp(landmarks, axis=0) <= _ROUNDING * max(size)).all():
        return "all landmarks lie in one place"
    shares = landmarks / numpy.array(size)
    beside = numpy.abs(shares.mean(axis=0) - 0.5).max() > 0.5 + _BESIDE
    if beside or numpy.abs(shares - 0.5).max() > 0.5 + _AROUND:
        return "landmarks lie outside of the picture"
    return _disorder(landmarks)


def _disorder(landmarks: Points) -> str | None:
    """Say how landmarks (5, 2) do not stand as a face's do, whatever way it is turned."""
    left_eye, right_eye, nose, left_mouth, right_mouth = landmarks
    across, eyes = right_eye - left_eye, (left_eye + right_eye) / 2
    down, to_mouth = numpy.array([-across[1], across[0]]), (left_mouth + right_mouth) / 2 - eyes
    if down @ to_mouth <= 0:
        return "the eyes are below the mouth, or left and right are exchanged"
    length = math.hypot(*to_mouth)
    if not _NARROWEST * length <= math.hypot(*across) <= _WIDEST * length:
        return "eyes and mouth do not stand as in a face"
    mouth = right_mouth - left_mouth
    lengths = math.hypot(*across), math.hypot(*mouth)
    if min(lengths) > _SEEN * length and across @ mouth < _PARALLEL * lengths[0] * lengths[1]:
        return "eyes and mouth do not stand as in a face"
    if not _HIGHEST_NOSE <= (nose - eyes) @ to_mouth / length**2 <= _LOWEST_NOSE:
        return "the nose is not between eyes and mouth"
    return None


def without_doubles(faces: Iterable[Found], frame: Frame, turned: float = -1.0) -> list[Found]:
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


def open_session(path: Path, threads: int | None, install: str) -> Any:
    """Open an ONNX model on the processor.

    Args:
        path: the file.
        threads: processor threads; None for all.
        install: the extra that brings onnxruntime.

    Raises:
        MissingResourceError: onnxruntime is not installed, or the file is not there.
        CorruptFileError: onnxruntime cannot load it.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingResourceError(
            f"finding faces needs onnxruntime, which is not installed: pip install '{install}'"
        ) from error
    if not path.is_file():
        raise MissingResourceError(
            f"{path}: no such landmark model; --align takes a name (faces), an .onnx file or builtin:faces64"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise CorruptFileError(f"{path}: onnxruntime cannot load this model ({first_line(error)})") from error


def first_line(error: Exception) -> str:
    """Return an error's text in one short line."""
    return " ".join(str(error).split())[:300]
