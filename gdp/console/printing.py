"""What commands print: sentences, tables and JSON."""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_ASK_RICH = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""Environment variables by which rich takes for a terminal what is none."""


def rich_console(stream: TextIO) -> Console | None:
    """Return rich's console of standard output or error if it is a terminal; for a pipe rich is not imported."""
    if not stream.isatty() and not any(name in os.environ for name in _ASK_RICH):
        return None
    from rich.console import Console

    console = Console(stderr=stream is sys.stderr)
    return console if console.is_terminal else None


def encodable(text: str, encoding: str | None) -> str:
    """Escape what a stream of that encoding cannot print, and what would move a terminal's cursor or turn its text."""
    encoding = encoding or "utf-8"
    text = _COMMANDS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    return text.encode(encoding, "backslashreplace").decode(encoding)


_COMMANDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but for tabs and ends of lines, and those that write text from right to left."""


def print_json(data: Any) -> None:
    """Print data as JSON, indented, never wrapped, in ASCII so that any terminal or pipe takes it."""
    print(json.dumps(data, indent=2, allow_nan=False), file=json_output())


_JSON_GOES_TO: ContextVar[TextIO | None] = ContextVar("json_goes_to", default=None)


def json_output() -> TextIO:
    """Return where JSON goes: standard output, which within `json_alone` nothing else reaches."""
    return _JSON_GOES_TO.get() or sys.stdout


def json_number() -> int | None:
    """Return the number of the file that JSON goes to, for a process that prints it; None where it has none."""
    with suppress(OSError, ValueError):
        return json_output().fileno()
    return None


@contextmanager
def json_alone() -> Iterator[None]:
    """Let nothing but `print_json` reach standard output inside: what plugins print goes to standard error."""
    token = _JSON_GOES_TO.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _JSON_GOES_TO.reset(token)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str] = ()) -> None:
    """Print a table: fitted to a terminal, elsewhere one unwrapped line a row in aligned columns.

    Args:
        columns: the headings.
        rows: each as many cells as there are columns.
        spare: headings of columns that a narrow terminal may do without, the first to go first.
    """
    console = rich_console(sys.stdout)
    if console is not None:
        _print_fitted(console, columns, rows, spare)
        return
    widths = [max(len(cell) for cell in cells) for cells in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        print(encodable(line, sys.stdout.encoding))


def print_line(text: str, hanging: int | None = None) -> None:
    """Print a sentence: a terminal breaks no words and indents all its lines as the first; elsewhere it is one line.

    Args:
        text: the sentence.
        hanging: blanks before all lines but the first, where that are others.
    """
    console = rich_console(sys.stdout)
    if console is not None:
        text = folded(text, console.width, hanging)
    print(encodable(text, sys.stdout.encoding))


def folded(text: str, width: int, hanging: int | None = None) -> str:
    """Return a sentence in lines of so many columns, as `print_line` folds it; longer words are kept whole."""
    indent = " " * (len(text) - len(text.lstrip()) if hanging is None else hanging)
    return textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


_READABLE = 24
"""Characters below which a column of sentences is not worth its lines."""
_GAP = 2
"""Characters between two columns."""


def _print_fitted(
    console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str]
) -> None:
    from rich.table import Table
    from rich.text import Text

    shown: list[tuple[str, ...]] = list(zip(columns, *rows, strict=True))
    left_out = []
    for heading in spare:
        if _room(shown, console.width) >= 0:
            break
        left_out.append(heading)
        shown = [column for column in shown if column[0] != heading]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column, width in zip(shown, _widths(shown, console.width), strict=True):
        table.add_column(column[0], width=width, overflow="fold")
    for row in list(zip(*shown, strict=True))[1:]:
        table.add_row(*map(Text, row))
    console.print(table)
    if left_out:
        console.print(f"left out, for want of width: {', '.join(left_out)}", highlight=False)


def _least(column: Sequence[str], readable: int) -> int:
    """Characters that a column needs: its longest word's, for users copy those, and of sentences a readable width."""
    longest_word = max((len(word) for cell in column for word in cell.split()), default=0)
    return max(longest_word, min(readable, max(map(len, column))))


def _room(columns: Sequence[Sequence[str]], width: int, readable: int = _READABLE) -> int:
    """Characters that are left when each column has what it needs; below 0 where they do not fit."""
    return width - sum(_least(column, readable) for column in columns) - _GAP * (len(columns) - 1)


def _widths(columns: Sequence[Sequence[str]], width: int) -> list[int | None]:
    """Share out what is left by what each column lacks; where not even words fit None for all: rich breaks them."""
    for readable in (_READABLE, 0):
        room = _room(columns, width, readable)
        if room >= 0:
            least = [_least(column, readable) for column in columns]
            lacking = [max(map(len, column)) - has for column, has in zip(columns, least, strict=True)]
            share = min(1.0, room / max(1, sum(lacking)))
            return [has + int(lacks * share) for has, lacks in zip(least, lacking, strict=True)]
    return [None] * len(columns)
