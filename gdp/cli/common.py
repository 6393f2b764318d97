"""What all commands share: the registry, how errors are shown, and how JSON and tables are printed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from gdp.core.errors import GdpError
from gdp.registry import PluginRegistry

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141

_SHARED_OPTIONS = ("--no-plugin", "--plugins-dir")


@dataclass(frozen=True)
class State:
    """The shared options, and what is made of them when a command first asks; `context.obj` of every command."""

    disabled: frozenset[str] = frozenset()
    plugins_folders: tuple[Path, ...] | None = None
    """Folders of plugins of one file; None leaves them to the environment."""

    @cached_property
    def registry(self) -> PluginRegistry:
        """The installed plugins and those of --plugins-dir, without those of --no-plugin."""
        return PluginRegistry.discover(disabled=self.disabled, folders=self.plugins_folders)


class GdpGroup(TyperGroup):
    """Turns gdp's errors into one paragraph and an exit code; any other exception is a bug and keeps its traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let the shared options stand behind the command too, where people write them."""
        return super().parse_args(ctx, hoist_shared_options(args))

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except GdpError as error:
            print_error(error)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            print("\nstopped; run the same command again to go on", file=sys.stderr)
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            # Whoever read our output has left; the interpreter would complain once more when it flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(EXIT_BROKEN_PIPE) from None
        return result


def hoist_shared_options(arguments: Sequence[str]) -> list[str]:
    """Move every `--no-plugin NAME` and `--plugins-dir DIR` that stands before a `--` to the front."""
    hoisted: list[str] = []
    others: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            others += [argument, *rest]
        elif argument in _SHARED_OPTIONS:
            hoisted += [argument, *([value] if (value := next(rest, None)) is not None else [])]
        elif argument.startswith(tuple(f"{option}=" for option in _SHARED_OPTIONS)):
            hoisted.append(argument)
        else:
            others.append(argument)
    return [*hoisted, *others]


def print_error(error: GdpError) -> None:
    """Print an error's paragraph to standard error."""
    console = Console(stderr=True)
    text = encodable(str(error), sys.stderr.encoding)
    if console.is_terminal:
        console.print("error: ", style="bold red", end="", highlight=False)
        console.print(text, markup=False, highlight=False, soft_wrap=True)  # keeps file:line in one piece
    else:
        print(f"error: {text}", file=sys.stderr)  # no wrapping: logs and scripts read it


def encodable(text: str, encoding: str | None) -> str:
    """Escape what a stream of that encoding cannot print."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def print_json(data: Any) -> None:
    """Print data as JSON, indented, never wrapped, in ASCII so that any terminal or pipe takes it."""
    typer.echo(json.dumps(data, indent=2, allow_nan=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: fitted to a terminal, elsewhere one unwrapped line a row in aligned columns."""
    console = Console()
    if console.is_terminal:
        table = Table(*columns, box=None, header_style="bold", pad_edge=False)
        for row in rows:
            table.add_row(*(_escape(cell) for cell in row))
        console.print(table)
        return
    widths = [max(len(cell) for cell in cells) for cells in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        typer.echo(encodable(line, sys.stdout.encoding))


def _escape(cell: str) -> Any:
    from rich.text import Text

    return Text(cell)
