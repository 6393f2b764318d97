"""What the emulator counts, so that tests can say what a client did."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import Any

from gdp.testing.azure_face.limits import largest_in_window


class Counts:
    """Counts of one emulator, since its start or the last reset. Times are seconds on the emulator's own clock."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.fates: Counter[str] = Counter()
        self.arrivals: list[float] = []
        self.accepted: list[float] = []
        self.refused_by_limit = 0
        self.charged = 0
        self.unread = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.largest_stall = 0.0
        self.successes: Counter[str] = Counter()
        self.succeeded_requests = 0
        self._service_seconds: list[float] = []

    def arrived(self) -> None:
        """Count a request that is being answered."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def succeeded(self, sha256: str, seconds: float) -> None:
        """Count a whole, right answer on a picture, and the seconds from the request to its end."""
        self.successes[sha256] += 1
        self.succeeded_requests += 1
        self._service_seconds.append(seconds)

    def progress(self) -> dict[str, int]:
        """Return what changes with every request and costs nothing to tell."""
        return {
            "requests": len(self.arrivals),
            "accepted": len(self.accepted),
            "successes": self.succeeded_requests,
            "in_flight": self.in_flight,
        }

    def report(self) -> dict[str, Any]:
        """Return all counts as JSON; the pictures and times are left out, for they may be many."""
        first, last = (self.accepted[0], self.accepted[-1]) if self.accepted else (None, None)
        return {
            **self.progress(),
            "statuses": dict(self.statuses),
            "fates": dict(self.fates),
            "first_accepted": first,
            "last_accepted": last,
            "largest_in_a_second": largest_in_window(self.arrivals, 1.0),
            "largest_in_a_minute": largest_in_window(self.arrivals, 60.0),
            "refused_by_limit": self.refused_by_limit,
            "charged": self.charged,
            "pictures": len(self.successes),
            "answered_twice": sum(count > 1 for count in self.successes.values()),
            "unread": self.unread,
            "most_in_flight": self.most_in_flight,
            "median_service_seconds": statistics.median(self._service_seconds) if self._service_seconds else None,
            "largest_stall": self.largest_stall,
        }
