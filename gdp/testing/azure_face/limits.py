"""The rate limit, and what was accepted in any window of a second and of a minute."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence

from gdp.testing.azure_face.settings import RateLimit


class RateLimiter:
    """Accepts at most so many requests in any window: a sliding one, so that no burst passes at a border."""

    def __init__(self, limit: RateLimit) -> None:
        windows = ((1.0, limit.per_second), (60.0, limit.per_minute))
        self._windows = [(seconds, count, deque[float]()) for seconds, count in windows if count is not None]

    def wait(self, now: float) -> float:
        """Return 0 and count the request where it is accepted at `now`, else the seconds until one would be."""
        wait = 0.0
        for seconds, count, accepted in self._windows:
            while accepted and accepted[0] <= now - seconds:
                accepted.popleft()
            if len(accepted) >= count:
                wait = max(wait, accepted[len(accepted) - count] + seconds - now)
        if wait > 0.0:
            return wait
        for _, _, accepted in self._windows:
            accepted.append(now)
        return 0.0


def whole_seconds(wait: float) -> int:
    """Return what Retry-After says of a wait: whole seconds, at least 1."""
    return max(1, math.ceil(wait))


def largest_in_window(times: Sequence[float], seconds: float) -> int:
    """Return the largest number of ascending times that lie in any half-open window of that length."""
    return max((index + 1 - bisect_left(times, time - seconds + 1e-9) for index, time in enumerate(times)), default=0)
