"""Until when may be measured: a script of a few minutes stops its turns then, and tells of those that it has."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter

_END: ContextVar[float] = ContextVar("end", default=math.inf)


@contextmanager
def for_seconds(seconds: float) -> Iterator[None]:
    """Let the time be over after so many seconds, for those who ask inside."""
    token = _END.set(perf_counter() + seconds)
    try:
        yield
    finally:
        _END.reset(token)


def is_over() -> bool:
    """Say whether the time is over; without a limit it never is."""
    return perf_counter() >= _END.get()
