"""Which aligner is meant where a user names none: the one that finds what the student was trained on. Imports no
torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gdp.core.errors import CorruptFileError, RecipeError
from gdp.core.recipe.text import read_recipe_text
from gdp.tools.deploy.limits import read_description
from gdp.tools.deploy.models import find_model
from gdp.tools.deploy.student_folder import DESCRIPTION
from gdp.tools.deploy.trained_on import PHOTOGRAPHS
from gdp.tools.run_recipes import RECIPE

ANY = "auto"
"""What `--align` without a name means."""
EMBEDDED = "builtin:faces64"
"""The model of the embedded world's drawn faces, as `--align` takes it."""
_ALIGNER = re.compile(r"[a-z][a-z0-9-]*(:builtin:[a-z0-9-]+)?")
"""What a student may name: an aligner and what comes with it, and no file of the machine."""


def fitting_aligner(model: Path) -> tuple[str, str]:
    """Return what `--align` means without a name, and in a few words why.

    The student's description may say it (`trained_on.pictures.aligner`), and a run's recipe tells whether its teacher
    is that of the embedded world; faces in photographs are meant by all others, exported files that were moved away
    from their run among them.

    Args:
        model: the run, its student folder or an exported file, as `gdp apply` takes it.

    Raises:
        MissingResourceError: there is no trained student.
    """
    folder = find_model(model).folder
    named = _at(_read_json(folder / DESCRIPTION), "trained_on", "pictures", "aligner")
    if isinstance(named, str) and _ALIGNER.fullmatch(named):
        return named, "what the student says of its training pictures"
    if _at(_read_toml(folder.parent / RECIPE), "teacher", "weights") == EMBEDDED:
        return EMBEDDED, "the student learnt on the embedded world's faces"
    return PHOTOGRAPHS, "faces in photographs; another one is named behind --align"


def _at(data: object, *keys: str) -> object:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _read_json(path: Path) -> Any:
    """Return a file's content; None of one that is not there or is damaged, which opening the student tells."""
    try:
        return read_description(path)
    except CorruptFileError:
        return None


def _read_toml(path: Path) -> Any:
    try:
        return read_recipe_text(path).data if path.is_file() else None
    except RecipeError:
        return None
