"""Work is broken off when its rest can be reckoned, and only then."""

from __future__ import annotations

import time

import pytest

from gdp.tools.estimate.pace import EnoughError, PaceProgress, watch

UNIT = 0.004
"""Seconds that a unit of these pieces of work sleeps."""


def work(progress: PaceProgress, units: int, inner: int = 0) -> int:
    done = 0
    with progress.task("work", units, "units") as task:
        for _ in range(units):
            if inner:
                work(progress, inner)
            else:
                time.sleep(UNIT)
            task.advance()
            done += 1
    return done


def test_short_work_is_done_to_its_end() -> None:
    done = []
    duration = watch(lambda progress: done.append(work(progress, 10)), limit=5.0).measured()
    assert done == [10]
    assert duration.seconds >= 10 * UNIT
    assert duration.low == duration.seconds == duration.high


def test_long_work_is_broken_off_and_reckoned() -> None:
    started = time.monotonic()
    duration = watch(lambda progress: work(progress, 100_000), limit=0.1).measured()
    took = time.monotonic() - started
    assert duration.seconds >= 100_000 * UNIT
    assert took < duration.seconds / 10
    assert duration.low <= duration.seconds <= duration.high


def test_work_inside_work_counts_as_often_as_it_will_be_done() -> None:
    alone = watch(lambda progress: work(progress, 1000), limit=0.1).measured()
    four = watch(lambda progress: work(progress, 4, inner=1000), limit=0.1).measured()
    assert four.seconds > 2 * 1000 * UNIT
    assert four.seconds == pytest.approx(4 * alone.seconds, rel=0.75), "the same units, four times over"


def test_what_comes_before_the_work_counts() -> None:
    def late(progress: PaceProgress) -> None:
        time.sleep(0.2)
        work(progress, 100_000)

    assert watch(late, limit=0.05).measured().seconds > 100_000 * UNIT + 0.2


def test_work_without_progress_is_measured_whole() -> None:
    assert watch(lambda progress: time.sleep(0.05), limit=0.01).measured().seconds >= 0.05


def test_work_that_is_cut_off_is_reckoned_from_the_units_that_were_done() -> None:
    progress = PaceProgress(limit=1000.0)
    with progress.task("work", 50, "units") as task:
        for _ in range(2):
            time.sleep(UNIT)
            task.advance()
        progress.out_of_time()
    assert not progress.late
    assert progress.cut_in == "work"
    assert progress.measured().seconds >= 50 * UNIT


def test_of_work_that_is_cut_off_before_its_first_unit_nothing_is_said() -> None:
    progress = PaceProgress(limit=1000.0)
    with progress.task("work", 50, "units"):
        progress.out_of_time()
    assert progress.late


def test_the_clock_may_tell_of_other_time() -> None:
    moments = iter(range(1000))
    progress = PaceProgress(limit=10.0, clock=lambda: float(next(moments)))
    with pytest.raises(EnoughError):
        work(progress, 900)
    assert progress.measured().seconds == pytest.approx(900, rel=0.05), "a second a look, one look a unit"
