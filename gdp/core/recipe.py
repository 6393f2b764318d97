"""Recipes: TOML files that name plugins and their settings, checked whole before anything runs.

`load_recipe` and `load_teacher_recipe` find every mistake of a file at once, each with its line. Relative paths are
resolved against the recipe's folder. Which plugins there are is asked of a `PluginLookup`, so core knows none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from gdp.core.config import Config
from gdp.core.errors import Mistake, RecipeError
from gdp.core.recipe_choices import Checker, Choice, PluginLookup, dump, resolved_text
from gdp.core.recipe_messages import shown
from gdp.core.recipe_overrides import apply_overrides
from gdp.core.recipe_text import DEEPEST_NESTING, nesting, read_recipe_text
from gdp.core.records import PluginRecord
from gdp.core.settings import (
    DatasetSection,
    EvaluatorSection,
    FilterSection,
    LossSection,
    PairsSection,
    StudentSection,
    TargetSection,
    TeacherSection,
    TrainSection,
)
from gdp.core.targets import find_targets, nested_targets

__all__ = ["Choice", "PluginLookup", "Recipe", "RecipeHeader", "TeacherRecipe", "load_recipe", "load_teacher_recipe"]

RUN_KEYS = (
    *("name", "seed", "teacher", "dataset", "pairs", "filters", "student", "losses", "train", "evaluators"),
    "targets",
)
"""What a recipe of `gdp run` may hold at the top."""
TEACHER_KEYS = ("name", "seed", "teacher", "dataset", "train")
"""What a recipe of `gdp train-teacher` may hold at the top."""


class RecipeHeader(Config):
    """The keys at the top of every recipe."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    """Name of the run and of its folder: letters, digits, `.`, `_` and `-`."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Everything random derives from it."""


@dataclass(frozen=True)
class Recipe:
    """A valid recipe of `gdp run`."""

    name: str
    seed: int
    teacher: Choice[TeacherSection] | None
    """None where the pairs exist already."""
    dataset: Choice[DatasetSection] | None
    """Pictures that the teacher translates; None where the pair source needs none."""
    pairs: Choice[PairsSection]
    filters: tuple[Choice[FilterSection], ...]
    student: Choice[StudentSection]
    losses: tuple[Choice[LossSection], ...]
    train: TrainSection
    evaluators: tuple[Choice[EvaluatorSection], ...]
    targets: Mapping[str, TargetSection] = field(default_factory=dict)
    """Goals of measured numbers, by dotted name."""
    path: Path | None = None
    """The file it was read from, absolute."""

    def to_data(self) -> dict[str, Any]:
        """Return the resolved recipe as plain data: every default written out, paths absolute."""
        teacher = {"teacher": self.teacher.to_data()} if self.teacher is not None else {}
        dataset = {"dataset": self.dataset.to_data()} if self.dataset is not None else {}
        goals = nested_targets({name: dump(target) for name, target in self.targets.items()})
        return {
            "name": self.name,
            "seed": self.seed,
            **teacher,
            **dataset,
            "pairs": self.pairs.to_data(),
            "student": self.student.to_data(),
            "train": dump(self.train),
            **({"targets": goals} if goals else {}),
            "filters": [choice.to_data() for choice in self.filters],
            "losses": [choice.to_data() for choice in self.losses],
            "evaluators": [choice.to_data() for choice in self.evaluators],
        }

    def to_toml(self) -> str:
        """Return the resolved recipe as TOML that loads to an equal recipe from any folder."""
        return resolved_text(self.to_data(), "Resolved by gdp: every default written out, paths absolute.")


@dataclass(frozen=True)
class TeacherRecipe:
    """A valid recipe of `gdp train-teacher`."""

    name: str
    seed: int
    teacher: PluginRecord
    """The plugin that is trained; its `training` model checked `[train]`."""
    dataset: Choice[DatasetSection]
    train: Config
    path: Path | None = None
    """The file it was read from, absolute."""

    def to_data(self) -> dict[str, Any]:
        """Return the resolved recipe as plain data: every default written out, paths absolute."""
        return {
            "name": self.name,
            "seed": self.seed,
            "teacher": {"plugin": self.teacher.name},
            "dataset": self.dataset.to_data(),
            "train": dump(self.train),
        }

    def to_toml(self) -> str:
        """Return the resolved recipe as TOML that loads to an equal recipe from any folder."""
        return resolved_text(self.to_data(), "Resolved by gdp: every default written out, paths absolute.")


