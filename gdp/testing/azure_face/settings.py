"""What the emulator is to be like: its key, limits, speed, and how it misbehaves.

The rate limit, and what was accepted in any window of a second and of a minute.

Which requests go wrong, and how: a function of the seed and the request's number.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Literal, cast

from gdp.core.errors import GdpError


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


Fate = Literal["answer", "throttle", "server_error", "slow", "half_answer", "garbage", "drop_before", "drop_after"]

SERVER_ERRORS = (500, 502, 503, 504, 408)
GARBAGE = (
    (b"<html><head><title>Bad gateway</title></head><body>Try again.</body></html>", "text/html"),
    (b"", "application/json"),
    (b'[{"faceRectangle": {"top": 12, "le', "application/json"),
    (b'{"faces": []}', "application/json"),
    (b'[{"faceRectangle": null, "faceAttributes": "none"}]', "application/json"),
    (b"\xff\xfe\x00garbage\x00", "application/json"),
    (b"null", "application/json"),
)
"""Bodies with their content types that no client can take for an answer of the service."""


def fate(number: int, misbehaviour: Misbehaviour) -> Fate:
    """Return what becomes of request `number`, counted from 0."""
    shares = misbehaviour.shares()
    throttle = shares.pop("throttle")
    if unit(misbehaviour.seed, "storm", number // misbehaviour.storm) < throttle:
        return "throttle"
    # The rest is drawn from what the storms leave, so that each share is one of all requests.
    left = unit(misbehaviour.seed, "fate", number) * (1.0 - throttle)
    for name, share in shares.items():
        if left < share:
            return cast(Fate, name)
        left -= share
    return "answer"


def choice(number: int, seed: int, purpose: str, count: int) -> int:
    """Return a number in [0, count) for request `number`."""
    return int(unit(seed, purpose, number) * count)


def unit(seed: int, purpose: str, number: int) -> float:
    """Hash to [0, 1)."""
    digest = hashlib.blake2b(f"{seed} {purpose} {number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


JudgeName = Literal["built-in", "measures"]


@dataclass(frozen=True)
class RateLimit:
    """How many requests are accepted in any window of a second and of a minute; None for no limit."""

    per_second: int | None = None
    per_minute: int | None = None


TIERS: Mapping[str, RateLimit] = MappingProxyType(
    {"free": RateLimit(per_minute=20), "standard": RateLimit(per_second=10), "unlimited": RateLimit()}
)
"""The service's pricing tiers, and one without limits."""


@dataclass(frozen=True)
class Misbehaviour:
    """Shares, each in [0, 1] and at most 1 together, of the requests with which something goes wrong.

    Which these are depends on the seed and the request's number alone.
    """

    throttle: float = 0.0
    """429 although the limit is kept; not charged."""
    server_error: float = 0.0
    """500, 502, 503, 504 or 408 (the service took too long); not charged."""
    slow: float = 0.0
    """A right answer that takes `slow_seconds`."""
    half_answer: float = 0.0
    """A right answer of which the second half never comes; charged."""
    garbage: float = 0.0
    """200 with a body that is not what the service documents; charged."""
    drop_before: float = 0.0
    """The connection is reset before the picture was judged; not charged."""
    drop_after: float = 0.0
    """The connection is reset after the picture was judged; charged."""
    slow_seconds: float = 5.0
    """Seconds that a slow answer takes."""
    throttle_seconds: int = 1
    """Seconds that a 429 of a storm tells to wait."""
    storm: int = 1
    """How many requests in a row a 429 storm lasts; 1 scatters them."""
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = [name for name, share in self.shares().items() if not 0.0 <= share <= 1.0]
        if wrong:
            raise GdpError(f"azure-face-emulator: {', '.join(wrong)}: shares of requests lie between 0 and 1")
        if sum(self.shares().values()) > 1.0 + 1e-9:
            raise GdpError("azure-face-emulator: the shares of misbehaviour add up to more than 1; lower some")
        if self.storm < 1 or self.throttle_seconds < 0 or not self.slow_seconds >= 0:
            raise GdpError(
                "azure-face-emulator: a storm lasts 1 request or more; waits and slow answers take 0 seconds or more"
            )

    def shares(self) -> dict[str, float]:
        """Return the shares by name, in the order in which they are dealt out."""
        numbers = ("slow_seconds", "throttle_seconds", "storm", "seed")
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name not in numbers}


@dataclass(frozen=True)
class Settings:
    """All of the emulator's settings; the defaults are a standard account that behaves."""

    key: str = field(default="emulator", repr=False)
    """What the header `Ocp-Apim-Subscription-Key` has to hold."""
    limit: RateLimit = TIERS["standard"]
    retry_after: bool = True
    """Whether a 429 has the header Retry-After; its message says the seconds in any case."""
    latency: float = 0.0
    """Seconds from a request to its answer, where judging does not take longer."""
    judge: JudgeName = "built-in"
    """`measures` finds a face of 40 years in every picture and only measures blur, noise and exposure: faster."""
    limited_access_age: bool = False
    """Whether the account still has the attribute age; the other retired ones are always refused."""
    limited_access_identification: bool = False
    """Whether the account may have face ids (returnFaceId, which is true where a request does not say)."""
    misbehaviour: Misbehaviour = Misbehaviour()

    def __post_init__(self) -> None:
        if not self.key or not self.key.isascii() or not self.key.isprintable():
            raise GdpError("azure-face-emulator: the key is to be one or more printable ASCII characters")
        limits = [limit for limit in (self.limit.per_second, self.limit.per_minute) if limit is not None]
        if any(limit < 1 for limit in limits) or not self.latency >= 0:
            raise GdpError("azure-face-emulator: limits are 1 request or more, the latency is 0 s or more")
