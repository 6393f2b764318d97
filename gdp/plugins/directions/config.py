"""How settings name a direction; imports no torch."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gdp.core.config import Config
from gdp.core.errors import MissingResourceError

BuiltinDirection = Literal["builtin:age"]
"""Directions of the embedded teacher `builtin:faces64` that come with the package."""


def _direction_file(spec: BuiltinDirection | Path) -> BuiltinDirection | Path:
    if isinstance(spec, str):
        return spec
    if str(spec).startswith("builtin:"):
        raise ValueError("no such built-in direction; there is builtin:age")
    if spec.suffix not in (".safetensors", ".npy"):
        raise ValueError("a direction is builtin:age, a .safetensors file made by gdp, or a .npy file")
    return spec


DirectionFile = Annotated[BuiltinDirection | Path, AfterValidator(_direction_file)]
"""`builtin:age`, or the path of a `.safetensors` file made by gdp or of a public `.npy` file."""

Layers = tuple[Annotated[int, Field(ge=0)], ...] | Literal["all"] | None
"""Numbers of w's counted from 0 (the coarsest), `all`, or None for those that the direction's file names."""


class DirectionStep(Config):
    """One direction and how far to go along it."""

    direction: DirectionFile
    """`builtin:age`, or the path of a .safetensors file made by gdp or of a public .npy file."""
    strength: float
    """How far, in standard deviations of the direction's score over the teacher's samples; negative goes back."""
    layers: Layers = None
    """Numbers of the w's that are moved, from 0 (coarsest), or "all"; left out, those that the file names."""


def direction_path(spec: BuiltinDirection | Path) -> Path:
    """Return the file that a setting names.

    Raises:
        MissingResourceError: it is not there.
    """
    if isinstance(spec, Path):
        path = spec
    else:
        name = f"faces64-{spec.removeprefix('builtin:')}.safetensors"
        path = Path(str(resources.files("gdp.plugins.directions") / "assets" / name))
    if not path.is_file():
        raise MissingResourceError(
            f"{path}: there is no such direction file. Give the path of a .safetensors or .npy file, "
            "or find a direction with `python -m gdp.plugins.directions.find`."
        )
    return path
