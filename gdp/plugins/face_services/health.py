"""How the service is doing, and how long everybody waits when it is not well."""

from __future__ import annotations

import random
import threading
import time

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
