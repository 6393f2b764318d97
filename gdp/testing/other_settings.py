"""Other settings than those that a check was given, one changed at a time: what depends on which shows so."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args, get_origin

from gdp.core.recipe.choices import Choice
from gdp.support.services.settings import ServiceConfig
from gdp.testing.subject import Subject

_EACH = 2
"""Other values of a setting that are tried at most."""


def other_choices(subject: Subject) -> Iterator[tuple[str, object, Choice[Any]]]:
    """Yield (setting, its other value, the section) for every setting that can be varied without knowing its meaning.

    Switches, numbers and words from a list are varied; paths, addresses, free text, and how fast and for how much a
    service is asked are not.
    """
    pace = ServiceConfig.model_fields.keys() - {"of", "enlarge_to"} if isinstance(subject.config, ServiceConfig) else ()
    model, given = type(subject.config), subject.config.model_dump()
    for name, field in model.model_fields.items():
        if name in pace:
            continue
        key, found = field.alias or name, 0
        for value in _others(given[name], field.annotation):
            choice, mistakes = subject.choose({**subject.settings, key: value})
            if mistakes or choice is None or choice.config == subject.config:
                continue
            yield name, value, choice
            found += 1
            if found == _EACH:
                break


def _others(value: object, annotation: Any) -> Iterator[object]:
    """Yield values that may stand in the place of one."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float) and not isinstance(value, Enum):
        yield from (value * 2, value / 2, value + 1, value - 1, value * 0.9 + 0.05)
    yield from (word for word in _words(annotation) if word != value)
    if value is None:
        yield from (1, 0.5, 100)


def _words(annotation: Any) -> Iterator[object]:
    """Yield what a `Literal` allows, within unions, too."""
    for part in get_args(annotation):
        if get_origin(part) is None and isinstance(part, str):
            yield part
        elif get_args(part):
            yield from _words(part)
