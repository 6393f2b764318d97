"""What the emulator is to be like: its key, limits, speed, and how it misbehaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Literal

from gdp.core.errors import GdpError

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
