"""What is asked of a service and how it answers: its key, how it is doing, and its rate limits as it counts them."""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gdp.core.pairs.records import Json

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


class Secret:
    """Holds a key; neither its repr nor its text nor its pickle shows it."""

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the key, to put it into a request."""
        return self.__value

    def hide(self, text: str) -> str:
        """Return a text that may quote the key without it."""
        return text.replace(self.__value, "***")

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> str:
        raise TypeError("a key is not to be stored")


Kind = Literal["answered", "unusable", "unknown", "busy", "failed"]


@dataclass(frozen=True)
class Reply:
    """What came of one call.

    Attributes:
        kind: answered; unusable (charged, and garbage); unknown whether charged (the connection broke); busy (too many
            calls, not charged); or failed (not charged for another reason: 5xx, 408, no connection).
        answer: What is kept: {"faces": [...]}, say, or {"problem": words} for a picture that the service refuses.
        reason: Why there is no answer, in words.
        wait: Seconds that the service asks to wait; None where it says nothing.
    """

    kind: Kind
    answer: Json = None
    reason: str = ""
    wait: float | None = None


@dataclass(frozen=True)
class PictureLimits:
    """What pictures a service takes.

    Attributes:
        least_bytes: Smaller files are refused; a picture is encoded so that it has as many.
        most_bytes: Larger ones are not sent.
    """

    least_bytes: int
    most_bytes: int


class Service(Protocol):
    """A service that is asked one question about many pictures; `ask` is called from many threads."""

    name: str
    """Name of the service in the book of answers and whose budget it is."""
    scope: str
    """Whose rate limit it is: the service at one address."""
    question: Json
    """All that the answer depends on beside the picture."""
    limits: PictureLimits

    def covers(self, other: Json) -> bool:
        """Say whether the answer to another question holds all that is needed of the answer to this one."""

    def ask(self, picture: bytes, sending: Callable[[], None]) -> Reply:
        """Send one picture and return what came of it; `sending` is called at the moment when it goes out.

        Raises:
            GdpError: the service refuses all such calls (wrong key, retired attribute); nothing was charged.
        """

    def close(self) -> None:
        """Close the connections."""


FIRST_PAUSE = 0.1
LONGEST_PAUSE = 60.0
"""Seconds; pauses double from the first to the longest while nothing succeeds."""


def backoff(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row, with up to a quarter at random on top."""
    pause: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** max(0, failures - 1))
    return pause * random.uniform(1.0, 1.25)  # noqa: S311 # so that callers spread out; it secures nothing


class Health:
    """Counts rounds of failures, and pauses all calls together.

    Calls that were under way when one failed say nothing new if they fail, too: they are of the same round. A round
    begins with a failure of a call that was sent after the last failure was known. Any success ends the count.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rounds = 0
        self._failed_at = float("-inf")
        self._paused_until = float("-inf")

    def succeeded(self) -> None:
        """Note an answer."""
        with self._lock:
            self._rounds = 0

    def failed(self, sent_at: float, *, busy: bool, wait: float | None) -> int:
        """Note a failure, and return how many rounds of failures there were since the last success.

        Args:
            sent_at: when the call was sent, by `time.monotonic`.
            busy: whether the service asks everybody to slow down.
            wait: seconds that it asks to wait, if it says so.
        """
        with self._lock:
            now = time.monotonic()
            if sent_at >= self._failed_at:
                self._rounds += 1
                self._failed_at = now
            # A service that keeps asking for a second is given more and more, too, before it is given up.
            pause = max(wait or 0.0, backoff(self._rounds))
            if busy or self._rounds > 1:  # a single hiccup concerns its own picture only
                self._paused_until = max(self._paused_until, now + pause)
            return self._rounds

    def pause(self) -> float:
        """Return for how many seconds nobody should call."""
        with self._lock:
            return max(0.0, self._paused_until - time.monotonic())
