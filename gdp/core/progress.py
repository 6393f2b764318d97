"""How core reports progress; the command line decides what it looks like."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Stopped(Exception):
    """The user, or a limit, asked the run to stop; raised when all that was done is durable. Its text is the reason."""


class ProgressTask(Protocol):
    """One piece of work that takes a while."""

    def advance(self, amount: int = 1, **status: float | str) -> None:
        """Tell that `amount` more units are done; `status` holds figures worth showing (loss, decibels).

        This is where a long work of a plugin is stopped, so call it where what is done is safe, and often.

        Raises:
            Stopped: the user asked for it; let it pass.
        """


class Progress(Protocol):
    """Shows pieces of work, with the time left."""

    def task(self, name: str, total: int, unit: str, done: int = 0) -> AbstractContextManager[ProgressTask]:
        """Open a piece of work of `total` units, `done` of which were there before this process began."""

    def message(self, text: str) -> None:
        """Tell one line that stays."""


class _SilentTask:
    def advance(self, amount: int = 1, **status: float | str) -> None:
        """Show nothing."""


class SilentProgress:
    """Shows nothing; for use from Python and in tests."""

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        """Open a piece of work that nobody watches."""
        yield _SilentTask()

    def message(self, text: str) -> None:
        """Tell nobody."""


class StoppableProgress:
    """Shows progress, and ends the work where the user asks for it: trainings of teachers are not asked themselves."""

    def __init__(self, shown: Progress, stop_requested: Callable[[], bool]) -> None:
        self._shown, self._stop_requested = shown, stop_requested

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        """Open a piece of work."""
        with self._shown.task(name, total, unit, done) as task:
            yield _StoppableTask(task, self._stop_requested)

    def message(self, text: str) -> None:
        """Tell one line."""
        self._shown.message(text)


class _StoppableTask:
    def __init__(self, shown: ProgressTask, stop_requested: Callable[[], bool]) -> None:
        self._shown, self._stop_requested = shown, stop_requested

    def advance(self, amount: int = 1, **status: float | str) -> None:
        """Tell that units are done; raises `Stopped` where the user asked for it."""
        self._shown.advance(amount, **status)
        if self._stop_requested():
            raise Stopped
