"""Leaving in the run's folder how far its present work is, so that another terminal can tell it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from gdp.core.errors import GdpError
from gdp.core.locks import locked
from gdp.core.progress import Progress, ProgressTask
from gdp.core.run_folder import LOCK, RunFolder, now

PROGRESS = "progress.json"
"""In the run's folder while a process works there: the pieces of work that are open, the innermost last."""
INTERVAL = 2.0
"""Seconds between two writings."""


class Recorded(Protocol):
    """What works on a run, as far as this needs to know: a session."""

    progress: Progress

    @property
    def folder(self) -> RunFolder:
        """Where it works."""


@contextmanager
def recorded(work: Recorded) -> Iterator[None]:
    """Let all progress of a session be left in the run's folder, too, as long as the work lasts."""
    progress = RecordedProgress(work.progress, work.folder)
    work.progress = progress
    try:
        yield
    finally:
        progress.clear()


@dataclass
class _Open:
    """A piece of work that is open."""

    name: str
    total: int
    unit: str
    done: int
    began_with: int
    began: float = field(default_factory=time.monotonic)
    status: dict[str, float | str] = field(default_factory=dict)

    def to_data(self) -> dict[str, object]:
        """Return it as JSON data; without a number of seconds where no pace is known yet."""
        made, left = self.done - self.began_with, max(0, self.total - self.done)
        seconds = round((time.monotonic() - self.began) / made * left, 1) if made > 0 else None
        facts = {"name": self.name, "done": self.done, "total": self.total, "unit": self.unit}
        return {**facts, "seconds_left": seconds, "status": self.status}


class RecordedProgress:
    """Shows progress as another does, and writes it down every few seconds; where that fails the work goes on."""

    def __init__(self, shown: Progress, folder: RunFolder) -> None:
        self._shown, self._folder = shown, folder
        self._open: list[_Open] = []
        self._written: float | None = None

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        """Open a piece of work; one that is opened within another is told beside it."""
        work = _Open(name, total, unit, done, done)
        self._open.append(work)
        self.write()
        try:
            with self._shown.task(name, total, unit, done) as task:
                yield _RecordedTask(task, work, self)
        finally:
            self._open.remove(work)
            self.write()

    def message(self, text: str) -> None:
        """Tell one line, which the run's log has anyway."""
        self._shown.message(text)

    def write(self, after: float = 0.0) -> None:
        """Write down what is open, unless that was done less than so many seconds ago."""
        if self._written is not None and time.monotonic() - self._written < after:
            return
        try:
            self._folder.write_json(PROGRESS, {"time": now(), "tasks": [work.to_data() for work in self._open]})
        except GdpError:  # a full disk, say, which the work meets itself where it matters
            return
        finally:
            self._written = time.monotonic()

    def clear(self) -> None:
        """Take it away: ours, and what a killed process has left, but not that of another at work in this folder."""
        left = self._folder.path / PROGRESS
        try:
            if self._written is not None:
                left.unlink(missing_ok=True)
            elif left.exists():
                with locked(self._folder.path / LOCK, timeout=0):
                    left.unlink(missing_ok=True)
        except OSError:  # another holds the lock, say; what is left there is told of no run that has ended
            return


class _RecordedTask:
    def __init__(self, shown: ProgressTask, work: _Open, progress: RecordedProgress) -> None:
        self._shown, self._work, self._progress = shown, work, progress

    def advance(self, amount: int = 1, **status: float | str) -> None:
        """Tell that units are done."""
        self._work.done += amount
        self._work.status = dict(status) or self._work.status
        self._progress.write(after=INTERVAL)
        self._shown.advance(amount, **status)
