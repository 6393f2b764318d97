"""Rate limits that are kept as the service counts them, whatever the way there takes."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

MARGIN = 0.02
"""Seconds added to each window: the way took some of the quickest call's time, too, nobody knows how much, and a call
may have arrived that much later than is known. It costs 2 % of a limit by the second."""
FIRST_CALLS, FIRST_MARGIN = 16, 0.1
"""Answers after which the quickest one is trusted, and seconds added until then: the first calls go over new
connections, and the quickest of them may have been long on the way."""
LONGEST_SLEEP = 0.25
"""Seconds after which a waiting thread looks again whether it is still wanted."""


@dataclass(eq=False)
class Slot:
    """One call's place in the windows."""

    sent: float
    """When the call went out."""
    gone: bool = False
    """Whether it went out already."""


@dataclass
class _Window:
    seconds: float
    limit: int
    free_at: list[float] = field(default_factory=list)
    """Of calls of earlier processes, when each no longer counts; a heap."""
    ended: list[float] = field(default_factory=list)
    """Of finished calls, when each ended; a heap. When it no longer counts depends on the quickest call, which is
    known better and better."""


class RateLimiter:
    """Lets so many calls pass that the service never counts more than allowed in any window of a second or a minute.

    The service counts a call when it arrives, at some moment between its sending and its answer. The quickest call so
    far tells how long the way and the work take at least; by how much a call took longer, so much later it may have
    arrived, and so much longer it occupies its place. Calls of one speed thus use the whole limit, and no delay on
    the way lets two windows' calls arrive together.
    """

    def __init__(
        self, per_second: int, per_minute: int, past: Sequence[float] = (), pause: Callable[[], float] = lambda: 0.0
    ) -> None:
        """Make a limiter.

        Args:
            per_second: calls in any second; 0 for no limit.
            per_minute: calls in any minute; 0 for no limit.
            past: how many seconds ago earlier calls were sent, those of killed processes included.
            pause: returns for how many seconds nobody should call at all.
        """
        self._pause = pause
        windows = ((1.0, per_second), (60.0, per_minute))
        self._windows = [_Window(seconds, limit) for seconds, limit in windows if limit > 0]
        self._in_flight: set[Slot] = set()
        self._quickest = float("inf")
        self._answers = 0
        self._turn = threading.Lock()  # one caller watches the windows; the others queue up behind it
        self._changed = threading.Condition()
        now = time.monotonic()
        for window in self._windows:
            window.free_at = sorted(now - age + window.seconds + MARGIN for age in past)

    def acquire(self, wanted: Callable[[], bool]) -> Slot | None:
        """Wait until a call may be sent; None where it is no longer wanted."""
        with self._turn, self._changed:
            while wanted():
                now = time.monotonic()
                wait = max(self._pause(), *(self._wait(window, now) for window in self._windows), 0.0)
                if wait <= 0:
                    slot = Slot(now)
                    self._in_flight.add(slot)
                    return slot
                self._changed.wait(min(wait, LONGEST_SLEEP))
        return None

    def sending(self, slot: Slot) -> None:
        """Note that the call goes out now, later than its slot was acquired."""
        with self._changed:
            slot.sent, slot.gone = time.monotonic(), True

    def finish(self, slot: Slot, answered: bool) -> None:
        """Note that the answer is there, or that there will be none; only real answers tell the service's speed."""
        with self._changed:
            now = time.monotonic()
            took = now - slot.sent
            if answered:
                self._answers += 1
                self._quickest = min(self._quickest, took)
            self._in_flight.discard(slot)
            for window in self._windows:
                heapq.heappush(window.ended, slot.sent + max(took, self._surely_quick()))
            self._changed.notify()

    def cancel(self, slot: Slot) -> None:
        """Give back the slot of a call that was not sent."""
        with self._changed:
            self._in_flight.discard(slot)
            self._changed.notify()

    def _surely_quick(self) -> float:
        """Return the seconds that every call takes at least, as far as is known."""
        return self._quickest if self._answers else 0.0

    def _reach(self, window: _Window) -> float:
        """Return for how many seconds after its end a finished call counts."""
        margin = MARGIN if self._answers >= FIRST_CALLS else MARGIN + FIRST_MARGIN
        return window.seconds + margin - self._surely_quick()

    def _frees(self, slot: Slot, window: _Window, now: float) -> float:
        """Return when a call that is under way no longer counts, if it arrives no later than now."""
        took = max(now - slot.sent, self._surely_quick()) if slot.gone else self._surely_quick()
        return (slot.sent if slot.gone else now) + took + self._reach(window)

    def _wait(self, window: _Window, now: float) -> float:
        """Return for how many seconds the window lets no further call pass; 0 where it lets one pass now."""
        reach = self._reach(window)
        while window.free_at and window.free_at[0] <= now:
            heapq.heappop(window.free_at)
        while window.ended and window.ended[0] + reach <= now:
            heapq.heappop(window.ended)
        flying = [free_at for slot in self._in_flight if (free_at := self._frees(slot, window, now)) > now]
        if len(window.free_at) + len(window.ended) + len(flying) < window.limit:
            return 0.0
        soonest = [*window.free_at[:1], *(ended + reach for ended in window.ended[:1]), *flying]
        return max(0.001, min(soonest) - now)
