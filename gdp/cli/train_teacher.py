"""`gdp train-teacher`. torch is imported when the recipe is known to be good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from gdp.cli.common import FolderOption, RecipeArgument, SetOption
from gdp.console import choose_progress

if TYPE_CHECKING:
    from gdp.registry import PluginRegistry


def train_teacher(
    context: typer.Context,
    recipe: RecipeArgument,
    folder: FolderOption = None,
    set_: SetOption = None,
) -> None:
    """Train a teacher on pictures, or go on where its training stopped.

    Example: gdp train-teacher recipes/train_faces64.toml
    """
    from gdp.core.recipe.text import read_recipe_text

    read_recipe_text(recipe)  # what is wrong with the file itself is told before plugins are looked for
    from gdp.api import train_teacher as train

    registry: PluginRegistry = context.obj.registry
    weights = train(recipe, folder=folder, overrides=set_ or (), registry=registry, progress=choose_progress())
    typer.echo(f"finished: {weights}")
