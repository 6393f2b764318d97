"""What happens to a section's values before and after the plugin's own model sees them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gdp.core.errors import is_text, printable
from gdp.core.recipe.messages import flatten, recipe_keys
from gdp.core.recipe.text import KeyPath

_ENVIRONMENT_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_NOT_A_FILE = ("builtin:", "http://", "https://")

Report = Callable[[KeyPath, str], None]


def prepare(model: type[BaseModel], data: Mapping[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Resolve `Path` fields against the recipe's folder and check the names of environment variables.

    Strings that begin with `builtin:`, `http://` or `https://` name no file and stay as they are.

    Args:
        model: the section's or the plugin's settings model.
        data: the section's table.
        folder: the recipe's folder, absolute.
        report: receives (path inside the section, message) for every mistake.
    """
    prepared = dict(data)
    for key, field in recipe_keys(model).items():
        if key not in data:
            if isinstance(field.default, PurePath) and not field.default.is_absolute():
                prepared[key] = _resolve_path(str(field.default), folder, (key,), report)
            continue
        if is_environment_name(field) and not _names_a_variable(data[key]):
            report(
                (key,),
                "expected the NAME of an environment variable that holds the key (capitals, digits and _), never the "
                "key itself; take it out of the recipe if it is one",
            )
            del prepared[key]
            continue
        prepared[key] = _prepare_value(field.annotation, data[key], folder, (key,), report)
    return prepared


def paths_in(value: Any) -> Iterator[tuple[KeyPath, Path]]:
    """Yield the paths in a plugin's settings as plain data, each with its place."""
    if isinstance(value, Path):
        yield (), value
    elif isinstance(value, Mapping | list | tuple):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            for path, found in paths_in(item):
                yield (key, *path), found


def is_environment_name(field: FieldInfo) -> bool:
    """Tell whether a setting takes an environment variable's name: `json_schema_extra={"environment": True}`."""
    return isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("environment") is True


def _names_a_variable(value: object) -> bool:
    return isinstance(value, str) and _ENVIRONMENT_NAME.fullmatch(value) is not None


def _prepare_value(annotation: Any, value: Any, folder: Path, path: KeyPath, report: Report) -> Any:
    for member in flatten(annotation):
        if isinstance(value, str) and isinstance(member, type) and issubclass(member, PurePath):
            return _resolve_path(value, folder, path, report)
        if isinstance(value, dict) and isinstance(member, type) and issubclass(member, BaseModel):
            return prepare(member, value, folder, lambda inner, message: report((*path, *inner), message))
        arguments = get_args(member)
        if isinstance(value, dict) and len(arguments) == 2:
            items = value.items()
            return {key: _prepare_value(arguments[1], item, folder, (*path, key), report) for key, item in items}
        if isinstance(value, list) and arguments and not isinstance(arguments[0], str):
            last = len(arguments) - 1 if Ellipsis not in arguments else 0
            return [
                _prepare_value(arguments[min(position, last)], item, folder, (*path, position), report)
                for position, item in enumerate(value)
            ]
    return value


def _resolve_path(value: str, folder: Path, path: KeyPath, report: Report) -> str | Path:
    if value.startswith(_NOT_A_FILE):
        return value
    if "\0" in value:
        report(path, "a path cannot contain the character NUL")
        return value.replace("\0", "")
    # Not Path.resolve(): a link in the recipe is meant as a link, and nothing has to exist yet.
    found = os.path.abspath(folder / os.path.expanduser(value))  # noqa: PTH100, PTH111 # pathlib's raise or resolve
    if not is_text(found):  # it is written down, in TOML and in JSON
        report(path, f"{printable(found)}: a folder on the way has a name that is not UTF-8 text; rename it")
    return Path(found)


def loose_conversions(given: Any, taken: Any) -> list[tuple[KeyPath, str]]:
    """Find values that pydantic took for another type than TOML wrote (`steps = "200"`, `weight = true`), and nan."""
    if isinstance(given, Mapping) and isinstance(taken, Mapping):
        pairs: list[tuple[str | int, Any, Any]] = [(key, given[key], taken[key]) for key in given if key in taken]
    elif isinstance(given, list) and isinstance(taken, list | tuple):
        pairs = [(position, *items) for position, items in enumerate(zip(given, taken, strict=False))]
    else:
        return []
    found: list[tuple[KeyPath, str]] = []
    for key, before, after in pairs:
        if isinstance(after, bool) and isinstance(before, str | int) and not isinstance(before, bool):
            found.append(((key,), "expected true or false, without quotes"))
        elif isinstance(after, int | float) and not isinstance(after, bool) and _is_disguised_number(before):
            found.append(((key,), "expected a number, without quotes"))
        elif isinstance(after, float) and not math.isfinite(after):
            found.append(((key,), "must be a finite number"))
        else:
            found += [((key, *path), message) for path, message in loose_conversions(before, after)]
    return found


def _is_disguised_number(value: object) -> bool:
    if isinstance(value, bool):
        return True
    if not isinstance(value, str):
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True
