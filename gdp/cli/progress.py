"""Progress on a terminal (live bars with time left) and elsewhere (plain lines now and then)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichBars

from gdp.core.progress import Progress, ProgressTask

PLAIN_INTERVAL = 10.0
"""Seconds between plain lines of one piece of work."""


def _format_status(status: dict[str, float | str]) -> str:
    return "  ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in status.items()
    )


def format_seconds(seconds: float) -> str:
    """Format a duration such as 75 s as `1:15`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class _BarTask:
    def __init__(self, bars: RichBars, number: TaskID) -> None:
        self._bars, self._number = bars, number

    def advance(self, amount: int = 1, **status: float | str) -> None:
        """Move the bar."""
        if status:
            self._bars.update(self._number, advance=amount, status=_format_status(status))
        else:
            self._bars.advance(self._number, amount)


class TerminalProgress:
    """Live bars with the time left."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        """Show one bar for a piece of work."""
        columns = (
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[status]}", style="dim"),
        )
        with RichBars(*columns, console=self._console) as bars:
            yield _BarTask(bars, bars.add_task(name, total=total, completed=done, status=""))

    def message(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, markup=False, highlight=False)


class _LineTask:
    def __init__(self, name: str, total: int, unit: str, done: int, write: Callable[[str], None]) -> None:
        self._name, self._total, self._unit, self._write = name, total, unit, write
        self._done, self._done_before = done, done
        self._started = self._told = time.monotonic()

    def advance(self, amount: int = 1, **status: float | str) -> None:
        """Print a line if the last one is some time ago."""
        self._done += amount
        moment = time.monotonic()
        if moment - self._told < PLAIN_INTERVAL:
            return
        self._told = moment
        pace = (moment - self._started) / max(1, self._done - self._done_before)
        left = format_seconds(pace * (self._total - self._done))
        figures = f"  {_format_status(status)}" if status else ""
        self._write(f"{self._name}: {self._done}/{self._total} {self._unit}, {left} left{figures}")


class PlainProgress:
    """Plain lines for logs and pipes."""

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        """Print a line every some seconds while the work goes on."""
        yield _LineTask(name, total, unit, done, self.message)

    def message(self, text: str) -> None:
        """Print a line at once."""
        print(text, file=sys.stderr, flush=True)


def choose_progress() -> Progress:
    """Return live bars on a terminal, plain lines elsewhere; both on standard error."""
    console = Console(stderr=True)
    return TerminalProgress(console) if console.is_terminal else PlainProgress()
