"""Reading the direction that a setting names."""

from __future__ import annotations

from pathlib import Path

from gdp.plugins.directions.config import BuiltinDirection, direction_path, split_component
from gdp.support.directions.direction import Direction
from gdp.support.directions.files import read_direction


def load_direction(spec: BuiltinDirection | Path) -> Direction:
    """Read a direction: `builtin:NAME`, a `.safetensors` file made by gdp, or a public `.npy` or `.pt` file.

    Raises:
        MissingResourceError: the file is not there.
        CorruptFileError: the file cannot be read as a direction.
    """
    return read_direction(direction_path(spec), None if isinstance(spec, str) else split_component(spec)[1])
