"""Work is broken off when its rest can be reckoned, and only then."""

from __future__ import annotations

import time

import pytest

from gdp.tools.estimate.pace import PaceProgress, watch

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
    duration = watch(lambda progress: done.append(work(progress, 10)), limit=5.0)
    assert done == [10]
    assert duration.seconds >= 10 * UNIT
    assert duration.low == duration.seconds == duration.high


def test_long_work_is_broken_off_and_reckoned() -> None:
    started = time.monotonic()
    duration = watch(lambda progress: work(progress, 100_000), limit=0.1)
    took = time.monotonic() - started
    assert duration.seconds >= 100_000 * UNIT
    assert took < duration.seconds / 10
    assert duration.low <= duration.seconds <= duration.high


def test_work_inside_work_counts_as_often_as_it_will_be_done() -> None:
    alone = watch(lambda progress: work(progress, 1000), limit=0.1)
    four = watch(lambda progress: work(progress, 4, inner=1000), limit=0.1)
    assert four.seconds > 2 * 1000 * UNIT
    assert four.seconds == pytest.approx(4 * alone.seconds, rel=0.75), "the same units, four times over"


def test_what_comes_before_the_work_counts() -> None:
    def late(progress: PaceProgress) -> None:
        time.sleep(0.2)
        work(progress, 100_000)

    assert watch(late, limit=0.05).seconds > 100_000 * UNIT + 0.2


def test_work_without_progress_is_measured_whole() -> None:
    assert watch(lambda progress: time.sleep(0.05), limit=0.01).seconds >= 0.05
