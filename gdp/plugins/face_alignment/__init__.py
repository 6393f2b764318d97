"""Finds faces by their landmarks for `gdp apply --align`, and those of the embedded world by a model of its own.

Settings of the aligner, and what a landmark model in an ONNX file reads and tells. Imports no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gdp import Config, MissingResourceError, Needs, Register, hookimpl

METADATA = "gdp.landmarks"
"""Key of the settings in an ONNX file's own metadata; a file of any other origin has them in a .json file beside it."""
Triple = tuple[float, float, float]


class LandmarkSettings(Config):
    """Settings of a landmark model; left out, what most single-shot detectors do."""

    layout: Literal["NCHW", "NHWC"] = "NCHW"
    """Order of the input's axes: colours before or after height and width."""
    channels: Literal["RGB", "BGR"] = "RGB"
    """Order of the colours."""
    mean: Triple = (127.0, 127.0, 127.0)
    """Subtracted from each colour's levels 0 to 255."""
    deviation: Triple = (128.0, 128.0, 128.0)
    """What each colour is divided by then; 255 with a mean of 0 for models that read 0 to 1."""
    fit: Literal["pad", "stretch"] = "pad"
    """How a picture of another shape is brought to the model's: black added at the right and below, or stretched."""
    sizes: tuple[int, ...] = Field(default=(640,), min_length=1)
    """For models that take any size: pixels of the longer side, one or more that are all looked at."""
    multiple: int = Field(default=32, ge=1)
    """For models that take any size: heights and widths are multiples of it."""
    scores: str | None = None
    """Output (N, P), (N, P, 1) or (N, P, 2), background first, with a score of each place; left out, the only one of
    that shape."""
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    """What makes probabilities of the scores, where the model has it not in it."""
    landmarks: str | None = None
    """Output (N, P, 10), (N, P, 5, 2), (N, P, 136) or (N, P, 68, 2) with the decoded landmarks of each place; left out,
    the only one of that shape."""
    points: tuple[tuple[int, ...], ...] | None = Field(default=None, min_length=5, max_length=5)
    """For models of other landmarks, or in another order: which of them, counted from 0, are averaged for the left eye,
    the right eye, the nose, the left and the right corner of the mouth, left and right as they stand in the picture."""
    order: Literal["pairs", "apart"] = "pairs"
    """Whether the numbers of a face are x and y of each landmark in turn, or first every x and then every y."""
    coordinates: Literal["shares", "pixels", "centred"] = "shares"
    """What landmarks are told in: shares of the shown picture's sides, its pixels, or from -1 (left, top) to 1."""
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
    """The landmark model: an .onnx file that tells probabilities of places and their decoded landmarks; or
    builtin:faces64 for the embedded world. A model that is ambiguous, undecoded or tells no faces is refused before a
    picture is changed."""
    settings: LandmarkSettings | None = None
    """How the model is fed and read. `gdp apply --align MODEL.onnx` takes these keys from MODEL.json beside it, such as
    {"channels": "BGR", "mean": [104, 117, 123], "deviation": [1, 1, 1], "coordinates": "pixels"}, or else from the
    file's own metadata (gdp.landmarks); left out there, too, each has its default."""
    frame: str | None = Field(default=None, min_length=1)
    """How the teacher's pictures were cut: ffhq, or a JSON file with the places of the five landmarks; left out, as the
    model says, or else ffhq."""


class PhotographsConfig(Config):
    """Settings of `faces`."""

    frame: str | None = Field(default=None, min_length=1)
    """How the teacher's pictures were cut: ffhq, or a JSON file with the places of the five landmarks; left out,
    ffhq."""
    sizes: tuple[Annotated[int, Field(ge=64, le=8192)], ...] = Field(default=(256, 512, 1024, 2048), min_length=1)
    """Pixels of the longer side at which a picture is looked at, up to its own. At each, faces are found whose FFHQ
    square has 48 to 320 pixels there: with 2048, from 2.4 % of the longer side of a picture of 2048 pixels and more."""
    min_score: float = Field(default=0.5, ge=0.05, le=1.0)
    """Smallest probability of the detector at which a place is looked at once more."""
    min_mesh_score: float = Field(default=0.5, ge=0.0, le=1.0)
    """Smallest probability, by the network of the landmarks, that a face is there."""


@hookimpl
def gdp_register_aligners(register: Register) -> None:
    """Register the aligners of faces."""
    register(
        "faces",
        config=PhotographsConfig,
        implementation="gdp.plugins.face_alignment.photographs:PhotographAligner",
        summary="Faces in photographs, in FFHQ's frame, by MediaPipe's BlazeFace and mesh of 468 landmarks",
        needs=Needs(modules=("onnxruntime",), install="gdp-distill[faces]"),
        licence="Apache-2.0 (networks: MediaPipe, Google, Apache-2.0)",
    )
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
