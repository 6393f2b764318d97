"""Recipes: TOML files that name plugins and their settings, checked whole before anything runs.

`load_recipe` finds every mistake of a file at once, each with its line. Relative paths are resolved against the
recipe's folder. Which plugins there are is asked of the registry (`Plugins`), so core knows none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gdp.core.config import Config
from gdp.core.errors import Mistake, RecipeError
from gdp.core.recipe.choices import Checker, Choice, dump
from gdp.core.recipe.compare import read_compare
from gdp.core.recipe.messages import shown
from gdp.core.recipe.overrides import apply_overrides
from gdp.core.recipe.sections import (
    DatasetSection,
    EvaluatorSection,
    FilterSection,
    LimitsSection,
    LossSection,
    PairsSection,
    StageSection,
    StudentSection,
    TargetSection,
    TeacherSection,
    TrainSection,
    find_targets,
)
from gdp.core.recipe.text import DEEPEST_NESTING, nesting, read_recipe_text
from gdp.core.recipe.types import Compare, Recipe, RecipeHeader, Variant
from gdp.core.records import Plugins

__all__ = [
    "Choice",
    "Compare",
    "Plugins",
    "Recipe",
    "RecipeHeader",
    "Variant",
    "load_recipe",
]

RUN_KEYS = (
    *("name", "seed", "teacher", "dataset", "pairs", "filters", "student", "losses", "train", "evaluators"),
    *("stages", "targets", "compare", "limits"),
)
"""What a recipe of `gdp run` may hold at the top."""


def load_recipe(path: Path, plugins: Plugins, overrides: Sequence[str] = (), file: Path | None = None) -> Recipe:
    """Read and check a recipe of `gdp run`.

    Args:
        path: the TOML file, in whose folder relative paths begin.
        plugins: what is installed.
        overrides: `KEY=VALUE` as of `--set`, such as `train.steps=200` or `filters[0].min_age=21`.
        file: that holds the recipe's text, where it is another one.

    Raises:
        RecipeError: with every mistake of the file and of the overrides.
    """
    checker = open_recipe(path, plugins, overrides, file)
    checker.top_level(RUN_KEYS, {})
    recipe = _read(checker, path)
    compare = _compare(checker, path)
    raise_mistakes(checker)
    if recipe is None:
        raise AssertionError("a recipe without mistakes is there")
    return replace(recipe, compare=compare)


def open_recipe(path: Path, plugins: Plugins, overrides: Sequence[str], file: Path | None = None) -> Checker:
    """Read a recipe's file of either sort, with overrides written over it, and return what checks its sections.

    Raises:
        RecipeError: the file cannot be read, is not TOML, or nests too deeply.
    """
    text = read_recipe_text(path, file)
    written, mistakes = apply_overrides(text.data, overrides)
    if nesting(text.data) > DEEPEST_NESTING:
        raise RecipeError(text.file, [*mistakes, Mistake("--set", "nests tables deeper than any recipe needs")])
    checker = Checker(text, plugins, absolute(path).parent, written)
    checker.mistakes += mistakes
    return checker


def absolute(path: Path) -> Path:
    """Return a path of the command line as an absolute one; links stay links."""
    return path.expanduser().absolute()


def _read(checker: Checker, path: Path) -> Recipe | None:
    """Check everything but the comparison; None where a section has mistakes."""
    header = read_header(checker)
    teacher, teacher_training = _teacher(checker)
    dataset = checker.one("dataset", DatasetSection)
    if teacher_training is not None and dataset is None:
        checker.mistake(("teacher", "train"), "a teacher is trained on pictures: add [dataset]")
    pairs = checker.one("pair-source", PairsSection, required="(who makes the pairs)")
    filters = checker.many("filter", FilterSection)
    student = checker.one("student", StudentSection, required="(the network to train)")
    losses = checker.many("loss", LossSection, required="(what the student is trained for)")
    evaluators = checker.many("evaluator", EvaluatorSection)
    stages = _stages(checker)
    train = checker.settings(TrainSection, checker.text.data.get("train", {}), ("train",))
    targets = _targets(checker)
    limits = checker.settings(LimitsSection, checker.text.data.get("limits", {}), ("limits",))
    if header is None or pairs is None or student is None or train is None or limits is None:
        return None
    return Recipe(
        name=header.name,
        seed=header.seed,
        teacher=teacher,
        teacher_training=teacher_training,
        dataset=dataset,
        pairs=pairs,
        filters=filters,
        student=student,
        losses=losses,
        train=train,
        evaluators=evaluators,
        stages=stages,
        targets=targets,
        limits=limits,
        path=absolute(path),
    )


def _compare(checker: Checker, path: Path) -> Compare | None:
    """Check `[compare]` with the recipe that each variant makes; what is wrong in the recipe itself is told once."""
    read = read_compare(checker)
    if read is None:
        return None
    section, drafts = read
    variants = []
    for draft in drafts:
        recipe = _read(draft.checker, path)
        checker.mistakes += [mistake for mistake in draft.checker.mistakes if mistake not in checker.mistakes]
        if recipe is not None and draft.section is not None:
            variants.append(Variant(draft.section, draft.changed, recipe))
    return Compare(section, tuple(variants))


def read_header(checker: Checker) -> RecipeHeader | None:
    """Check the keys at the top; None where they are wrong."""
    data: Mapping[str, Any] = checker.text.data
    return checker.settings(RecipeHeader, {key: data[key] for key in ("name", "seed") if key in data}, ())


def _teacher(checker: Checker) -> tuple[Choice[TeacherSection] | None, Config | None]:
    """Check `[teacher]` and, where it is to be trained first, `[teacher.train]`."""
    teacher = checker.one("teacher", TeacherSection)
    if teacher is None or teacher.section.train is None:
        return teacher, None
    record = teacher.record
    if record.training is None:
        checker.mistake(("teacher", "train"), f"{record.name} cannot be trained{trainable_teachers(checker)}")
        return teacher, None
    owner = f"{record.name} ({record.package})"
    training = checker.settings(record.training, teacher.section.train, ("teacher", "train"), owner)
    if training is None:
        return teacher, None
    section = teacher.section.model_copy(update={"train": dump(training)})
    return replace(teacher, section=section), training


def trainable_teachers(checker: Checker) -> str:
    """Return `; stylegan2 can`: which teachers can be trained, for a message; empty where none can."""
    names = checker.plugins.names("teacher")
    able = [name for name in names if checker.plugins.get("teacher", name).training is not None]
    return f"; {', '.join(able)} can" if able else ""


def _stages(checker: Checker) -> tuple[Choice[StageSection], ...]:
    """Check `[[stages]]`: each once, and none that every run has anyway."""
    chosen = checker.many("stage", StageSection)
    of_every_run = {choice.record.name for choice in chosen if choice.record.every_run}
    written = checker.text.data.get("stages")
    tables = written if isinstance(written, list) else []
    names = [table.get("plugin") if isinstance(table, Mapping) else None for table in tables]
    for position, name in enumerate(names):
        if name in of_every_run:
            checker.mistake(("stages", position), f"every run has the stage {name}: leave this out")
        elif name is not None and name in names[:position]:
            checker.mistake(("stages", position), f"the stage {name} is chosen twice")
    return chosen


def _targets(checker: Checker) -> dict[str, TargetSection]:
    """Check `[targets]`: numbers by dotted name, each with its goal."""
    data = checker.text.data.get("targets", {})
    if not isinstance(data, Mapping):
        checker.mistake(("targets",), f"expected a table, got {shown(data)}")
        return {}
    found = {}
    for path, goal in find_targets(data):
        name = ".".join(map(str, path))
        if name in found:
            checker.mistake(("targets", *path), "this number has two goals")
        target = checker.settings(TargetSection, goal, ("targets", *path))
        if target is not None:
            found[name] = target
    return found


def raise_mistakes(checker: Checker) -> None:
    """Raise what was found wrong with a recipe, if anything was.

    Raises:
        RecipeError: with every mistake.
    """
    if checker.mistakes:
        raise RecipeError(checker.text.file, checker.mistakes)
