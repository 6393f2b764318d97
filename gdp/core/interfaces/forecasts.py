"""What a plugin says beforehand of work that asks others: calls, their rate, their price."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Forecast:
    """What making or judging some pairs will ask of a paid service.

    Attributes:
        calls: Calls that will be charged; 0 for what is made or judged on this machine.
        seconds_between_calls: The least time from one call to the next, by the service's rate or the recipe's; 0 where
            there is no limit.
        dollars: Price of all the calls.
    """

    calls: int = 0
    seconds_between_calls: float = 0.0
    dollars: float = 0.0
