"""Recipes of `gdp train-teacher`: a teacher, the pictures it is trained on, and its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gdp.core.config import Config
from gdp.core.recipe.choices import Checker, Choice, dump, resolved_text
from gdp.core.recipe.overrides import apply_overrides
from gdp.core.recipe.reading import RUN_KEYS, absolute, open_recipe, raise_mistakes, read_header, trainable_teachers
from gdp.core.recipe.sections import DatasetSection, LimitsSection, TeacherSection
from gdp.core.recipe.text import read_recipe_text
from gdp.core.records import PluginRecord, Plugins
from gdp.tools.named_recipes import find_recipe

TEACHER_KEYS = ("name", "seed", "teacher", "dataset", "train", "limits")
"""What a recipe of `gdp train-teacher` may hold at the top."""


@dataclass(frozen=True)
class TeacherRecipe:
    """A valid recipe of `gdp train-teacher`."""

    name: str
    seed: int
    teacher: PluginRecord
    """The plugin that is trained; its `training` model checked `[train]`."""
    dataset: Choice[DatasetSection]
    train: Config
    limits: LimitsSection = field(default_factory=LimitsSection)
    """What of the machine the training may take."""
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
            **({"limits": dump(self.limits)} if self.limits.memory is not None else {}),
        }

    def to_toml(self) -> str:
        """Return the resolved recipe as TOML that loads to an equal recipe from any folder."""
        return resolved_text(self.to_data(), "Resolved by gdp: every default written out, paths absolute.")


def load_teacher_recipe(path: Path, plugins: Plugins, overrides: Sequence[str] = ()) -> TeacherRecipe:
    """Read and check a recipe of `gdp train-teacher`.

    Args:
        path: the TOML file, or the name of a recipe that comes with gdp.
        plugins: what is installed.
        overrides: `KEY=VALUE` as of `--set`, such as `train.batch=8`.

    Raises:
        RecipeError: with every mistake of the file and of the overrides.
    """
    place = find_recipe(path)
    checker = open_recipe(place.path, plugins, overrides, place.file)
    hint = "this section belongs to a recipe of gdp run, not to a teacher's training"
    checker.top_level(TEACHER_KEYS, dict.fromkeys(set(RUN_KEYS) - set(TEACHER_KEYS), hint))
    header = read_header(checker)
    teacher = _trained_teacher(checker)
    dataset = checker.one("dataset", DatasetSection, required="(the pictures to train on)")
    train = None
    if teacher is not None and teacher.training is not None:
        owner = f"{teacher.name} ({teacher.package})"
        train = checker.settings(teacher.training, checker.text.data.get("train", {}), ("train",), owner)
    limits = checker.settings(LimitsSection, checker.text.data.get("limits", {}), ("limits",))
    raise_mistakes(checker)
    if header is None or teacher is None or dataset is None or train is None or limits is None:
        raise AssertionError("a section without mistakes is there")
    return TeacherRecipe(header.name, header.seed, teacher, dataset, train, limits, absolute(place.path))


def is_teacher_recipe(path: Path, overrides: Sequence[str] = ()) -> bool:
    """Tell whether a file is a recipe of `gdp train-teacher`: it has a `[dataset]`.

    Raises:
        RecipeError: the file cannot be read or is not TOML.
    """
    data = read_recipe_text(*find_recipe(path)).data
    apply_overrides(data, overrides)
    return "dataset" in data and "student" not in data


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
        checker.mistake(("teacher", "plugin"), f"{record.name} cannot be trained{trainable_teachers(checker)}")
        return None
    return record
