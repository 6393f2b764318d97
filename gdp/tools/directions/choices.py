"""Which plugins a search for directions takes and how they are set, from a recipe or from names. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gdp.core.building import require_modules
from gdp.core.errors import GdpError, Mistake, PluginError, RecipeError, UsageError
from gdp.core.recipe.choices import Checker, Choice
from gdp.core.recipe.overrides import apply_overrides
from gdp.core.recipe.sections import DirectionMethodSection, FilterSection, TeacherSection
from gdp.core.recipe.text import RecipeText, read_recipe_text
from gdp.core.records import Plugins
from gdp.tools.named_recipes import find_recipe


@dataclass(frozen=True)
class SearchChoices:
    """Names of the plugins of a search."""

    method: str
    teacher: str | None = None
    """None for that of the recipe."""
    filter: str | None = None
    """None where the method needs no scores."""
    recipe: Path | None = None
    """A recipe whose `[teacher]` is taken, and, of its filters, the settings that scores depend on."""
    overrides: Sequence[str] = ()
    """Such as `teacher.weights=g.safetensors`, `filter.min_face=0.8`, `method.share=0.1`."""
    otherwise: str | None = None
    """The teacher where none is named and there is no recipe, or one without a teacher."""


@dataclass(frozen=True)
class Chosen:
    """The plugins of a search with their settings, checked."""

    teacher: Choice[TeacherSection]
    method: Choice[DirectionMethodSection]
    judge: Choice[FilterSection] | None
    """None where the method needs no scores."""


def read_choices(choices: SearchChoices, plugins: Plugins) -> Chosen:
    """Read the settings of teacher, method and filter.

    Raises:
        RecipeError: with all mistakes of the settings.
        GdpError: there is no teacher, or the recipe trains it first, or a plugin needs a module that is not installed.
    """
    checker = _checker(choices, plugins)
    data = checker.text.data
    teacher = checker.choice("teacher", TeacherSection, data["teacher"], ("teacher",))
    method = checker.choice("direction-method", DirectionMethodSection, data["method"], ("method",))
    judge = checker.choice("filter", FilterSection, data["filter"], ("filter",)) if "filter" in data else None
    if checker.mistakes:
        raise RecipeError(checker.text.file, [_as_given(mistake, choices) for mistake in checker.mistakes])
    assert teacher is not None
    assert method is not None
    if teacher.section.train is not None:
        raise PluginError(
            "the recipe trains its teacher first; train it with `gdp train-teacher`, and name its weights with "
            "--set teacher.weights=FILE --set teacher.train="
        )
    require_modules(choice.record for choice in (teacher, method, judge) if choice is not None)
    return Chosen(teacher, method, judge)


def _as_given(mistake: Mistake, choices: SearchChoices) -> Mistake:
    """Name the option, or the argument from Python, by which a plugin was chosen, where that is the mistake."""
    options = {f"{name}.plugin": name for name in ("method", "teacher", "filter") if getattr(choices, name)}
    option = options.get(mistake.where)
    return mistake if option is None else replace(mistake, where=f"--{option}", line=None)


def _checker(choices: SearchChoices, plugins: Plugins) -> Checker:
    """Put what was named and what the recipe says into one table, and write the overrides into it."""
    place = None if choices.recipe is None else find_recipe(choices.recipe)
    recipe = RecipeText("gdp find-direction", {}) if place is None else read_recipe_text(*place)
    data: dict[str, Any] = {"method": {"plugin": choices.method}}
    if choices.teacher is None and "teacher" in recipe.data:
        data["teacher"] = recipe.data["teacher"]
    elif (teacher := choices.teacher or choices.otherwise) is not None:
        data["teacher"] = {"plugin": teacher}
    else:
        raise GdpError("no teacher is named, and there is no recipe that has one")
    if choices.filter is not None:
        data["filter"] = {"plugin": choices.filter, **_score_settings(recipe.data, choices.filter, plugins)}
    written, mistakes = apply_overrides(data, choices.overrides)
    folder = (Path("recipe") if place is None else place.path).expanduser().absolute().parent
    checker = Checker(RecipeText(recipe.file, data, recipe.lines), plugins, folder, written)
    checker.mistakes += mistakes
    checker.top_level(("teacher", "filter", "method"), {})
    return checker


def _score_settings(recipe: dict[str, Any], name: str, plugins: Plugins) -> dict[str, Any]:
    """Return of the recipe's filter of that name what its scores depend on; its thresholds are for pairs."""
    entries = recipe.get("filters", [])
    same = [entry for entry in entries if isinstance(entry, dict) and entry.get("plugin") == name]
    if not same:
        return {}
    implementation = plugins.load(plugins.get("filter", name))
    wanted: frozenset[str] | None = getattr(implementation, "score_settings", frozenset())
    known = plugins.get("filter", name).config.model_fields
    return {key: value for key, value in same[0].items() if key in (known if wanted is None else wanted)}


def check_names(output: str | Path | None, strip: str | Path | None) -> None:
    """Look at the names of the files before any work is done.

    Raises:
        UsageError: a name does not end in what the file will be.
    """
    for path, ending, what in ((output, ".safetensors", "a direction"), (strip, ".png", "a strip")):
        if path is not None and Path(path).suffix != ending:
            raise UsageError(f"{path}: {what} is written as {ending}; give the file that ending")
