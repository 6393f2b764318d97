"""Limits of time and money."""

from __future__ import annotations

import pytest

from gdp.core.progress import Stopped
from gdp.tools.estimate.limits import Limits


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_without_limits_a_run_goes_on() -> None:
    clock = Clock()
    limits = Limits(None, None, 3.0, clock)
    clock.seconds += 1e9
    assert not limits.reached()
    assert limits.reason == ""


def test_hours_are_counted_from_the_start_of_the_command() -> None:
    clock = Clock()
    limits = Limits(0.5, None, clock=clock)
    clock.seconds += 1799
    assert not limits.reached()
    clock.seconds += 1
    assert limits.reached()
    assert "0.5 hours" in limits.reason


def test_time_costs_the_price_of_the_machine() -> None:
    clock = Clock()
    limits = Limits(None, 1.0, price=2.0, clock=clock)
    clock.seconds += 1700
    assert not limits.reached()
    clock.seconds += 100
    assert limits.reached()
    assert "1 $" in limits.reason


def test_a_call_that_would_cross_the_limit_is_not_let_through_and_earlier_commands_do_not_count() -> None:
    limits = Limits(None, 0.02, clock=Clock())
    for call in range(10):
        limits.admit(50.0 + 0.002 * call, 0.002)
    assert not limits.reached()  # what is left may cost nothing
    with pytest.raises(Stopped, match="would be crossed"):
        limits.admit(50.02, 0.002)
    assert limits.reached()
    assert "0.02 $" in limits.reason


def test_a_call_that_was_given_back_leaves_its_money_to_another() -> None:
    limits = Limits(None, 1.0, clock=Clock())
    limits.admit(0.0, 1.0)
    limits.admit(0.0, 1.0)


def test_a_limit_of_nothing_lets_free_work_go_on_and_no_call_through() -> None:
    limits = Limits(None, 0.0, clock=Clock())
    assert not limits.reached()
    limits.admit(3.0, 0.0)
    with pytest.raises(Stopped):
        limits.admit(3.0, 0.001)


def test_time_and_calls_add_up() -> None:
    clock = Clock()
    limits = Limits(None, 1.0, price=1.0, clock=clock)
    limits.admit(0.0, 0.6)
    assert not limits.reached()
    clock.seconds += 1800
    assert limits.reached()


def test_a_reached_limit_stays_reached() -> None:
    clock = Clock()
    limits = Limits(1.0, None, clock=clock)
    clock.seconds += 4000
    assert limits.reached()
    clock.seconds = 100.0
    assert limits.reached()
