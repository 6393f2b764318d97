"""A progress that measures how fast work goes on, and breaks it off as soon as the rest can be extrapolated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import perf_counter

from gdp.core.progress import ProgressTask, Stopped
from gdp.tools.estimate.arithmetic import Duration, repeated, total

LEAST = 4
"""Times that a piece of work must have told its progress before it is broken off."""


class EnoughError(Stopped):
    """The work was broken off, for it was seen long enough."""


@dataclass
class _Piece:
    """One piece of work: so many units, maybe with pieces inside."""

    name: str
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

    @property
    def tells(self) -> bool:
        """Whether a unit of it, or of a piece inside it, is done, so that something can be extrapolated."""
        return bool(self.marks) or (self.inner is not None and self.inner.ended is None and self.inner.tells)

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
        clock: tells seconds; of work that is only counted, those that it is reckoned to take.
    """

    def __init__(self, limit: float, clock: Callable[[], float] = perf_counter) -> None:
        self._limit, self._clock = limit, clock
        self._started = clock()
        self._open: list[_Piece] = []
        self._cut: Duration | None = None
        self.late = False
        """Whether the work was broken off before any of its units was done: nothing can be extrapolated."""
        self.cut_in = ""
        """What the work called the piece in which it was broken off."""

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        """Open a piece of work."""
        piece = _Piece(name, total, done, self._clock())
        if self._open:
            self._open[-1].inner = piece
        self._open.append(piece)
        try:
            yield _Watched(self, piece)
        finally:
            piece.ended = self._clock()
            self._open.remove(piece)

    def message(self, text: str) -> None:
        """Tell nobody."""

    def advanced(self, piece: _Piece, amount: int) -> None:
        """Note that units of a piece are done; break the work off where too much of it is left."""
        now = self._clock()
        piece.marks.append((now, amount))
        outermost = self._open[0]
        if len(piece.marks) < LEAST or now - outermost.started < self._limit:
            return
        whole = outermost.whole(now)
        if whole.seconds - (now - outermost.started) > self._limit:
            self._break_off(whole)
            raise EnoughError

    def out_of_time(self) -> None:
        """Note that the work is broken off this moment, wherever it is."""
        outermost = self._open[0] if self._open else None
        if outermost is None or not outermost.tells:
            self.late = True
        else:
            self._break_off(outermost.whole(self._clock()))

    def _break_off(self, whole: Duration) -> None:
        outermost = self._open[0]
        self.cut_in = outermost.name
        self._cut = total([Duration.exactly(outermost.started - self._started), whole])

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return self._clock() - self._started

    def measured(self) -> Duration:
        """Return how long the work takes: as it took, or as extrapolated where it was broken off."""
        return self._cut or Duration.exactly(self.elapsed)


@dataclass
class _Watched:
    progress: PaceProgress
    piece: _Piece

    def advance(self, amount: int = 1, **status: float | str) -> None:
        """Tell that units are done."""
        self.progress.advanced(self.piece, amount)


def watch(work: Callable[[PaceProgress], object], limit: float) -> PaceProgress:
    """Do some work, as long as it is interesting, and return what its pace was."""
    progress = PaceProgress(limit)
    with suppress(EnoughError):
        work(progress)
    return progress
