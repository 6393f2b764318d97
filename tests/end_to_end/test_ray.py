"""Ray's workers make and judge a run's pairs, and hand them over by S3; killed, they change nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import boto3
import pytest
from s3_emulator import s3_emulator
from workers_world import WorkersWorld, kill_one, make_workers_world, twice, wait_until

from gdp.testing.azure_face import EmulatorProcess, Settings

pytest.importorskip("ray")


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_pairs_of_rays_workers_handed_over_by_s3_are_those_of_one_process_though_one_is_killed(tmp_path: Path) -> None:
    with s3_emulator("pairs") as variables:
        world = make_workers_world(tmp_path, 64, seconds=0.02, environment=variables)
        world.finish("one")
        for log in ("made", "judged"):
            (tmp_path / f"{log}.log").unlink()
        process = world.start("many", "--executor", "ray", "--workers", "2", "--hand-over", "s3://pairs/here")
        assert wait_until(process, lambda: world.noted("made").total() > 5)
        assert kill_one(process, random.Random(1), kill)
        done = process.finish()
        assert done.returncode == 3, done.stderr
    assert world.contents("many") == world.contents("one")
    assert len(twice(world.noted("made"))) <= 16  # those of the range that the killed one had in hand
    assert world.noted("judged").total() == 64
    assert "was lost" in (tmp_path / "many" / "log.txt").read_text()


PAIRS, WORKER_KILLS, COMMAND_KILLS = 2000, 20, 5
CONNECTIONS = 8
HANGS = ("made-300", "made-1100", "judged-700", "judged-1500")
PAID_FILTER = """
[[filters]]
plugin = "azure-face"
of = "source"
only_score = true
endpoint = "{endpoint}"
connections = {connections}
calls_per_second = 100
"""


@dataclass
class _Soak:
    """A run that is killed all the way: while pairs are made, while workers judge them, while answers are paid for."""

    world: WorkersWorld
    emulator: EmulatorProcess
    options: Sequence[str]
    chance: random.Random = field(default_factory=lambda: random.Random(3))
    workers_killed: list[int] = field(default_factory=list)
    """How far the run was at each."""
    commands_killed: list[int] = field(default_factory=list)

    def progress(self) -> int:
        """Return how many pairs were made, judged and paid for, repetitions left out: 3 * PAIRS at most."""
        done = len(self.world.noted("made")) + len(self.world.noted("judged"))
        paid = self.emulator.statistics("progress")["successes"] if done == 2 * PAIRS else 0
        return done + min(paid, PAIRS)

    def is_at(self, moment: float) -> bool:
        """Say whether the run is as far as that."""
        return self.progress() >= moment

    def kill_all_the_way(self) -> None:
        """Kill workers at moments spread over their work, and commands at moments spread over the whole run."""
        moments = [
            (2 * PAIRS * (number + self.chance.random()) / WORKER_KILLS, False) for number in range(WORKER_KILLS)
        ]
        moments += [
            (3 * PAIRS * (number + self.chance.uniform(0.2, 0.8)) / COMMAND_KILLS, True)
            for number in range(COMMAND_KILLS)
        ]
        rest = iter(sorted(moments))
        for _ in range(COMMAND_KILLS):
            self._live(rest)

    def _live(self, moments: Iterator[tuple[float, bool]]) -> None:
        """Start the command, kill workers, and at last the command itself."""
        committed, made = self.world.committed("many"), self.world.noted("made")
        process = self.world.start("many", *self.options)
        for moment, ends in moments:
            assert wait_until(process, partial(self.is_at, moment)), process.finish().stderr
            if ends:
                break
            assert kill_one(process, self.chance, kill), process.finish().stderr
            self.workers_killed.append(self.progress())
        process.kill()
        assert process.finish().returncode == -signal.SIGKILL
        self.commands_killed.append(self.progress())
        again = self.world.noted("made")
        assert [index for index in committed if again[index] > made[index]] == []  # none that was committed


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_twenty_killed_workers_and_five_killed_commands_change_nothing_and_repeat_no_payment(tmp_path: Path) -> None:
    settings = Settings(latency=0.02, judge="measures")
    with EmulatorProcess(settings) as emulator, s3_emulator("pairs") as variables:
        filter_ = PAID_FILTER.format(endpoint=emulator.endpoint, connections=CONNECTIONS)
        surroundings = {"AZURE_FACE_KEY": emulator.key, **variables}
        world = make_workers_world(tmp_path, PAIRS, 0.03, filter_, surroundings)
        for hang in HANGS:
            (tmp_path / f"hang-{hang}").touch()
        options = "--executor", "ray", "--workers", "4", "--hand-over", "s3://pairs/soak", "--patience", "30"
        soak = _Soak(world, emulator, options)
        started = time.monotonic()
        soak.kill_all_the_way()
        world.finish("many", *options)
        seconds = time.monotonic() - started
        repeated = {log: world.noted(log).total() - PAIRS for log in ("made", "judged")}
        answered = Counter(emulator.statistics("pictures")["successes_of_picture"])
        left = boto3.client("s3").list_objects_v2(Bucket="pairs")["KeyCount"]
        paid_for_itself = replace(world, environment={**world.environment, "GDP_ANSWERS": str(tmp_path / "others")})
        paid_for_itself.finish("one")
    log = (tmp_path / "many" / "log.txt").read_text()
    figures = {
        "seconds": round(seconds), "workers killed at": soak.workers_killed, "commands killed at": soak.commands_killed,
        "lost": log.count("was lost"), "hung": log.count("has said nothing"), "again": repeated,
        "pictures": len(answered), "answers": answered.total(),
    }  # fmt: skip
    print(json.dumps(figures))
    assert world.contents("many") == world.contents("one")
    assert len(soak.workers_killed) == WORKER_KILLS
    assert log.count("has said nothing for 30 s") > 0
    assert left == 0  # of what was handed over
    # Answers that were on their way when a command was killed are asked for again; no other.
    amid_payments = [moment for moment in soak.commands_killed if moment >= 2 * PAIRS]
    assert len(amid_payments) > 0
    assert len(answered) > 0.9 * PAIRS
    assert answered.total() - len(answered) <= len(amid_payments) * CONNECTIONS
