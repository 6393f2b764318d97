"""What the engine asks of a service, and how a service answers.

A key that is shown nowhere.

How the service is doing, and how long everybody waits when it is not well.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from gdp import (
    Json,
)


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
    """What came of one call."""

    kind: Kind
    """answered; charged, and of no use (garbage); unknown whether charged (the connection broke); too many calls, not
    charged; or not charged for another reason (5xx, 408, no connection)."""
    answer: Json = None
    """What is kept: {"faces": [...]}, or {"problem": words} for a picture that the service refuses."""
    reason: str = ""
    """Why there is no answer, in words."""
    wait: float | None = None
    """Seconds that the service asks to wait; None where it says nothing."""


@dataclass(frozen=True)
class Limits:
    """What pictures a service takes."""

    least_bytes: int
    most_bytes: int


class Service(Protocol):
    """A face service that is asked one question about many pictures; `ask` is called from many threads."""

    name: str
    """Name of the service in the book of answers and whose budget it is."""
    scope: str
    """Whose rate limit it is: the service at one address."""
    question: Json
    """All that the answer depends on beside the picture."""
    limits: Limits

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