def load_recipe(path: Path, plugins: PluginLookup, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe of `gdp run`.

    Args:
        path: the TOML file.
        plugins: what is installed.
        overrides: `KEY=VALUE` as of `--set`, such as `train.steps=200` or `filters[0].min_age=21`.

    Raises:
        RecipeError: with every mistake of the file and of the overrides.
    """
    checker = _open(path, plugins, overrides)
    checker.top_level(RUN_KEYS, {})
    header = _header(checker)
    teacher = checker.one("teacher", TeacherSection)
    dataset = checker.one("dataset", DatasetSection)
    pairs = checker.one("pair-source", PairsSection, required="(who makes the pairs)")
    filters = checker.many("filter", FilterSection)
    student = checker.one("student", StudentSection, required="(the network to train)")
    losses = checker.many("loss", LossSection, required="(what the student is trained for)")
    evaluators = checker.many("evaluator", EvaluatorSection)
    train = checker.settings(TrainSection, checker.text.data.get("train", {}), ("train",))
    targets = _targets(checker)
    _raise_mistakes(checker)
    if header is None or pairs is None or student is None or train is None:
        raise AssertionError("a section without mistakes is there")
    return Recipe(
        name=header.name,
        seed=header.seed,
        teacher=teacher,
        dataset=dataset,
        pairs=pairs,
        filters=filters,
        student=student,
        losses=losses,
        train=train,
        evaluators=evaluators,
        targets=targets,
        path=_absolute(path),
    )


def load_teacher_recipe(path: Path, plugins: PluginLookup, overrides: Sequence[str] = ()) -> TeacherRecipe:
    """Read and check a recipe of `gdp train-teacher`.

    Args:
        path: the TOML file.
        plugins: what is installed.
        overrides: `KEY=VALUE` as of `--set`, such as `train.batch=8`.

    Raises:
        RecipeError: with every mistake of the file and of the overrides.
    """
    checker = _open(path, plugins, overrides)
    hint = "this section belongs to a recipe of gdp run, not to a teacher's training"
    checker.top_level(TEACHER_KEYS, dict.fromkeys(set(RUN_KEYS) - set(TEACHER_KEYS), hint))
    header = _header(checker)
    teacher = _trained_teacher(checker)
    dataset = checker.one("dataset", DatasetSection, required="(the pictures to train on)")
    train = None
    if teacher is not None and teacher.training is not None:
        owner = f"{teacher.name} ({teacher.package})"
        train = checker.settings(teacher.training, checker.text.data.get("train", {}), ("train",), owner)
    _raise_mistakes(checker)
    if header is None or teacher is None or dataset is None or train is None:
        raise AssertionError("a section without mistakes is there")
    return TeacherRecipe(header.name, header.seed, teacher, dataset, train, _absolute(path))


def is_teacher_recipe(path: Path, overrides: Sequence[str] = ()) -> bool:
    """Tell whether a file is a recipe of `gdp train-teacher`: it has a `[dataset]`.

    Raises:
        RecipeError: the file cannot be read or is not TOML.
    """
    data = read_recipe_text(path).data
    apply_overrides(data, overrides)
    return "dataset" in data and "student" not in data


def _open(path: Path, plugins: PluginLookup, overrides: Sequence[str]) -> Checker:
    text = read_recipe_text(path)
    written, mistakes = apply_overrides(text.data, overrides)
    if nesting(text.data) > DEEPEST_NESTING:
        raise RecipeError(text.file, [*mistakes, Mistake("--set", "nests tables deeper than any recipe needs")])
    checker = Checker(text, plugins, _absolute(path).parent, written)
    checker.mistakes += mistakes
    return checker


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _header(checker: Checker) -> RecipeHeader | None:
    data: Mapping[str, Any] = checker.text.data
    return checker.settings(RecipeHeader, {key: data[key] for key in ("name", "seed") if key in data}, ())


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


def _trained_teacher(checker: Checker) -> PluginRecord | None:
    """Check `[teacher]`, which names the plugin and holds nothing else: its training settings are `[train]`."""
    data = checker.text.data.get("teacher")
    if not isinstance(data, Mapping):
        checker.one("teacher", TeacherSection, required="(what to train)")
        return None
    for key in data:
        if key != "plugin":
            checker.mistake(("teacher", key), "unknown key: settings of a teacher's training belong into [train]")
    record = checker.record("teacher", data, ("teacher",))
    if record is not None and record.training is None:
        names = checker.plugins.names("teacher")
        able = [name for name in names if checker.plugins.get("teacher", name).training is not None]
        others = f"; {', '.join(able)} can" if able else ""
        checker.mistake(("teacher", "plugin"), f"{record.name} cannot be trained{others}")
        return None
    return record


def _raise_mistakes(checker: Checker) -> None:
    if checker.mistakes:
        raise RecipeError(checker.text.file, checker.mistakes)
