"""Valid recipes, as the rest of gdp sees them; `gdp.core.recipe.reading` reads them from files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from gdp.core.config import Config
from gdp.core.recipe.choices import Choice, dump, resolved_text
from gdp.core.recipe.sections import (
    CompareSection,
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
    VariantSection,
    nested_targets,
)


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
    teacher_training: Config | None
    """How the teacher is trained first (`[teacher.train]`); None where its weights are there."""
    dataset: Choice[DatasetSection] | None
    """Pictures that the teacher translates; None where the pair source needs none."""
    pairs: Choice[PairsSection]
    filters: tuple[Choice[FilterSection], ...]
    student: Choice[StudentSection]
    losses: tuple[Choice[LossSection], ...]
    train: TrainSection
    evaluators: tuple[Choice[EvaluatorSection], ...]
    stages: tuple[Choice[StageSection], ...] = ()
    """Further steps of the run, from plugins."""
    targets: Mapping[str, TargetSection] = field(default_factory=dict)
    """Goals of measured numbers, by dotted name."""
    limits: LimitsSection = field(default_factory=LimitsSection)
    """What of the machine the run may take; no content key has it."""
    compare: Compare | None = None
    """The variants that are trained and measured beside it."""
    path: Path | None = None
    """The file it was read from, absolute."""

    def choices(self) -> list[Choice[Any]]:
        """Return every plugin that the recipe and its variants choose, in the order of their work, each choice once."""
        variants = self.compare.variants if self.compare is not None else ()
        found: list[Choice[Any]] = []
        for each in (self, *(variant.recipe for variant in variants)):
            chosen = [each.teacher, each.dataset, each.pairs, *each.filters, each.student, *each.losses]
            found += [choice for choice in chosen if choice is not None and (each is self or choice not in found)]
            found += [choice for choice in (*each.evaluators, *each.stages) if each is self or choice not in found]
        return found

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
            **({"limits": dump(self.limits)} if self.limits.memory is not None else {}),
            **({"targets": goals} if goals else {}),
            **({"compare": self.compare.to_data()} if self.compare is not None else {}),
            "filters": [choice.to_data() for choice in self.filters],
            "losses": [choice.to_data() for choice in self.losses],
            "evaluators": [choice.to_data() for choice in self.evaluators],
            **({"stages": [choice.to_data() for choice in self.stages]} if self.stages else {}),
        }

    def to_toml(self) -> str:
        """Return the resolved recipe as TOML that loads to an equal recipe from any folder."""
        return resolved_text(self.to_data(), "Resolved by gdp: every default written out, paths absolute.")


@dataclass(frozen=True)
class Variant:
    """A recipe that differs from the one that it is compared with."""

    section: VariantSection
    changed: tuple[str, ...]
    """Sections that differ, apart from losses that were only taken out."""
    recipe: Recipe
    """What is trained; its own `compare` is None."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.section.name

    def to_data(self) -> dict[str, Any]:
        """Return the variant as plain data, its changed sections whole."""
        whole = self.recipe.to_data()
        return {**dump(self.section), "change": {name: whole[name] for name in self.changed}}


@dataclass(frozen=True)
class Compare:
    """What a run compares the recipe with."""

    section: CompareSection
    variants: tuple[Variant, ...]

    def to_data(self) -> dict[str, Any]:
        """Return the comparison as plain data, every default written out."""
        return {**dump(self.section), "variants": [variant.to_data() for variant in self.variants]}
