"""`gdp validate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gdp.cli.common import RecipeArgument, SetOption, State
from gdp.console import print_json
from gdp.core.errors import RecipeError
from gdp.core.recipe.reading import Choice, Compare, Recipe
from gdp.registry import PluginRegistry
from gdp.tools.named_recipes import find_recipe
from gdp.tools.run_recipes import load_named_recipe
from gdp.tools.teacher_recipe import TeacherRecipe, is_teacher_recipe, load_teacher_recipe


def validate(
    context: typer.Context,
    recipe: RecipeArgument,
    set_: SetOption = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the resolved recipe, or its mistakes, as JSON.")] = False,
) -> None:
    """Check a recipe without running it, and show all its mistakes at once.

    Recipes of gdp run and of gdp train-teacher are told apart by their [dataset] section. In overrides, relative
    paths are relative to the recipe's folder, as in the recipe, and an empty value takes a key out.

    Example: gdp validate my_recipe.toml --set train.steps=200
    """
    state: State = context.obj
    try:
        loaded = _load(recipe, state.registry, set_ or ())
    except RecipeError as error:
        if not json_:
            raise
        mistakes = [vars(mistake) for mistake in error.mistakes]
        print_json({"valid": False, "file": error.file, "mistakes": mistakes})
        raise typer.Exit(error.exit_code) from None
    if json_:
        command = "train-teacher" if isinstance(loaded, TeacherRecipe) else "run"
        print_json({"valid": True, "command": command, "recipe": loaded.to_data()})
    else:
        typer.echo(f"{find_recipe(recipe).file}: the recipe is valid\n{_summary(loaded)}")


def _load(path: Path, registry: PluginRegistry, overrides: Sequence[str]) -> Recipe | TeacherRecipe:
    if is_teacher_recipe(path, overrides):
        return load_teacher_recipe(path, registry, overrides)
    return load_named_recipe(path, registry, overrides)


def _summary(recipe: Recipe | TeacherRecipe) -> str:
    if isinstance(recipe, TeacherRecipe):
        parts = {"teacher": recipe.teacher.name, "dataset": recipe.dataset.record.name}
    else:
        length = f"{recipe.train.steps} steps" if recipe.train.steps is not None else f"{recipe.train.epochs:g} epochs"
        count = f", {recipe.pairs.section.count} pairs" if recipe.pairs.section.count is not None else ""
        parts = {
            "teacher": recipe.teacher.record.name if recipe.teacher else "none",
            "pairs": f"{recipe.pairs.record.name}{count}",
            "filters": _names(recipe.filters),
            "student": recipe.student.record.name,
            "losses": _names(recipe.losses),
            "train": f"{length} of {recipe.train.batch}",
            "evaluators": _names(recipe.evaluators),
            **({"compare": _compared(recipe.compare)} if recipe.compare is not None else {}),
        }
    return "\n".join(f"  {key:<11}{value}" for key, value in {"name": recipe.name, **parts}.items())


def _names(choices: Sequence[Choice[Any]]) -> str:
    return ", ".join(choice.record.name for choice in choices) or "none"


def _compared(compare: Compare) -> str:
    names = ", ".join(variant.name for variant in compare.variants) or "no variants"
    return f"{names}; {compare.section.seeds} {'seeds' if compare.section.seeds > 1 else 'seed'}"
