"""Reading a recipe file: its text, its data, and the line on which every key stands."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from gdp.core.errors import Mistake, RecipeError, printable

LARGEST_RECIPE = 1_000_000
"""Bytes; a recipe is some kilobytes, so a larger file is not one."""

DEEPEST_NESTING = 32
"""Tables inside tables; deeper ones are no recipe and would exhaust the stack of whatever walks them."""

KeyPath = tuple[str | int, ...]

_DEEP_KEY = re.compile(r"(?<![\w\"'-])(?:[\w\"'-]+[ \t]*\.[ \t]*){200}")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def format_path(path: KeyPath) -> str:
    """Write a key's path as people read it: `filters[0].min_age`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else printable(json.dumps(part, ensure_ascii=False))
            text += f".{key}" if text else key
    return text


@dataclass(frozen=True)
class RecipeText:
    """A parsed recipe with the lines of its keys."""

    file: str
    """The file as the user named it, for messages."""
    data: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int | None:
        """Find the line of a key, or of the nearest table around it; None where the file has neither."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


def read_recipe_text(path: Path, file: Path | None = None) -> RecipeText:
    """Read and parse a recipe.

    Args:
        path: as the user named it.
        file: that holds the text, where it is another one.

    Raises:
        RecipeError: no such file, a folder, no permission, larger than 1 MB, not UTF-8, or not TOML.
    """
    text = _read_text(path, file or path)
    if _DEEP_KEY.search(text):  # each of its tables is walked to from the top
        raise _unreadable(path, "nested too deeply for a recipe")
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise _unreadable(path, "nested too deeply for a recipe") from None
    except ValueError as error:  # TOMLDecodeError, and integers of thousands of digits
        message, line = _split_line(str(error), text)
        raise _unreadable(path, f"this is not TOML: {message}", line) from None
    if nesting(data) > DEEPEST_NESTING:
        raise _unreadable(path, f"tables are nested deeper than {DEEPEST_NESTING}, which no recipe needs")
    return RecipeText(str(path), data, dict(_LineScanner(text.replace("\r\n", "\n")).scan()))


def _read_text(path: Path, holder: Path) -> str:
    try:
        with holder.open("rb") as file:
            content = file.read(LARGEST_RECIPE + 1)
    except FileNotFoundError:
        raise _unreadable(path, f"no such file{_similar_files(path)}") from None
    except IsADirectoryError:
        raise _unreadable(path, "this is a folder; name the recipe's TOML file in it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _unreadable(path, f"cannot be read ({reason})") from None
    if len(content) > LARGEST_RECIPE:
        raise _unreadable(path, f"larger than {LARGEST_RECIPE:,} bytes; this is no recipe")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, "not UTF-8 text; save the recipe as UTF-8", line) from None


def _unreadable(path: Path, message: str, line: int | None = None) -> RecipeError:
    return RecipeError(str(path), [Mistake("", message, line)])


def _similar_files(path: Path) -> str:
    try:
        names = sorted(candidate.name for candidate in path.parent.glob("*.toml"))
    except (OSError, ValueError):
        return ""
    close = get_close_matches(path.name, names, n=1, cutoff=0.75)
    return f", did you mean {path.parent / close[0]}?" if close else ""


def _split_line(message: str, text: str) -> tuple[str, int | None]:
    """Take the line out of tomllib's `Expected '=' ... (at line 3, column 5)`."""
    if "(at end of document)" in message:
        return message, text.rstrip("\n").count("\n") + 1
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    if found is None:
        return message, None
    return message.replace(found.group(0), f"(column {found.group(2)})"), int(found.group(1))


def nesting(data: object) -> int:
    """Measure the nesting without recursion: dotted keys nest deeper than the interpreter's stack."""
    deepest, todo = 0, [(data, 1)]
    while todo:
        value, depth = todo.pop()
        deepest = max(deepest, depth)
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        todo.extend((child, depth + 1) for child in children)
    return deepest


_BLANK = re.compile(r"[ \t]*")
_STRINGS = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'",
    re.DOTALL,
)


class _LineScanner:
    """Walks the statements of a text that tomllib has accepted, and tells the line of each header and key.

    Keys inside inline tables and arrays are skipped: they count as being on the line of the key that holds them.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.counted_to = 0
        self.line = 1
        self.table: KeyPath = ()
        self.array_lengths: dict[KeyPath, int] = {}

    def scan(self) -> Iterator[tuple[KeyPath, int]]:
        """Yield (path, line) for every header and key, in the file's order."""
        while self.position < len(self.text):
            character = self.text[self.position]
            if character in " \t\n":
                self.position += 1
            elif character == "#":
                self._skip_to_end_of_line()
            elif character == "[":
                line = self._current_line()
                self.table = self._header()
                yield self.table, line
            else:
                line = self._current_line()
                key = self._key()
                self._skip_value()
                for length in range(1, len(key) + 1):
                    yield (*self.table, *key[:length]), line

    def _current_line(self) -> int:
        self.line += self.text.count("\n", self.counted_to, self.position)
        self.counted_to = self.position
        return self.line

    def _header(self) -> KeyPath:
        is_array = self.text.startswith("[[", self.position)
        self.position += 2 if is_array else 1
        key = self._key()
        self._skip_to_end_of_line()
        parents, last = self._inside_arrays(key[:-1]), key[-1]
        if not is_array:
            return (*parents, last)
        array = (*parents, last)
        self.array_lengths[array] = self.array_lengths.get(array, 0) + 1
        return (*array, self.array_lengths[array] - 1)

    def _inside_arrays(self, key: tuple[str, ...]) -> KeyPath:
        """Follow a header's key into the newest entry of each array of tables on its way."""
        path: KeyPath = ()
        for part in key:
            path = (*path, part)
            if path in self.array_lengths:
                path = (*path, self.array_lengths[path] - 1)
        return path

    def _key(self) -> tuple[str, ...]:
        parts: list[str] = []
        while True:
            self._skip(_BLANK)
            quoted = _STRINGS.match(self.text, self.position)
            bare = _BARE_KEY.match(self.text, self.position)
            if quoted is not None:
                self.position = quoted.end()
                parts.append(str(tomllib.loads(f"key = {quoted.group()}")["key"]))
            elif bare is not None:
                self.position = bare.end()
                parts.append(bare.group())
            self._skip(_BLANK)
            if not self.text.startswith(".", self.position):
                return tuple(parts)
            self.position += 1

    def _skip_value(self) -> None:
        depth = 0
        while self.position < len(self.text):
            string = _STRINGS.match(self.text, self.position)
            if string is not None:
                self.position = string.end()
                continue
            character = self.text[self.position]
            if character == "#":
                self._skip_to_end_of_line()
                continue
            if character == "\n" and depth == 0:
                return
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(character, 0)
            self.position += 1

    def _skip_to_end_of_line(self) -> None:
        end = self.text.find("\n", self.position)
        self.position = len(self.text) if end < 0 else end

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.position)
        if match is not None:
            self.position = match.end()
