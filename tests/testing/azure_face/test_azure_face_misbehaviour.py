"""Rate limits, latency and misbehaviour, and what the emulator counts of them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from asking import ask, error
from face_pictures import encode, faces, noise

from gdp.core.errors import GdpError
from gdp.testing.azure_face import TIERS, Emulator, Misbehaviour, RateLimit, Settings
from gdp.testing.azure_face.settings import RateLimiter, fate, largest_in_window

PICTURE = encode(faces()[0])


def settings(misbehaviour: Misbehaviour | None = None, **others: Any) -> Settings:
    chosen: dict[str, Any] = {"limit": TIERS["unlimited"], "judge": "measures"}
    return Settings(misbehaviour=misbehaviour or Misbehaviour(), **(chosen | others))


def outcome(emulator: Emulator, picture: bytes) -> str:
    """Say what a client sees."""
    try:
        answer = ask(emulator, picture)
    except httpx.TransportError as broken:
        return type(broken).__name__
    if answer.status_code != 200:
        return str(answer.status_code)
    try:
        faces_found = answer.json()
        return "answer" if faces_found[0]["faceRectangle"]["width"] > 0 else "garbage"
    except (ValueError, KeyError, TypeError):
        return "garbage"


def test_the_free_tier_refuses_the_21st_call_and_says_how_long_to_wait() -> None:
    with Emulator(settings(limit=TIERS["free"])) as emulator:
        statuses = [ask(emulator, PICTURE).status_code for _ in range(20)]
        refused = ask(emulator, PICTURE)
        counted = emulator.statistics()
    assert statuses == [200] * 20
    status, code, message = error(refused)
    assert (status, code) == (429, "429")
    seconds = re.search(r"retry after (\d+) second", message)
    assert seconds is not None
    assert refused.headers["Retry-After"] == seconds[1]
    assert 30 <= int(seconds[1]) <= 60
    assert (counted["accepted"], counted["refused_by_limit"], counted["largest_in_a_minute"]) == (20, 1, 21)


def test_the_header_of_a_refusal_can_be_left_out() -> None:
    with Emulator(settings(limit=RateLimit(per_minute=1), retry_after=False)) as emulator:
        ask(emulator, PICTURE)
        refused = ask(emulator, PICTURE)
    assert "Retry-After" not in refused.headers
    assert "retry after" in error(refused)[2]


def test_the_limiter_accepts_no_more_than_the_limit_in_any_window() -> None:
    limiter = RateLimiter(RateLimit(per_second=3, per_minute=20))
    times = [number * 0.05 for number in range(2000)]
    accepted = [time for time in times if limiter.wait(time) == 0.0]
    assert largest_in_window(accepted, 1.0) == 3
    assert largest_in_window(accepted, 60.0) == 20
    assert len(accepted) == 40


def test_the_wait_that_is_told_suffices() -> None:
    limiter = RateLimiter(RateLimit(per_second=2))
    assert [limiter.wait(0.0), limiter.wait(0.25)] == [0.0, 0.0]
    assert limiter.wait(0.5) == pytest.approx(0.5)
    assert limiter.wait(1.0) == 0.0
    assert limiter.wait(1.0) == pytest.approx(0.25)


def test_a_window_is_half_open() -> None:
    assert largest_in_window([0.0, 0.5, 1.0, 1.4, 1.5], 1.0) == 3
    assert largest_in_window([], 1.0) == 0


def test_what_goes_wrong_is_what_was_asked_for_and_charged_accordingly() -> None:
    seen = {}
    for name in ("throttle", "server_error", "half_answer", "garbage", "drop_before", "drop_after"):
        with Emulator(settings(Misbehaviour(**{name: 1.0}))) as emulator:
            outcomes = {outcome(emulator, PICTURE) for _ in range(8)}
            counted = emulator.statistics()
        seen[name] = (outcomes, counted["charged"], counted["successes"])
        assert counted["fates"] == {name: 8}
    broken = {"RemoteProtocolError", "ReadError"}
    assert seen["throttle"] == ({"429"}, 0, 0)
    assert seen["server_error"][0] <= {"500", "502", "503", "504", "408"}
    assert seen["server_error"][1:] == (0, 0)
    assert seen["half_answer"][0] <= broken
    assert seen["half_answer"][1:] == (8, 0)
    assert seen["garbage"] == ({"garbage"}, 8, 0)
    assert seen["drop_before"][0] <= broken
    assert seen["drop_before"][1:] == (0, 0)
    assert seen["drop_after"][0] <= broken
    assert seen["drop_after"][1:] == (8, 0)


def test_misbehaviour_follows_from_the_seed_and_the_requests_number() -> None:
    shares = Misbehaviour(throttle=0.1, server_error=0.1, garbage=0.1, drop_after=0.1, seed=3)
    expected = [fate(number, shares) for number in range(60)]
    wanted = {"throttle": "429", "answer": "answer", "garbage": "garbage"}
    for _ in range(2):
        with Emulator(settings(shares)) as emulator:
            seen = [outcome(emulator, PICTURE) for _ in range(60)]
        for happened, planned in zip(seen, expected, strict=True):
            assert wanted.get(planned, happened) == happened
    assert len(set(expected)) == 5
    assert [fate(number, Misbehaviour(throttle=0.1, seed=4)) for number in range(60)] != expected


def test_shares_hold_over_many_requests() -> None:
    shares = Misbehaviour(throttle=0.05, server_error=0.02, drop_before=0.01, garbage=0.01, slow=0.1, storm=10)
    counted = Counter(fate(number, shares) for number in range(40_000))
    for name, share in shares.shares().items():
        assert abs(counted[name] / 40_000 - share) < 0.01, name


def test_a_storm_lasts_as_many_requests_as_it_was_told() -> None:
    shares = Misbehaviour(throttle=0.2, storm=5)
    fates = [fate(number, shares) for number in range(500)]
    storms = [fates[start : start + 5] for start in range(0, 500, 5)]
    assert {storm.count("throttle") for storm in storms} == {0, 5}


def test_a_slow_answer_is_right_all_the_same() -> None:
    with Emulator(settings(Misbehaviour(slow=1.0, slow_seconds=0.3))) as emulator:
        assert outcome(emulator, PICTURE) == "answer"
        assert emulator.statistics()["median_service_seconds"] >= 0.3


def test_latency_does_not_keep_others_waiting() -> None:
    with Emulator(settings(latency=0.3)) as emulator, ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(lambda number: outcome(emulator, noise(number, 32)), range(16)))
        counted = emulator.statistics()
    assert outcomes == ["answer"] * 16
    assert counted["most_in_flight"] >= 8
    assert counted["last_accepted"] - counted["first_accepted"] < 16 * 0.3


def test_successes_are_counted_by_the_pictures_hash() -> None:
    with Emulator(settings()) as emulator:
        for picture in (PICTURE, PICTURE, noise(1, 32)):
            ask(emulator, picture)
        counted = emulator.statistics("pictures,times")
        assert emulator.statistics("progress") == {"requests": 3, "accepted": 3, "successes": 3, "in_flight": 0}
        emulator.reset()
        assert emulator.statistics()["successes"] == 0
    digest = hashlib.sha256(PICTURE).hexdigest()
    assert counted["successes_of_picture"][digest] == 2
    assert (counted["successes"], counted["pictures"], counted["answered_twice"]) == (3, 2, 1)
    assert len(counted["accepted_at"]) == 3


def test_a_client_that_left_got_no_success() -> None:
    with Emulator(settings(latency=0.4)) as emulator:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{emulator.endpoint}/face/v1.2/detect?returnFaceId=false",
                headers={"Ocp-Apim-Subscription-Key": "emulator", "Content-Type": "application/octet-stream"},
                content=PICTURE,
                timeout=0.2,
            )
        while emulator.statistics()["in_flight"]:
            pass
        counted = emulator.statistics()
    assert (counted["successes"], counted["charged"], counted["unread"]) == (0, 1, 1)


@pytest.mark.parametrize(
    "shares", [{"garbage": 1.5}, {"slow": -0.1}, {"garbage": 0.6, "slow": 0.6}, {"storm": 0}, {"slow_seconds": -1.0}]
)
def test_shares_that_make_no_sense_are_refused(shares: dict[str, Any]) -> None:
    with pytest.raises(GdpError, match="azure-face-emulator"):
        Misbehaviour(**shares)
