"""`[compare]` of a recipe: each variant is the recipe's data with changes, checked as a recipe of its own.

A variant's mistakes stand where the user wrote them: in the variant, or in the section that it leaves as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gdp.core.recipe.choices import LISTED_KINDS, SECTION_KEYS, Checker
from gdp.core.recipe.messages import did_you_mean, recipe_keys, shown
from gdp.core.recipe.sections import CompareSection, VariantSection
from gdp.core.recipe.text import KeyPath

CHANGEABLE = ("teacher", "dataset", "pairs", "filters", "student", "losses", "train")
"""Sections that a variant may change; name, seed, evaluators and targets are those of the whole comparison."""
LISTED = frozenset(SECTION_KEYS[kind] for kind in LISTED_KINDS)


@dataclass(frozen=True)
class Draft:
    """A variant as it is written, and a checker of the recipe that it makes."""

    section: VariantSection | None
    """None where its name or its list of losses is wrong."""
    changed: tuple[str, ...]
    """Sections that `change` names, in the order of a recipe."""
    checker: Checker


def slug(name: str) -> str:
    """Return a variant's name as part of a folder's name: `without feature-l2` -> `without-feature-l2`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def read_compare(checker: Checker) -> tuple[CompareSection, list[Draft]] | None:
    """Check `[compare]` but for the recipes that its variants make; None where there is none or it is wrong."""
    data = checker.text.data.get("compare")
    if data is None:
        return None
    if not isinstance(data, Mapping):
        checker.mistake(("compare",), f"expected a table, got {shown(data)}")
        return None
    known = recipe_keys(CompareSection)
    section = checker.settings(CompareSection, {key: data[key] for key in data if key != "variants"}, ("compare",))
    entries = data.get("variants", [])
    if not isinstance(entries, list):
        checker.mistake(("compare", "variants"), "write [[compare.variants]] with double brackets")
        return None
    if section is None:
        section = CompareSection.model_construct(**{key: known[key].default for key in known})
    drafts = [_draft(checker, entry, ("compare", "variants", number)) for number, entry in enumerate(entries)]
    _check_names(checker, section, drafts)
    if not entries and section.seeds == 1:
        checker.mistake(("compare",), "nothing to compare: add [[compare.variants]], or seeds above 1")
    return section, [draft for draft in drafts if draft is not None]


def _check_names(checker: Checker, section: CompareSection, drafts: Sequence[Draft | None]) -> None:
    taken = {slug(section.unchanged): "the recipe as it is (compare.unchanged)"}
    for number, draft in enumerate(drafts):
        if draft is None or draft.section is None:
            continue
        name = draft.section.name
        if slug(name) in taken:
            whose = taken[slug(name)]
            checker.mistake(("compare", "variants", number, "name"), f"{shown(name)} is the name of {whose} already")
        taken[slug(name)] = "another variant"


def _draft(checker: Checker, data: Any, path: KeyPath) -> Draft | None:
    if not isinstance(data, Mapping):
        checker.mistake(path, f"expected a table, got {shown(data)}")
        return None
    section = checker.settings(VariantSection, {key: data[key] for key in data if key != "change"}, path)
    change = data.get("change", {})
    if not isinstance(change, Mapping):
        checker.mistake((*path, "change"), f"expected a table of sections, got {shown(change)}")
        change = {}
    for key in change:
        if key not in CHANGEABLE:
            checker.mistake((*path, "change", key), f"a variant cannot change this{did_you_mean(key, CHANGEABLE)}")
    losses, positions = _losses(checker, section.without if section else (), change, path)
    if section is not None and not data.get("change") and not section.without:
        checker.mistake(path, "changes nothing: take losses out with without = [...], or change sections with change")
    changes = {key: change[key] for key in CHANGEABLE if key in change}
    base = checker.text.data
    merged = {**base, **losses, **{key: _merged(key, base.get(key), value) for key, value in changes.items()}}
    placed = _Places(base, changes, (*path, "change"), positions)
    inner = replace(checker, text=replace(checker.text, data=merged), mistakes=[], place=placed)
    return Draft(section, tuple(changes), inner)


def _losses(
    checker: Checker, without: Sequence[str], change: Mapping[str, Any], path: KeyPath
) -> tuple[dict[str, Any], list[int]]:
    """Take losses out; return the section that is left, and where each of its entries stands in the recipe."""
    written = checker.text.data.get("losses")
    if not without or not isinstance(written, list):
        return {}, []
    if "losses" in change:
        checker.mistake((*path, "without"), "change.losses gives the whole list already: leave out what is not wanted")
        return {}, []
    names = [str(entry.get("plugin")) if isinstance(entry, Mapping) else "" for entry in written]
    for number, name in enumerate(without):
        if name not in names:
            there = did_you_mean(name, {name for name in names if name})
            checker.mistake((*path, "without", number), f"the recipe has no loss {shown(name)}{there}")
    positions = [number for number, name in enumerate(names) if name not in without]
    if not positions:
        checker.mistake((*path, "without"), "takes every loss out; a student learns nothing without one")
        return {}, []
    return {"losses": [written[number] for number in positions]}, positions


def _merged(key: str, before: Any, change: Any) -> Any:
    """Merge a change over a section; one that names a plugin, and any array, takes its place."""
    return change if _replaces(key, change) or not isinstance(before, Mapping) else _overlaid(before, change)


def _replaces(key: str, change: Any) -> bool:
    return key in LISTED or not isinstance(change, Mapping) or "plugin" in change


def _overlaid(before: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(before)
    for key, value in change.items():
        inner = both.get(key)
        both[key] = _overlaid(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return both


@dataclass(frozen=True)
class _Places:
    """Tells where in the file a key of a variant's recipe stands."""

    base: Mapping[str, Any]
    changes: Mapping[str, Any]
    path: KeyPath
    """Of the changes."""
    losses: Sequence[int]
    """Of each loss that is left, its number in the recipe; empty where none was taken out."""

    def __call__(self, path: KeyPath) -> KeyPath:
        match path:
            case ("losses", int(number), *rest) if self.losses:
                return ("losses", self.losses[number], *rest)
            case (str(key), *_) if key in self.changes:
                untouched = len(path) > 1 and _is_in(self.base, path) and not _is_in(self.changes, path)
                if _replaces(key, self.changes[key]) or not untouched:
                    return (*self.path, *path)
        return path


def _is_in(data: Any, path: KeyPath) -> bool:
    for part in path:
        if isinstance(data, list):
            data = dict(enumerate(data))
        if not isinstance(data, Mapping) or part not in data:
            return False
        data = data[part]
    return True
