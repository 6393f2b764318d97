"""The recipe of a run: from a file, or from the folder of a run that has one. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gdp.core.recipe import PluginLookup, Recipe, load_recipe
from gdp.core.recipe_text import read_recipe_text
from gdp.core.run_folder import RunFolder

RECIPE = "recipe.toml"


def is_run(path: Path) -> bool:
    """Say whether a path is a run's folder that holds its recipe."""
    return (path / "run.json").is_file() and (path / RECIPE).is_file()


def require_recipe(path: Path) -> None:
    """Make sure that a path is a recipe's file or a run, which costs nothing beside a look at all plugins.

    Raises:
        RecipeError: there is no such file, or it is not TOML.
    """
    if not is_run(path):
        read_recipe_text(path)


def load_run_recipe(
    folder: RunFolder, plugins: PluginLookup, overrides: Sequence[str] = (), derived: Path | None = None
) -> Recipe:
    """Read the recipe that a run was last made with.

    Content keys write paths relative to the recipe's place, so it counts as standing where the original stood, and
    equal work has equal keys.

    Args:
        folder: of the run.
        plugins: that the recipe names.
        overrides: such as `train.steps=200`.
        derived: a recipe that was made from the run's, to read in its place.

    Raises:
        RecipeError: with all mistakes of the overrides, or what the present plugins find wrong with it.
    """
    recipe = load_recipe(derived or folder.path / RECIPE, plugins, overrides)
    written = folder.read_json("run.json", {}).get("recipe")
    return replace(recipe, path=Path(written)) if isinstance(written, str) else recipe


def open_recipe(
    recipe: Path, plugins: PluginLookup, overrides: Sequence[str] = (), folder: Path | None = None
) -> tuple[Recipe, RunFolder]:
    """Read a recipe and choose the run's folder; nothing is written.

    Args:
        recipe: the TOML file; or the folder of a run, which goes on by the recipe that is written there.
        plugins: that the recipe names.
        overrides: such as `train.steps=200`.
        folder: of the run; None for `runs/<name of the recipe>` below the present folder, or the run's own.

    Raises:
        RecipeError: with all mistakes of the recipe.
    """
    if is_run(recipe):
        loaded, place = load_run_recipe(RunFolder(recipe.absolute()), plugins, overrides), recipe
    else:
        loaded = load_recipe(recipe, plugins, overrides)
        place = Path("runs") / loaded.name
    return loaded, RunFolder((folder or place).absolute())
