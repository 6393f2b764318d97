"""Finds faces by their landmarks for `gdp apply --align`, and those of the embedded world by a model of its own.

Settings of the aligner, and what a landmark model in an ONNX file reads and tells. Imports no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from gdp import Config, MissingResourceError, Needs, Register, hookimpl

METADATA = "gdp.landmarks"
"""Key of the settings in an ONNX file's own metadata; a file of any other origin has them in a .json file beside it."""
Triple = tuple[float, float, float]


class LandmarkSettings(Config):
    """Settings of a landmark model; left out, what most single-shot detectors do."""

    channels: Literal["RGB", "BGR"] = "RGB"
    """Order of the colours."""
    mean: Triple = (127.0, 127.0, 127.0)
    """Subtracted from each colour's levels 0 to 255."""
    deviation: Triple = (128.0, 128.0, 128.0)
    """What each colour is divided by then."""
    fit: Literal["pad", "stretch"] = "pad"
    """How a picture of another shape is brought to the model's: black added at the right and below, or stretched."""
    sizes: tuple[int, ...] = Field(default=(640,), min_length=1)
    """For models that take any size: pixels of the longer side, one or more that are all looked at."""
    multiple: int = Field(default=32, ge=1)
    """For models that take any size: heights and widths are multiples of it."""
    scores: str | None = None
    """Output (N, P), (N, P, 1) or (N, P, 2) with probabilities; left out, the one of that shape."""
    landmarks: str | None = None
    """Output (N, P, 10), (N, P, 5, 2), (N, P, 136) or (N, P, 68, 2); left out, the one of that shape."""
    coordinates: Literal["shares", "pixels"] = "shares"
    """Whether landmarks are shares of the shown picture's sides or its pixels."""
    turns: bool = False
    """Whether the picture is also shown lying and upside down, for faces turned by more than the model knows."""
    refine: float = Field(default=0.0, ge=0.0, le=1.0)
    """Where above 0, each face is shown once more, upright, its frame's side being this share of the model's."""
    min_score: float = Field(default=0.5, ge=0.0, le=1.0)
    """Smallest probability that counts as a face."""
    frame: tuple[tuple[float, float], ...] | None = Field(default=None, min_length=5, max_length=5)
    """The places of the five landmarks in the frame of the teacher it is meant for, as shares; left out, FFHQ's."""


BUILTIN = "builtin:"
FACES64 = Path(__file__).parent / "assets" / "faces64-landmarks.onnx"
"""The finder of the embedded world."""


class LandmarksConfig(Config):
    """Settings of `landmarks`."""

    file: str = Field(min_length=1, examples=["builtin:faces64"])
    """The landmark model: an .onnx file, whose settings stand in a .json file of its name beside it or in its own
    metadata; or builtin:faces64 for the embedded world."""
    frame: str | None = Field(default=None, min_length=1)
    """How the teacher's pictures were cut: ffhq, or a JSON file with the places of the five landmarks; left out, as the
    model says, or else ffhq."""


@hookimpl
def gdp_register_aligners(register: Register) -> None:
    """Register the aligner of faces."""
    register(
        "landmarks",
        config=LandmarksConfig,
        implementation="gdp.plugins.face_alignment.finder:LandmarkAligner",
        summary="Faces, by an ONNX model of their landmarks; builtin:faces64 knows those of the embedded world",
        needs=Needs(modules=("onnxruntime",), install="gdp-distill[onnx]"),
    )


def landmark_model(text: str) -> Path:
    """Return the landmark model that a setting names: `builtin:faces64`, or a file.

    Raises:
        MissingResourceError: there is no built-in model of that name.
    """
    if text.startswith(BUILTIN):
        if text != f"{BUILTIN}faces64":
            raise MissingResourceError(f"{text}: there is no such landmark model; there is {BUILTIN}faces64")
        return FACES64
    return Path(text).expanduser()
