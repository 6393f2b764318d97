"""How settings and commands name the file of a direction; imports no torch."""

from __future__ import annotations

import re
from pathlib import Path

SUFFIXES = (".safetensors", ".npy", ".npz", ".pt", ".pth")
"""Endings of files that hold a direction."""

_FILE = re.compile(rf"(?P<path>.+(?:{'|'.join(map(re.escape, SUFFIXES))}))(?:#(?P<component>\d{{1,6}}))?")


def names_direction(spec: str | Path) -> bool:
    """Tell whether it has the ending of a direction's file, with or without the number of a component."""
    return _FILE.fullmatch(str(spec)) is not None


def split_component(spec: Path) -> tuple[Path, int | None]:
    """Part `ffhq_pca.pt#3` into the file and the number of the component; None where there is none."""
    parts = _FILE.fullmatch(str(spec))
    if parts is None or parts["component"] is None:
        return spec, None
    return Path(parts["path"]), int(parts["component"])
