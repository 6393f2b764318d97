"""Overrides on the command line: `--set train.steps=200`, `--set filters[0].min_age=21`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from gdp.core.errors import GdpError, Mistake, is_text, printable
from gdp.core.recipe.text import DEEPEST_NESTING, KeyPath, format_path

_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRUCTURED = ('"', "'", "[", "{")


Overrides = str | Sequence[str] | Mapping[str, Any]
"""From Python: `KEY=VALUE`, several of them, or values by key, as `{"train.steps": 5}` or `{"train": {"steps": 5}}`."""


class _OverrideMistakeError(Exception):
    """An override cannot be applied; the message says why."""


def written_overrides(given: Overrides) -> list[str]:
    """Return what was given from Python as it is written on the command line: a `KEY=VALUE` each.

    Raises:
        GdpError: it is none of `Overrides`.
    """
    if isinstance(given, str):
        return [given]
    if isinstance(given, Mapping):
        return [f"{key}={_as_toml(key, value)}" for key, value in _leaves(given)]
    if isinstance(given, Sequence) and all(isinstance(each, str) for each in given):
        return list(given)
    raise GdpError(f'overrides={given!r:.100}: write "train.steps=5", a list of such, or {{"train.steps": 5}}')


def _leaves(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _as_toml(key: str, value: Any) -> str:
    """Return a value as TOML; nothing for None, which takes the key out."""
    import tomlkit

    try:
        return "" if value is None else tomlkit.item(str(value) if isinstance(value, PurePath) else value).as_string()
    except (ValueError, TypeError) as error:
        raise GdpError(f"overrides: {key} cannot be {type(value).__name__} {value!r:.60}") from error


def apply_overrides(data: dict[str, Any], overrides: Sequence[str]) -> tuple[frozenset[KeyPath], list[Mistake]]:
    """Write `KEY=VALUE` overrides into a recipe's data, in place.

    Values are TOML (`3`, `0.5`, `true`, `"text"`, `[1, 2]`); a bare word is text. An empty value takes the key out.
    An array grows by one when its length is given as the index.

    Returns:
        The paths that were written, and the mistakes of the overrides that could not be applied.
    """
    written: set[KeyPath] = set()
    mistakes: list[Mistake] = []
    for override in overrides:
        key, equals, value = override.partition("=")
        try:
            if not is_text(override):
                raise _OverrideMistakeError("this is not UTF-8 text; a file of such a name has to be renamed")
            if not equals:
                raise _OverrideMistakeError("write it as KEY=VALUE, such as train.steps=200")
            path = _parse_key(key.strip())
            _write(data, path, value.strip())
            written.add(path)
        except _OverrideMistakeError as error:
            mistakes.append(Mistake(f"--set {printable(key)}", str(error)))
    return frozenset(written), mistakes


def _parse_key(key: str) -> KeyPath:
    parts = key.replace("[", ".").replace("]", "").split(".")
    if not all(_KEY.fullmatch(part) for part in parts) or not parts:
        raise _OverrideMistakeError("this is no key; write it like train.steps or filters[0].min_age")
    if len(parts) > DEEPEST_NESTING:
        raise _OverrideMistakeError(f"no key of a recipe has more than {DEEPEST_NESTING} parts")
    return tuple(int(part) if part.isascii() and part.isdigit() and len(part) < 10 else part for part in parts)


def _parse_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        parsed = {}
    if set(parsed) == {"value"}:
        return parsed["value"]
    if text.startswith(_STRUCTURED):
        raise _OverrideMistakeError("the value begins like a TOML string, array or table and is none")
    return text


def _write(data: dict[str, Any], path: KeyPath, text: str) -> None:
    container: Any = data
    for position, part in enumerate(path[:-1]):
        container = _enter(container, path, position, part)
    last, here = path[-1], format_path(path[:-1])
    if isinstance(container, list):
        index = _index(container, last, here)
        if not text:
            del container[index : index + 1]
        else:
            container[index : index + 1] = [_parse_value(text)]
    elif isinstance(container, dict):
        if text:
            container[str(last)] = _parse_value(text)
        else:
            container.pop(str(last), None)
    else:
        raise _no_table(here, last)


def _enter(container: Any, path: KeyPath, position: int, part: str | int) -> Any:
    """Step into one part of the path, making the table or array that is not there yet."""
    fresh: Any = [] if isinstance(path[position + 1], int) else {}
    here = format_path(path[:position])
    if isinstance(container, list):
        index = _index(container, part, here)
        if index == len(container):
            container.append(fresh)
        return container[index]
    if isinstance(container, dict):
        return container.setdefault(str(part), fresh)
    raise _no_table(here, part)


def _no_table(here: str, part: str | int) -> _OverrideMistakeError:
    return _OverrideMistakeError(
        f"{here} holds a value, not a table; to put a table there write --set '{here}={{ {part} = VALUE }}'"
    )


def _index(array: list[Any], part: str | int, here: str) -> int:
    if not isinstance(part, int):
        raise _OverrideMistakeError(f"{here} is an array: give the number of the entry, such as {here}[0].{part}")
    if part > len(array):
        raise _OverrideMistakeError(
            f"{here} has {len(array)} entries, counted from 0; the next new one is {here}[{len(array)}]"
        )
    return part
