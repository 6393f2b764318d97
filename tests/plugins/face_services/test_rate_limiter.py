"""The rate limiter keeps the limit as the service counts, and uses what the limit allows."""

from __future__ import annotations

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gdp.support.services.service import RateLimiter

FOREVER = lambda: True  # noqa: E731 # reads as the condition it stands for


def most_in_a_second(times: list[float]) -> int:
    return max(sum(start <= each < start + 1.0 for each in times) for start in times)


def test_calls_that_are_held_up_on_their_way_never_arrive_together() -> None:
    limiter, arrivals, lock = RateLimiter(10, 0), [], threading.Lock()

    def call(number: int) -> None:
        slot = limiter.acquire(FOREVER)
        assert slot is not None
        limiter.sending(slot)
        time.sleep(0.15 if number % 3 == 0 else 0.0)  # before the service counts it
        with lock:
            arrivals.append(time.monotonic())
        time.sleep(0.02)
        limiter.finish(slot, answered=True)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(35)))
    assert most_in_a_second(arrivals) <= 10


def test_calls_of_one_speed_use_the_limit_however_long_they_take() -> None:
    limiter = RateLimiter(20, 0)
    started = time.monotonic()

    def call(_: int) -> tuple[float, float]:
        slot = limiter.acquire(FOREVER)
        assert slot is not None
        limiter.sending(slot)
        time.sleep(0.8)
        limiter.finish(slot, answered=True)
        return slot.sent - started, time.monotonic() - started

    with ThreadPoolExecutor(24) as pool:
        calls = sorted(pool.map(call, range(60)))
    sent = [each for each, _ in calls]
    took = statistics.median(answered - each for each, answered in calls)
    assert most_in_a_second(sent) <= 20
    # 60 calls are three windows, two of which go by; were places held until the answer, each would last 1 s + `took`.
    assert sent[-1] - sent[0] < 2 * (1 + 0.8 * took)


def test_calls_of_a_killed_process_still_count() -> None:
    limiter = RateLimiter(3, 0, past=[0.2, 0.1, 0.1])
    started = time.monotonic()
    assert limiter.acquire(FOREVER) is not None
    assert time.monotonic() - started >= 0.79


def test_a_minute_is_counted_too() -> None:
    limiter = RateLimiter(0, 2, past=[59.8, 30.0])
    started = time.monotonic()
    assert limiter.acquire(FOREVER) is not None
    assert time.monotonic() - started >= 0.19
    assert limiter.acquire(lambda: time.monotonic() - started < 0.6) is None


@pytest.mark.parametrize("limits", [(0, 0), (5, 0)])
def test_nobody_calls_during_a_pause(limits: tuple[int, int]) -> None:
    until = time.monotonic() + 0.3
    limiter = RateLimiter(*limits, pause=lambda: max(0.0, until - time.monotonic()))
    assert limiter.acquire(FOREVER) is not None
    assert time.monotonic() >= until


def test_a_call_that_was_not_sent_holds_no_place() -> None:
    limiter = RateLimiter(1, 0)
    slot = limiter.acquire(FOREVER)
    assert slot is not None
    assert limiter.acquire(iter([True, False]).__next__) is None
    limiter.cancel(slot)
    assert limiter.acquire(iter([True, False]).__next__) is not None
