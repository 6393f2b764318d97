"""Who takes part in a search, from a recipe or from names, with overrides; the plugins are built."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from gdp.core.answers import AnswerBook, default_place
from gdp.core.building import build
from gdp.core.errors import GdpError, PluginError, RecipeError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.directions import DirectionMethod
from gdp.core.interfaces.filters import ScoringFilter
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.progress import Progress
from gdp.core.recipe.choices import Checker, Choice
from gdp.core.recipe.overrides import apply_overrides
from gdp.core.recipe.sections import DirectionMethodSection, FilterSection, TeacherSection
from gdp.core.recipe.text import RecipeText, read_recipe_text
from gdp.core.records import Plugins
from gdp.tools.directions.search import Tools


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


def open_tools(
    choices: SearchChoices,
    plugins: Plugins,
    *,
    seed: int,
    pictures: int,
    device: torch.device,
    progress: Progress,
) -> Tools:
    """Check the settings and build teacher, method and filter.

    Args:
        choices: which plugins, and their settings.
        plugins: what is installed.
        seed: of the samples.
        pictures: how many the filter will be asked about, for its own look ahead.
        device: where the teacher and the filter work.
        progress: where to report.

    Raises:
        RecipeError: with all mistakes of the settings.
        PluginError: a plugin cannot take part in a search.
        GdpError: what a plugin itself says is wrong.
    """
    checker = _checker(choices, plugins)
    data = checker.text.data
    teacher = checker.choice("teacher", TeacherSection, data["teacher"], ("teacher",))
    method = checker.choice("direction-method", DirectionMethodSection, data["method"], ("method",))
    judge = checker.choice("filter", FilterSection, data["filter"], ("filter",)) if "filter" in data else None
    if checker.mistakes:
        raise RecipeError(checker.text.file, checker.mistakes)
    assert teacher is not None
    assert method is not None
    if teacher.section.train is not None:
        raise PluginError(
            "the recipe trains its teacher first; train it with `gdp train-teacher`, and name its weights with "
            "--set teacher.weights=FILE --set teacher.train="
        )
    # Paid answers are the user's, for all runs and searches; a budget is that of one search.
    book = AnswerBook.at(default_place(), f"find-direction-{uuid.uuid4().hex}")
    context = BuildContext(seed=seed, device=device, progress=progress, answers=book, pairs=pictures)
    built = _build(plugins, teacher, LatentTeacher, context, "makes pictures from latents")
    context = replace(context, teacher=built)
    finder = _build(plugins, method, DirectionMethod, context, "is a direction method")
    scorer = None if judge is None else _build(plugins, judge, ScoringFilter, context, "measures scores")
    if scorer is not None and (remark := scorer.check()):
        progress.message(remark)
    return Tools(built, finder, scorer, method.record.name, "" if judge is None else judge.record.name, progress)


def _checker(choices: SearchChoices, plugins: Plugins) -> Checker:
    """Put what was named and what the recipe says into one table, and write the overrides into it."""
    recipe = RecipeText("gdp find-direction", {}) if choices.recipe is None else read_recipe_text(choices.recipe)
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
    folder = (choices.recipe or Path("recipe")).expanduser().absolute().parent
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
    wanted: frozenset[str] = getattr(implementation, "score_settings", frozenset())
    return {key: value for key, value in same[0].items() if key in wanted}


def _build(plugins: Plugins, choice: Choice[Any], kind: type[Any], context: BuildContext, does: str) -> Any:
    record = choice.record
    wanted = f"it cannot take part: a search needs one that {does}; there is {', '.join(plugins.names(record.kind))}"
    return build(plugins, record, choice.config, context, kind=kind, wanted=wanted)
