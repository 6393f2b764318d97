"""How commands print and show progress, for the built-in ones and those of plugins; it knows nothing of runs.

`print_json` and `print_table` write to standard output; `choose_progress` makes what shows progress on standard error;
within `stop_on_signal` the first Ctrl-C asks for a clean stop. rich is imported only for a terminal.
"""

from __future__ import annotations

import _thread
import json
import os
import re
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from contextvars import ContextVar
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

from gdp.core.progress import Progress, ProgressTask

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichBars
    from rich.progress import TaskID

__all__ = [
    "choose_progress",
    "encodable",
    "format_seconds",
    "print_json",
    "print_line",
    "print_table",
    "stop_on_signal",
]

PLAIN_INTERVAL = 10.0
"""Seconds between plain lines of one piece of work."""

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


class StopRequest:
    """Whether a stop was asked for: call it between two pieces of work.

    Attributes:
        signal: The signal that asked for it; None as long as none came.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __call__(self) -> bool:
        """Say whether to stop."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """What a command ends with that a signal stopped, as shells count: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + (self.signal or signal.SIGINT)


class Terminated(KeyboardInterrupt):
    """SIGTERM where no safe point is near: ends the work as Ctrl-C does, so that what is half done is cleared away."""


@contextmanager
def stop_on_signal(*, tells: bool = True) -> Iterator[StopRequest]:
    """Let the first Ctrl-C or SIGTERM stop the work at the next safe point; the second stops it at once.

    It is said when the first has come, unless `tells` is False: for work whose next safe point is at hand.

    Yields what says whether a stop was asked for, and by which signal. A command whose work was left unfinished for it
    ends with `raise typer.Exit(stop_requested.exit_code)`.
    """
    request = StopRequest()

    def ask(number: int, frame: FrameType | None) -> None:
        if request():
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        request.signal = signal.Signals(number)
        if not tells:
            return
        with suppress(RuntimeError, OSError):  # the signal came while that very stream was written
            print("stopping at the next safe point; press Ctrl-C again to stop at once", file=sys.stderr, flush=True)

    with _handled(ask, signal.SIGINT, signal.SIGTERM):
        yield request


@contextmanager
def end_on_signal() -> Iterator[None]:
    """Let SIGTERM end the work with `Terminated` and Ctrl-C with KeyboardInterrupt, never amid the import of torch.

    Whoever runs gdp in a thread, or has other handlers of these signals, is left alone. Where a library takes the
    exception for a fault of its own, and raises another or goes on, the work ends here at the latest.
    """
    from typer import Exit

    ours = os.getpid()
    asked: list[KeyboardInterrupt] = []

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != ours:  # a fork that inherited this is no command of gdp
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        asked.append(Terminated() if number == signal.SIGTERM else KeyboardInterrupt())
        if _imports_torch() or _is_in_hook(frame):
            _send_again(number)
        else:
            raise asked[-1]

    in_thread = threading.current_thread() is not threading.main_thread()
    usual = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    ends = [number for number, handler in usual.items() if not in_thread and signal.getsignal(number) == handler]
    with _handled(end, *ends), _none_is_lost():
        try:
            yield
        except Exception as error:
            if asked and not isinstance(error, Exit):
                raise asked[0] from error
            raise
        if asked:
            raise asked[0]


_A_MOMENT = 0.05
"""Seconds after which a signal that came at a bad time is sent once more."""


def _send_again(number: int) -> None:
    def send() -> None:
        time.sleep(_A_MOMENT)
        os.kill(os.getpid(), number)

    _thread.start_new_thread(send, ())  # which waits for nothing, as `Thread.start` does, where a signal would be lost


def _is_in_hook(frame: FrameType | None) -> bool:
    """Say whether a signal came while that of another was being sent again, where no exception may be raised."""
    while frame is not None:
        if frame.f_code.co_qualname == f"{_none_is_lost.__name__}.<locals>.hook":
            return True
        frame = frame.f_back
    return False


@contextmanager
def _none_is_lost() -> Iterator[None]:
    """Send a signal again whose exception Python only prints, for it came while some object was cleared away."""
    before = sys.unraisablehook

    def hook(told: sys.UnraisableHookArgs, /) -> None:
        if isinstance(told.exc_value, KeyboardInterrupt):
            number = signal.SIGTERM if isinstance(told.exc_value, Terminated) else signal.SIGINT
            _send_again(number)
        else:
            before(told)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _imports_torch() -> bool:
    """Say whether torch is being imported; an exception then makes its C++ abort the whole process."""
    spec = getattr(sys.modules.get("torch"), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals) -> Iterator[None]:
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


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


_CLOCK = len("0:00:00")
"""Characters of a time, which is shown whole, however little room is left."""
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

        class TimeLeft(progress.TimeRemainingColumn):
            """Rich's, which stands still where nothing goes on; there it grows with the mean pace so far."""

            def render(self, task: progress.Task) -> Text:
                waited, made = task.get_time() - task.fields["moment"], task.completed - done
                if waited < _STANDING or made <= 0 or task.finished:
                    return super().render(task)
                left = (task.elapsed or 0.0) / made * (task.remaining or 0.0)
                usual = task.time_remaining or 0.0
                return Text(str(timedelta(seconds=int(max(left, usual)))), style="progress.remaining")

        wide = self._console.width >= _WIDE
        columns = (
            TextColumn("[bold]{task.description}"),
            progress.BarColumn(bar_width=30 if wide else 10),
            progress.MofNCompleteColumn(),
            *((TextColumn(unit), progress.TimeElapsedColumn()) if wide else ()),
            TextColumn("left"),
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
