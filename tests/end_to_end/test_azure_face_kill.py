"""10,000 pictures through azure-face while the service misbehaves and the run is killed three times."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

from azure_face_world import World, make_world, memory_watched

from gdp.testing.azure_face import EmulatorProcess, Misbehaviour, RateLimit, Settings

PICTURES = 10_000
CONNECTIONS = 32
LIMIT = 300
KILLS = 3
RUN = ("run", "faces.toml", "--until", "filter")
MISBEHAVIOUR = Misbehaviour(
    throttle=0.05, storm=25, server_error=0.02, drop_before=0.005, drop_after=0.005, garbage=0.01, seed=10
)


def killed_between(world: World, emulator: EmulatorProcess, first: int, last: int, chance: random.Random) -> int:
    """Kill the run when a random number of pictures is answered; return how many were in flight then."""
    moment = chance.randint(first, last)
    process = world.start(*RUN)
    while process.poll() is None and emulator.statistics()["successes"] < moment:
        time.sleep(0.02)
    process.kill()
    in_flight = int(emulator.statistics()["in_flight"])
    _, errors = process.communicate()
    assert process.returncode == -9, f"the run ended before it could be killed: {errors}"
    return in_flight


def test_every_picture_gets_one_verdict_and_is_paid_for_once(tmp_path: Path) -> None:
    settings = Settings(limit=RateLimit(per_second=LIMIT), judge="measures", misbehaviour=MISBEHAVIOUR)
    with EmulatorProcess(settings) as emulator:
        rules = [f"calls_per_second = {LIMIT}", f"connections = {CONNECTIONS}"]
        world = make_world(tmp_path, emulator, PICTURES, rules)
        world.finish("run", "faces.toml", "--until", "pairs")
        chance = random.Random(4)
        share = PICTURES // 5
        for kill in range(KILLS):
            killed_between(world, emulator, kill * share + 200, (kill + 1) * share, chance)
        process = world.start(*RUN)
        answered = emulator.statistics()["successes"]
        with memory_watched(process) as samples:
            while emulator.statistics()["successes"] < answered + 500 and process.poll() is None:
                time.sleep(0.05)
            warm = len(samples)
            while emulator.statistics()["successes"] < PICTURES and process.poll() is None:
                time.sleep(0.05)
            asked = len(samples)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        counted = emulator.statistics("pictures")
    # Every picture has exactly one verdict, and none is unknown.
    decisions = Counter(tuple(decided) for decided in world.verdicts())
    assert set(decisions) <= {("keep",), ("drop",)}
    assert decisions.total() == PICTURES
    assert world.funnel()["input"] == PICTURES
    # None was answered twice, but for those in flight at a kill.
    assert len(counted["successes_of_picture"]) == PICTURES
    twice = sum(count - 1 for count in counted["successes_of_picture"].values())
    assert twice <= KILLS * CONNECTIONS
    # The service did misbehave, and the limit was never crossed.
    assert {"throttle", "server_error", "drop_before", "drop_after", "garbage"} <= set(counted["fates"])
    assert counted["refused_by_limit"] == 0
    assert counted["largest_in_a_second"] <= LIMIT
    assert counted["most_in_flight"] <= CONNECTIONS
    # What went through memory meanwhile was many times as much.
    assert max(samples[warm:asked]) - samples[warm] < 48, samples
