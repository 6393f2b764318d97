"""What stages write down: settings that stay the same when a project moves, and where a trained teacher is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TRAINED = "trained.json"
"""In the folder of a teacher's training: which file holds its weights; there only if the training finished."""


def trained_weights(folder: Path) -> Path | None:
    """Return the weights of a finished training of a teacher, or None."""
    note = folder / TRAINED
    if not note.is_file():
        return None
    weights = folder / str(json.loads(note.read_text(encoding="utf-8"))["weights"])
    return weights if weights.is_file() else None


def portable(value: Any, base: Path) -> Any:
    """Make settings JSON-able, paths below `base` written relative to it: a moved project keeps its keys."""
    if isinstance(value, Path):
        return os.path.relpath(value, base) if value.is_relative_to(base) else str(value)
    if isinstance(value, Mapping):
        return {str(key): portable(item, base) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [portable(item, base) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(portable(item, base) for item in value)
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
