"""Ray's workers make and judge a run's pairs, and hand them over by S3; killed, they change nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
from forked import GdpProcess
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


def worked(world: WorkersWorld, process: GdpProcess, more: int) -> bool:
    """Wait until so many more pairs are made or judged; False where the command ended before."""

    def done() -> int:
        return world.noted("made").total() + world.noted("judged").total()

    before = done()
    return wait_until(process, lambda: done() > before + more)


PAIRS, WORKER_KILLS, COMMAND_KILLS = 2000, 20, 5


@pytest.mark.soak
def test_twenty_killed_workers_and_five_killed_commands_change_nothing_and_repeat_no_payment(tmp_path: Path) -> None:
    with EmulatorProcess(Settings(latency=0.02, judge="measures")) as emulator:
        section = '\n[[filters]]\nplugin = "azure-face"\nof = "source"\nenlarge_to = 0\nonly_score = true\n'
        more = f'{section}endpoint = "{emulator.endpoint}"\n'
        seconds = float(os.environ.get("GDP_SOAK_SECONDS", "0.05"))
        world = make_workers_world(tmp_path, PAIRS, seconds, more, {"AZURE_FACE_KEY": emulator.key})
        chance = random.Random(3)
        options = "--executor", "ray", "--workers", "4"
        killed = ended = 0
        started = time.monotonic()
        while killed < WORKER_KILLS or ended < COMMAND_KILLS:
            process = world.start("many", *options)
            wanted = -(-(WORKER_KILLS - killed) // max(1, COMMAND_KILLS - ended))
            committed, made = world.committed("many"), world.noted("made")
            for _ in range(wanted):
                assert worked(world, process, chance.randint(8, 80)), process.finish().stderr
                killed += kill_one(process, chance, kill)
            if ended < COMMAND_KILLS:
                worked(world, process, chance.randint(100, 300))
                process.kill()
                ended += process.finish().returncode == -signal.SIGKILL
            else:
                assert process.finish().returncode == 3
            again = [index for index in committed if world.noted("made")[index] > made[index]]
            assert again == []  # nothing that was committed
        world.finish("many", *options)
        seconds = time.monotonic() - started
        repeated = {log: world.noted(log).total() - PAIRS for log in ("made", "judged")}
        counted = emulator.statistics("pictures")
        paid = sum(counted["successes_of_picture"].values())
        asked = len(counted["successes_of_picture"])
        world.finish("one")
    assert world.contents("many") == world.contents("one")
    assert emulator_was_paid_once(paid, asked)
    figures = {"killed": killed, "ended": ended, "seconds": round(seconds), "again": repeated, "paid": [paid, asked]}
    print(json.dumps(figures))


def emulator_was_paid_once(paid: int, asked: int) -> bool:
    """Say whether no picture was paid for twice, but for those in flight when a command was killed."""
    return paid - asked <= COMMAND_KILLS * 8
