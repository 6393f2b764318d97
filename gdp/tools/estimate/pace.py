"""A progress that measures how fast work goes on, and breaks it off as soon as the rest can be extrapolated.

What an estimate consists of, and which stages of a run are still to be done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import perf_counter

from gdp.core.progress import ProgressTask, Stopped
from gdp.tools.estimate.arithmetic import Duration, repeated, total


@dataclass(frozen=True)
class Part:
    """One line of an estimate."""

    stage: str
    """`opening`, or the stage's name; parts of it behind a colon: `filter: sharpness`."""
    duration: Duration
    how: str
    """What was measured, or why it takes no time."""


@dataclass(frozen=True)
class Calls:
    """What a filter asks of a paid service."""

    filter: str
    calls: int
    """As the filter foretells for the pairs that reach it, less those that are judged already."""
    dollars: float
    seconds: float
    """The least time that the service's rate allows."""


@dataclass(frozen=True)
class Counts:
    """How many pairs there will be."""

    made: int
    kept: int
    kept_low: int
    kept_high: int
    train: int
    held_out: int


LEAST = 4
"""Times that a piece of work must have told its progress before it is broken off."""


class EnoughError(Stopped):
    """The work was broken off, for it was seen long enough."""


@dataclass
class _Piece:
    """One piece of work: so many units, maybe with pieces inside."""

    total: int
    done: int
    started: float
    ended: float | None = None
    marks: list[tuple[float, int]] = field(default_factory=list)
    """When units were done, and how many."""
    inner: _Piece | None = None
    """The piece that is under way, or was, inside the present unit."""

    def unit_seconds(self) -> list[float]:
        """Return the time of a unit from each mark to the next; the first is left out where there are enough."""
        times = [self.started, *(moment for moment, _ in self.marks)]
        found = [
            (after - before) / max(1, amount)
            for before, after, (_, amount) in zip(times, times[1:], self.marks, strict=False)
        ]
        return found[1:] if len(found) > LEAST else found

    def whole(self, now: float) -> Duration:
        """Return the time of the whole piece, from its start."""
        if self.ended is not None:
            return Duration.exactly(self.ended - self.started)
        last = self.marks[-1][0] if self.marks else self.started
        done = self.done + sum(amount for _, amount in self.marks)
        left = max(0, self.total - done)
        present = self._present_unit(last, now)
        if self.marks:
            units = self.unit_seconds()
            rest = repeated(units, left if present is None else left - 1)
        else:
            rest = (present or Duration.exactly(now - last)).times(left - 1 if present else left)
        return total([Duration.exactly(last - self.started), *([present] if present else []), rest])

    def _present_unit(self, last: float, now: float) -> Duration | None:
        """Return the time of the unit under way, where a piece inside it tells."""
        if self.inner is None or self.inner.started < last or self.total == self.done:
            return None
        return total([Duration.exactly(self.inner.started - last), self.inner.whole(now)])


class PaceProgress:
    """Watches one stage, or one plugin of it.

    Args:
        limit: seconds that a piece of work may still take; a longer one is broken off.
        tell: is told messages of the work.
    """

    def __init__(self, limit: float, tell: Callable[[str], None] = lambda text: None) -> None:
        self._limit, self._tell = limit, tell
        self._started = perf_counter()
        self._open: list[_Piece] = []
        self._cut: Duration | None = None

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        """Open a piece of work."""
        piece = _Piece(total, done, perf_counter())
        if self._open:
            self._open[-1].inner = piece
        self._open.append(piece)
        try:
            yield _Watched(self, piece)
        finally:
            piece.ended = perf_counter()
            self._open.remove(piece)

    def message(self, text: str) -> None:
        """Pass a line on."""
        self._tell(text)

    def advanced(self, piece: _Piece, amount: int) -> None:
        """Note that units of a piece are done; break the work off where too much of it is left."""
        now = perf_counter()
        piece.marks.append((now, amount))
        outermost = self._open[0]
        if len(piece.marks) < LEAST or now - outermost.started < self._limit:
            return
        whole = outermost.whole(now)
        if whole.seconds - (now - outermost.started) > self._limit:
            self._cut = total([Duration.exactly(outermost.started - self._started), whole])
            raise EnoughError

    def measured(self) -> Duration:
        """Return how long the work takes: as it took, or as extrapolated where it was broken off."""
        return self._cut or Duration.exactly(perf_counter() - self._started)


@dataclass
class _Watched:
    progress: PaceProgress
    piece: _Piece

    def advance(self, amount: int = 1, **status: float | str) -> None:
        """Tell that units are done."""
        self.progress.advanced(self.piece, amount)


def watch(work: Callable[[PaceProgress], object], limit: float) -> Duration:
    """Do some work, as long as it is interesting, and return how long the whole of it takes."""
    progress = PaceProgress(limit)
    with suppress(EnoughError):
        work(progress)
    return progress.measured()
