"""Plain words for what pydantic has to say about a recipe."""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gdp.core.config import described_fields
from gdp.core.errors import UsageError, printable
from gdp.core.recipe.text import KeyPath

_LONGEST_ECHO = 60

_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text in quotes",
    "path_type": "a path in quotes",
    "list_type": "an array",
    "tuple_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("greater than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def shown(value: object) -> str:
    """Echo a value of the recipe: short, on one line, without characters that a terminal would act on."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "an array"
    try:
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
    except ValueError:
        return "a number of thousands of digits"
    return printable(text if len(text) <= _LONGEST_ECHO else text[: _LONGEST_ECHO - 1] + "…")


MOST_TOLD = 50
"""Mistakes of one table: who makes more has taken another file, and each costs a look for names that are like it."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean min_age?` where a known word is close, else the list of what there is."""
    names = sorted(known)
    close = get_close_matches(word, names, n=1, cutoff=0.55)
    if close:
        return f", did you mean {close[0]}?"
    return f"; there is {', '.join(names)}" if names else ""


def is_secret_name(name: str) -> bool:
    """Tell whether a setting's value is better never echoed."""
    return any(word in name.lower() for word in ("key", "token", "secret", "password", "credential"))


def recipe_keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the model's fields under the keys that a recipe writes (an alias where there is one)."""
    return {field.alias or name: field for name, field in described_fields(model).items()}


def flatten(annotation: Any) -> Iterator[Any]:
    """Yield the members of unions and the insides of `Annotated`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from flatten(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from flatten(member)
    else:
        yield annotation


def explain(error: ValidationError, model: type[BaseModel], data: object) -> list[tuple[KeyPath, str]]:
    """Turn a validation error into (path inside the section, message), one for each wrong key, up to `MOST_TOLD`."""
    messages: dict[KeyPath, list[str]] = {}
    for details in error.errors(include_url=False)[:MOST_TOLD]:
        path = _recipe_path(details, data)
        text = _message(details, path, model)
        if text not in messages.setdefault(path, []):
            messages[path].append(text)
    # A union tries each of its members: where one speaks of a table's inside, the others' word on the table is noise.
    above = {path[:length] for path in messages for length in range(1, len(path))}
    found = [(path, ", or ".join(texts)) for path, texts in messages.items() if path not in above]
    more = error.error_count() - MOST_TOLD
    return found if more <= 0 else [*found, ((), f"{more:,} more mistakes")]


def _recipe_path(details: ErrorDetails, data: object) -> KeyPath:
    """Drop what pydantic adds to a location (members of unions, validators): keep what the recipe holds."""
    path: KeyPath = ()
    value = data
    location = details["loc"]
    for position, part in enumerate(location):
        if isinstance(value, list | tuple):
            value = dict(enumerate(value))
        if isinstance(value, Mapping) and part in value:
            path, value = (*path, part), value[part]
        elif details["type"] == "missing" and position == len(location) - 1:
            path = (*path, part)
    return path


def _message(details: ErrorDetails, path: KeyPath, model: type[BaseModel]) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "missing":
        return f"missing{_help(path, model)}"
    if kind == "extra_forbidden":
        return f"unknown key{did_you_mean(str(path[-1]) if path else '', _siblings(path, model))}"
    if kind in ("value_error", "assertion_error"):
        return printable(str(context.get("error", details["msg"])) or "refused by its check")
    if kind in _EXPECTED:
        text = f"expected {_EXPECTED[kind]}"
    elif kind in _LIMITS:
        words, limit = _LIMITS[kind]
        text = f"must be {words} {context.get(limit)}"
    elif kind == "literal_error":
        text = "must be " + str(context.get("expected", "")).replace("'", '"')
    else:
        text = printable(details["msg"][:1].lower() + details["msg"][1:])
    return text if any(is_secret_name(str(part)) for part in path) else f"{text}, got {shown(details['input'])}"


def _help(path: KeyPath, model: type[BaseModel]) -> str:
    for parent in _models_at(path[:-1], model):
        field = recipe_keys(parent).get(str(path[-1])) if path else None
        if field is not None and field.description:
            return f": {printable(field.description.strip())}"
    return "; this key is required"


def _siblings(path: KeyPath, model: type[BaseModel]) -> set[str]:
    return {key for parent in _models_at(path[:-1], model) for key in recipe_keys(parent)}


def _models_at(path: KeyPath, model: type[BaseModel]) -> list[type[BaseModel]]:
    """Find the models that may stand at a path inside a section."""
    annotations: list[Any] = [model]
    for part in path:
        inner: list[Any] = []
        for annotation in annotations:
            if isinstance(part, int):
                inner += [member for argument in get_args(annotation) for member in flatten(argument)]
            elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
                field = recipe_keys(annotation).get(part)
                inner += list(flatten(field.annotation)) if field is not None else []
            else:
                inner += [member for argument in get_args(annotation)[1:] for member in flatten(argument)]
        annotations = inner
    return [
        annotation for annotation in annotations if isinstance(annotation, type) and issubclass(annotation, BaseModel)
    ]


def require_stage(names: Sequence[str], name: str | None, option: str) -> None:
    """Make sure that a stage that a user named by an option is there; None for no name.

    Raises:
        UsageError: it is not among these names; the message says which there are.
    """
    if name is not None and name not in names:
        close = did_you_mean(name, names).partition(";")[0]
        raise UsageError(f"{option} {name}: there is no such stage{close}; there is {', '.join(names)}")
