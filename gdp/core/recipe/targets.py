"""Goals for measured numbers: `[targets]` of a recipe, where the report finds what to hold a run against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gdp.core.recipe.text import KeyPath


def find_targets(tree: Mapping[str, Any], path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield the path of every number that `[targets]` names, with what is said of it.

    A table of tables only is a part of a name, as in metrics.json; anything else ends the name.
    """
    for key, value in tree.items():
        if isinstance(value, Mapping) and value and all(isinstance(inner, Mapping) for inner in value.values()):
            yield from find_targets(value, (*path, key))
        else:
            yield (*path, key), value


def nested_targets(targets: Mapping[str, Any]) -> dict[str, Any]:
    """Arrange what is said of each number, by dotted name, as `find_targets` reads it."""
    tree: dict[str, Any] = {}
    for name, target in targets.items():
        *parents, leaf = name.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = target
    return tree
