"""The pure arithmetic of estimates, held against the figures that system A published."""

from __future__ import annotations

import pytest

from gdp.tools.estimate.arithmetic import (
    DAY,
    HOUR,
    Duration,
    binomial_bounds,
    dollars,
    repeated,
    total,
    training_seconds,
)


def test_system_a_trains_22_days_for_277_73_dollars() -> None:
    seconds = training_seconds(10_000, 200, 0.95)
    assert seconds == pytest.approx(1_900_000)
    assert seconds / DAY == pytest.approx(21.99, abs=0.005)
    assert round(seconds / DAY) == 22
    assert round(dollars(22 * DAY, 0.526), 2) == 277.73
    assert round(dollars(seconds, 0.526), 2) == 277.61, "before the days are rounded"


@pytest.mark.parametrize(
    ("seconds", "dollars_per_hour", "published", "digits"),
    [(19.36, 0.75, 0.00403, 5), (0.11, 0.75, 0.0000229, 7), (1.5, 0.34, 0.000142, 6)],
)
def test_a_picture_costs_what_system_a_says(
    seconds: float, dollars_per_hour: float, published: float, digits: int
) -> None:
    assert round(dollars(seconds, dollars_per_hour), digits) == published


def test_many_units_take_the_mean_of_the_measured_ones() -> None:
    duration = repeated([1.0, 1.0, 4.0], 100)
    assert duration.seconds == pytest.approx(200)
    assert duration.low == pytest.approx(100), "no unit was faster than that"
    assert duration.high == pytest.approx(400), "three values tell little of their spread"
    many = repeated([1.0, 1.0, 4.0] * 10, 100)
    assert many.high == pytest.approx(200 + 1.96 * 100 * 1.4384 / 30**0.5, rel=0.01)


def test_one_measured_unit_tells_least() -> None:
    duration = repeated([2.0], 10)
    assert duration.seconds == 20.0
    assert duration.low < 15
    assert duration.high > 30


def test_more_measurements_narrow_the_bounds() -> None:
    def width(count: int) -> float:
        duration = repeated([1.0, 2.0] * count, 100)
        return duration.high - duration.low

    assert width(50) < width(5) / 3


def test_times_add_up_with_their_bounds() -> None:
    assert total([Duration(1, 0.5, 2), Duration.exactly(3)]) == Duration(4, 3.5, 5)
    assert Duration(1, 0.5, 2).times(HOUR) == Duration(HOUR, HOUR / 2, 2 * HOUR)
    assert total([]) == Duration.exactly(0)


@pytest.mark.parametrize(("kept", "judged"), [(0, 10), (10, 10), (86, 100), (1, 3)])
def test_the_share_that_is_kept_lies_within_its_bounds(kept: int, judged: int) -> None:
    low, high = binomial_bounds(kept, judged)
    assert 0 <= low <= kept / judged <= high <= 1
    assert high - low < 1


def test_nothing_judged_says_nothing() -> None:
    assert binomial_bounds(0, 0) == (0.0, 1.0)
