"""Settings that all services that cost money share; imports no torch."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from gdp.core.config import Config


class ServiceConfig(Config):
    """How a paid service is asked; the same for every service."""

    of: Literal["source", "target", "both"] = "both"
    """Which pictures of a pair are shown to the service; each is a call."""
    enlarge_to: int = Field(default=256, ge=0, le=1024)
    """Pixels; pictures whose shorter side is below are enlarged, by the least whole factor that reaches it, for
    services find no small faces. 0 sends all as they are."""
    connections: int = Field(default=8, ge=1, le=256)
    """Pictures that are under way at once."""
    calls_per_second: int = Field(default=10, ge=0)
    """Largest number of calls in any second, as the service counts them; 0 for no limit."""
    calls_per_minute: int = Field(default=0, ge=0)
    """Largest number of calls in any minute; 0 for no limit. Azure's free tier has 20."""
    max_calls: int | None = Field(default=None, ge=0)
    """Largest number of calls of this run that may be charged; left out, no limit."""
    max_cost: float | None = Field(default=None, ge=0.0)
    """Largest cost of this run's calls in dollars; left out, no limit."""
    price_per_1000_calls: float = Field(default=1.0, ge=0.0)
    """Price of 1000 calls in dollars."""
    timeout_seconds: float = Field(default=30.0, gt=0.0)
    """Seconds after which an answer is no longer waited for."""
    max_failures: int = Field(default=10, ge=1)
    """How many times in a row the service may fail, with growing pauses between, before the run stops."""

    @property
    def budget(self) -> int | None:
        """The largest number of calls that both limits allow; None for any number."""
        limits = [] if self.max_calls is None else [self.max_calls]
        if self.max_cost is not None and self.price_per_1000_calls > 0:
            # Decimal, for 0.3 / 0.1 is 2.9999999999999996 in binary.
            limits.append(int(Decimal(str(self.max_cost)) * 1000 / Decimal(str(self.price_per_1000_calls))))
        return min(limits, default=None)

    def cost(self, calls: int) -> float:
        """Return what so many calls cost, in dollars."""
        return calls * self.price_per_1000_calls / 1000
