"""Finds the faces of the embedded world, and their landmarks, for `gdp apply --align builtin:faces64`."""

from __future__ import annotations

from pathlib import Path

from gdp.core.errors import MissingResourceError

BUILTIN = "builtin:"
FACES64 = Path(__file__).parent / "assets" / "faces64-landmarks.onnx"
"""The finder of the embedded world."""


def landmark_model(text: str) -> Path:
    """Return the landmark model that `--align` names: `builtin:faces64`, or a file.

    Raises:
        MissingResourceError: there is no built-in model of that name.
    """
    if text.startswith(BUILTIN):
        if text != f"{BUILTIN}faces64":
            raise MissingResourceError(f"{text}: there is no such landmark model; there is {BUILTIN}faces64")
        return FACES64
    return Path(text).expanduser()
