"""How far a piece of work is: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from gdp.console.printing import rich_console
from gdp.core.progress import Progress, ProgressTask

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichBars
    from rich.progress import TaskID

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
        fields: dict[str, Any] = {"status": _format_status(status)} if status else {}
        self._bars.update(self._number, advance=amount, moment=self._bars.get_time(), **fields)


_CLOCK = len("left 0:00:00")
"""Characters of the time left, which is shown whole, however little room is left."""
_WIDE = 100
"""Columns below which a line shows less, so that numbers, the time left and figures are not cut."""


_STANDING = 5.0
"""Seconds without a unit done after which the time left counts them."""


class TerminalProgress:
    """Live bars with the time left."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        """Show one bar for a piece of work."""
        from rich import progress
        from rich.progress import TextColumn
        from rich.table import Column
        from rich.text import Text

        wide = self._console.width >= _WIDE

        class TimeLeft(progress.TimeRemainingColumn):
            """Rich's, which stands still where nothing goes on; there it grows with the mean pace so far.

            Where all is done it tells how long that took, unless another column does.
            """

            def render(self, task: progress.Task) -> Text:
                if task.completed >= (task.total or 0):
                    took = None if wide or not task.total else task.finished_time
                    return Text(
                        "" if took is None else f"took {timedelta(seconds=int(took))}", style="progress.elapsed"
                    )
                waited, made = task.get_time() - task.fields["moment"], task.completed - done
                if waited < _STANDING or made <= 0:
                    return Text.assemble("left ", super().render(task))
                left = (task.elapsed or 0.0) / made * (task.remaining or 0.0)
                usual = task.time_remaining or 0.0
                return Text(f"left {timedelta(seconds=int(max(left, usual)))}", style="progress.remaining")

        columns = (
            TextColumn("[bold]{task.description}"),
            progress.BarColumn(bar_width=30 if wide else 10),
            progress.MofNCompleteColumn(),
            *((TextColumn(unit), progress.TimeElapsedColumn()) if wide else ()),
            TimeLeft(table_column=Column(min_width=_CLOCK)),
            TextColumn("{task.fields[status]}", style="dim"),
        )
        with progress.Progress(*columns, console=self._console) as bars:
            number = bars.add_task(name, total=total, completed=done, status="", moment=bars.get_time())
            yield _BarTask(bars, number)

    def message(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, markup=False, highlight=False)


class _LineTask:
    def __init__(self, name: str, total: int, unit: str, done: int, write: Callable[[str], None]) -> None:
        self._name, self._total, self._unit, self._write = name, total, unit, write
        self._done, self._done_before = done, done
        self._started = self._told = time.monotonic()
        self._figures = ""

    def advance(self, amount: int = 1, **status: float | str) -> None:
        """Print a line if the last one is some time ago."""
        self._done += amount
        self._figures = f"  {_format_status(status)}" if status else self._figures
        moment = time.monotonic()
        if moment - self._told < PLAIN_INTERVAL:
            return
        self._told = moment
        left, done = "", self._done - self._done_before
        if done:
            left = f", {format_seconds((moment - self._started) / done * (self._total - self._done))} left"
        self._write(f"{self._name}: {self._done}/{self._total} {self._unit}{left}{self._figures}")


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
    console = rich_console(sys.stderr)
    return PlainProgress() if console is None else TerminalProgress(console)
