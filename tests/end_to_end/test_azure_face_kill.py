"""Many pictures through azure-face while the service misbehaves and the run is killed three times."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from azure_face_world import World, make_world, memory_watched
from forked import GdpProcess

from gdp.testing.azure_face import EmulatorProcess, Misbehaviour, RateLimit, Settings

CONNECTIONS = 32
LIMIT = 300
KILLS = 3
RUN = ("run", "faces.toml", "--until", "filter")
MISBEHAVIOUR = Misbehaviour(
    throttle=0.05, storm=25, server_error=0.02, drop_before=0.01, drop_after=0.01, garbage=0.01, seed=10
)


def wait_for_answers(process: GdpProcess, emulator: EmulatorProcess, count: int) -> None:
    """Wait until the service has given so many answers, or the run has ended."""
    while process.runs() and emulator.statistics("progress")["successes"] < count:
        time.sleep(0.05)


def kill_between(world: World, emulator: EmulatorProcess, first: int, last: int, chance: random.Random) -> None:
    """Start the run, and kill it when a random number of pictures is answered."""
    process = world.start(*RUN)
    wait_for_answers(process, emulator, chance.randint(first, last))
    process.kill()
    done = process.finish()
    assert done.returncode == -signal.SIGKILL, f"the run ended before it could be killed: {done.stderr}"


@pytest.mark.parametrize("pictures", [1000, pytest.param(10_000, marks=pytest.mark.soak)])
def test_every_picture_gets_one_verdict_and_is_paid_for_once(tmp_path: Path, pictures: int) -> None:
    limit = RateLimit(per_second=LIMIT)
    settings = Settings(limit=limit, latency=0.05, judge="measures", misbehaviour=MISBEHAVIOUR)
    with EmulatorProcess(settings) as emulator:
        rules = [f"calls_per_second = {LIMIT}", f"connections = {CONNECTIONS}"]
        world = make_world(tmp_path, emulator, pictures, rules)
        chance = random.Random(4)
        share = pictures // 5
        for kill in range(KILLS):
            kill_between(world, emulator, kill * share + share // 10, (kill + 1) * share, chance)
        process = world.start(*RUN)
        with memory_watched(process) as samples:
            wait_for_answers(process, emulator, emulator.statistics("progress")["successes"] + share // 4)
            warm = len(samples)
            wait_for_answers(process, emulator, pictures)
            asked = len(samples)
        done = process.finish()
        assert done.returncode == 3, done.stderr
        counted = emulator.statistics("pictures")
    # Every picture has exactly one verdict, and none is unknown.
    decisions = Counter(tuple(decided) for decided in world.verdicts())
    assert set(decisions) <= {("keep",), ("drop",)}
    assert decisions.total() == pictures
    assert world.funnel()["input"] == pictures
    # None was answered twice, but for those in flight at a kill.
    assert len(counted["successes_of_picture"]) == pictures
    twice = sum(count - 1 for count in counted["successes_of_picture"].values())
    assert twice <= KILLS * CONNECTIONS
    # What the run has noted as charged is never less than what the service charges.
    assert world.funnel()["summary"]["calls"] >= counted["charged"]
    # The service did misbehave, and the limit was never crossed.
    assert {"throttle", "server_error", "drop_before", "drop_after", "garbage"} <= set(counted["fates"])
    assert counted["refused_by_limit"] == 0
    assert counted["largest_in_a_second"] <= LIMIT
    assert counted["most_in_flight"] <= CONNECTIONS
    # What went through memory meanwhile was, in the soak, many times as much.
    assert max(samples[warm:asked]) - samples[warm] < 48, samples
