"""What each kind of plugin promises, a module a kind; a property is a function whose name and docstring say what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gdp.core.records import KINDS, Kind, PlainKind
from gdp.testing.properties import (
    aligners,
    commands,
    costs,
    datasets,
    directions,
    engines,
    evaluators,
    executors,
    filters,
    losses,
    pair_sources,
    record,
    stages,
    students,
    surroundings,
    teachers,
    trackers,
)

Check = Callable[[Any], None]
"""Takes the `Subject`, of a kind without settings the `PlainSubject`."""


@dataclass(frozen=True)
class Property:
    """One thing that a kind promises."""

    name: str
    about: str
    check: Check
    of_record: bool
    """Whether the light record alone tells."""


@dataclass(frozen=True)
class _Promises:
    """What a kind promises: how to let a plugin work, and the kind's own checks."""

    exercise: surroundings.Exercise
    checks: Sequence[Check]


_OF_KIND: Mapping[str, _Promises] = {
    "teacher": _Promises(teachers.exercise, teachers.PROPERTIES),
    "pair-source": _Promises(pair_sources.exercise, pair_sources.PROPERTIES),
    "filter": _Promises(filters.exercise, filters.PROPERTIES),
    "student": _Promises(students.exercise, students.PROPERTIES),
    "loss": _Promises(losses.exercise, losses.PROPERTIES),
    "evaluator": _Promises(evaluators.exercise, evaluators.PROPERTIES),
    "dataset": _Promises(datasets.exercise, datasets.PROPERTIES),
    "stage": _Promises(stages.exercise, stages.PROPERTIES),
    "direction-method": _Promises(directions.exercise, directions.PROPERTIES),
    "engine": _Promises(engines.exercise, engines.PROPERTIES),
    "aligner": _Promises(aligners.exercise, aligners.PROPERTIES),
    "tracker": _Promises(trackers.exercise, trackers.PROPERTIES),
}

_OF_PLAIN_KIND: Mapping[str, Sequence[Check]] = {
    "executor": executors.PROPERTIES,
    "command": commands.PROPERTIES,
}
"""What kinds without settings promise."""


def properties_of(kind: Kind | PlainKind) -> list[Property]:
    """Return the properties of a kind: those of its record first.

    Raises:
        ValueError: there is no such kind.
    """
    if kind in _OF_PLAIN_KIND:
        return [
            *(_named(check, check, of_record=True) for check in record.PLAIN_PROPERTIES),
            *(_named(check, check) for check in _OF_PLAIN_KIND[kind]),
        ]
    if kind not in _OF_KIND:
        known = ", ".join((*KINDS, *_OF_PLAIN_KIND))
        raise ValueError(f"no kind of plugin is called {kind!r}; the kinds are {known}")
    promises = _OF_KIND[kind]
    foretold = costs.FORETOLD if kind in ("filter", "pair-source") else ()
    general = (*surroundings.PROPERTIES, *costs.PROPERTIES, *foretold)
    around = [_named(check, partial(check, exercise=promises.exercise)) for check in general]
    return [
        *(_named(check, check, of_record=True) for check in record.PROPERTIES),
        *around,
        *(_named(check, check) for check in promises.checks),
    ]


def _named(function: Callable[..., None], check: Check, *, of_record: bool = False) -> Property:
    about = (function.__doc__ or "").strip().splitlines()[0].removesuffix(".")
    return Property(function.__name__.replace("_", "-"), about, check, of_record)
