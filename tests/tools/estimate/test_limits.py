"""Limits of time and money."""

from __future__ import annotations

from collections.abc import Mapping

from gdp.core.config import Config
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.filters import Filter
from gdp.core.pairs.records import Json, PairBatch, Verdict
from gdp.tools.estimate.limits import Limits


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Paying(Filter):
    spent = 0.0

    def judge(self, pairs: PairBatch) -> list[Verdict]:
        return [Verdict.keep_if(True) for _ in pairs.indices]

    def summary(self) -> Mapping[str, Json]:
        return {"cost_dollars": self.spent}


def paying() -> Paying:
    return Paying(Config(), BuildContext())


def test_without_limits_a_run_goes_on() -> None:
    clock = Clock()
    limits = Limits(None, None, 3.0, clock)
    clock.seconds += 1e9
    assert not limits.reached([])
    assert limits.reason == ""


def test_hours_are_counted_from_the_start_of_the_command() -> None:
    clock = Clock()
    limits = Limits(0.5, None, clock=clock)
    clock.seconds += 1799
    assert not limits.reached([])
    clock.seconds += 1
    assert limits.reached([])
    assert "0.5 hours" in limits.reason


def test_time_costs_the_price_of_the_machine() -> None:
    clock = Clock()
    limits = Limits(None, 1.0, price=2.0, clock=clock)
    clock.seconds += 1700
    assert not limits.reached([])
    clock.seconds += 100
    assert limits.reached([])
    assert "1 $" in limits.reason


def test_calls_of_this_command_count_and_earlier_ones_do_not() -> None:
    clock, judge = Clock(), paying()
    judge.spent = 50.0
    limits = Limits(None, 1.0, clock=clock)
    assert not limits.reached([judge])
    judge.spent = 50.9
    clock.seconds += 10
    assert not limits.reached([judge])
    judge.spent = 51.0
    clock.seconds += 10
    assert limits.reached([judge])


def test_time_and_calls_add_up() -> None:
    clock, judge = Clock(), paying()
    limits = Limits(None, 1.0, price=1.0, clock=clock)
    assert not limits.reached([judge])
    judge.spent = 0.6
    clock.seconds += 1800
    assert limits.reached([judge])


def test_a_reached_limit_stays_reached() -> None:
    clock = Clock()
    limits = Limits(1.0, None, clock=clock)
    clock.seconds += 4000
    assert limits.reached([])
    clock.seconds = 100.0
    assert limits.reached([])
