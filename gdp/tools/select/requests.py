"""What a user asks of a run's pairs, and whether it can be done at all. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gdp.core.errors import GdpError, UsageError
from gdp.core.recipe.reading import Recipe
from gdp.core.records import Plugins
from gdp.core.run_folder import RunFolder, find_run
from gdp.tools.run_recipes import as_recorded, load_named_recipe, load_run_recipe

SUFFIXES = (".png", ".html")


def check_sheet(path: Path) -> None:
    """Make sure that a sheet of this name can be made.

    Raises:
        UsageError: it is neither a PNG nor a page.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: a sheet is written as {' or '.join(SUFFIXES)}; give the file one of these endings")


@dataclass(frozen=True)
class RefilterRequest:
    """What a user asks for."""

    run: Path
    """The run's folder, or its name in `runs/`."""
    recipe: Path | None = None
    """Recipe with the new filters; left out, the run's own."""
    overrides: Sequence[str] = ()
    """Such as `filters.0.min_age=21`."""


@dataclass(frozen=True)
class NewFilters:
    """A run, and the recipe that its pairs are to be judged by."""

    folder: RunFolder
    old: Recipe
    """The run's own."""
    new: Recipe


def read_new_filters(request: RefilterRequest, plugins: Plugins) -> NewFilters:
    """Read the run's recipe and the new one; nothing is written.

    Raises:
        MissingResourceError: there is no such run.
        RecipeError: with all mistakes of the recipe and of the overrides.
        GdpError: something else than the filters or pairs.held_out would change.
    """
    folder = find_run(request.run)
    old = load_run_recipe(folder, plugins, look=True)
    if request.recipe is None:
        new = load_run_recipe(folder, plugins, request.overrides, look=True)
    else:
        new = load_named_recipe(request.recipe, as_recorded(plugins), request.overrides)
    _refuse_other_changes(old, new)
    return NewFilters(folder, old, new)


def _refuse_other_changes(old: Recipe, new: Recipe) -> None:
    """Make sure that only filters and the split change: all else is the affair of `gdp run`."""
    before, after = old.to_data(), new.to_data()
    for data in (before, after):
        del data["filters"], data["pairs"]["held_out"]
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if changed:
        parts = ", ".join(
            f"{name}.{key}" for name in changed for key in _changed_keys(before.get(name), after.get(name))
        )
        raise GdpError(
            f"gdp filter changes [[filters]] and pairs.held_out alone, and this would change {parts}: leave it as the "
            f"run has it, or use gdp run. Nothing was changed."
        )


def _changed_keys(before: Any, after: Any) -> list[str]:
    """Name the keys of a section that differ; `*` where the section is no table or is not in both."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return ["*"]
    return [key for key in {**before, **after} if before.get(key) != after.get(key)]
