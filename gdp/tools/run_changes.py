"""Which settings a run is told otherwise than the last time, and what that leaves of it. Imports no torch by itself."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdp.core.errors import CorruptFileError, GdpError
from gdp.core.recipe.reading import Recipe
from gdp.core.run_folder import RunFolder
from gdp.tools.run_recipes import RECIPE, settings_of

if TYPE_CHECKING:
    from gdp.core.run.session import Session

_LONGEST = 40
"""Characters of a setting's value that are shown."""
_TOLD = 4
"""Settings that are named; of more their number is told."""


def told_of_changes(session: Session) -> str | None:
    """Say in a line which settings are others than the run was last told, and what of it is kept; None where none is.

    Content keys alone are compared: no file of the run is read for it.
    """
    changed = changed_settings(session.folder, session.recipe)
    if not changed:
        return None
    try:
        kept, to_do = _kept_and_to_do(session)
    except CorruptFileError:  # which the run itself tells, and mends
        return None
    named = [f"{name} {_short(was)} -> {_short(now)}" for name, (was, now) in list(changed.items())[:_TOLD]]
    more = [f"{len(changed) - _TOLD} more"] if len(changed) > _TOLD else []
    return (
        f"was last run with other settings: {', '.join([*named, *more])}; "
        f"kept: {', '.join(kept) or 'nothing'}; to do: {', '.join(to_do) or 'nothing'}"
    )


def _kept_and_to_do(session: Session) -> tuple[list[str], list[str]]:
    """Return the finished stages whose keys are as they were, and the stages from the first other one on."""
    from gdp.core.run.opening import recorded_keys
    from gdp.core.run.steps import steps_of

    finished, keys, kept = session.folder.stages(), dict[str, str](), list[str]()
    asked = [step for step in steps_of(session) if step.applies(session)]
    for step in asked:
        try:
            keys |= step.keys(session, keys)
        except GdpError:  # what the key depends on is not there yet
            break
        if finished.get(step.name, {}).get("key") != keys[step.name]:
            break
        kept.append(step.name)
    to_do = [step.name for step in asked[len(kept) :]]
    if "pairs" in to_do and "store" in keys and keys["store"] == recorded_keys(session.folder).get("store"):
        kept.append("the pairs that are there")
    return kept, to_do


def _short(value: str | None) -> str:
    if value is None:
        return "(none)"
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 3]}..."


def changed_settings(folder: RunFolder, recipe: Recipe) -> dict[str, tuple[str | None, str | None]]:
    """Return the settings of which a run was last told otherwise: what they were and what they are, by dotted key.

    Those of `[limits]`, on which nothing depends, are left out, and paths count from the recipe's folder, which may
    have been moved. Nothing of a folder without a recipe that can be read.
    """
    try:
        written = tomllib.loads((folder.path / RECIPE).read_text(encoding="utf-8"))
        stood_at = folder.read_json("run.json", {}).get("recipe")
    except (OSError, ValueError, CorruptFileError):  # damaged: gdp doctor tells it
        return {}
    then = _from_folder(written, Path(stood_at) if isinstance(stood_at, str) else None)
    now = _from_folder(tomllib.loads(recipe.to_toml()), recipe.path)
    names = [name for name in dict.fromkeys((*then, *now)) if not name.startswith("limits.")]
    return {name: (then.get(name), now.get(name)) for name in names if then.get(name) != now.get(name)}


def _from_folder(data: Mapping[str, Any], recipe: Path | None) -> dict[str, str]:
    """Return settings by dotted key, paths below the recipe's folder as they are from there."""
    found = dict(settings_of(data))
    if recipe is None:
        return found
    below = f"{recipe.parent}{os.sep}"
    return {name: value.removeprefix(below) for name, value in found.items()}
