"""`--devices N` and torchrun: one command in several processes, whatever ends one of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from forked import GdpProcess
from tiny_translation import make_tiny_teacher_recipe, make_tiny_translation
from tiny_world import make_tiny_world

from gdp.cli.common import EXIT_STOPPED, EXIT_TERMINATED

pytestmark = [pytest.mark.process, pytest.mark.training]

STEPS = 60
SETTINGS = (f"train.steps={STEPS}", "train.batch=6", "train.checkpoint_every=3", "train.sample_every=30")
RUN = ["run", "tiny.toml", "--until", "train", "--device", "cpu", *(f"--set={setting}" for setting in SETTINGS)]


def run_in(world: int, arguments: Sequence[str], folder: Path) -> list[subprocess.CompletedProcess[str]]:
    """Run `gdp ARGUMENTS` in so many processes that know of each other as torchrun tells them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    ranks = [GdpProcess(arguments, folder, environment={**shared, "RANK": str(rank)}) for rank in range(world)]
    return [rank.finish() for rank in ranks]


def newest_checkpoint(folder: Path) -> int:
    return max((int(path.name[5:]) for path in folder.glob("runs/tiny/train/*/checkpoints/step-*")), default=0)


def end_in_training(folder: Path, end: Callable[[subprocess.Popen[str]], None]) -> subprocess.CompletedProcess[str]:
    """Start the run on two devices and, when it has trained some steps, end it somehow."""
    before = newest_checkpoint(folder)
    command = [sys.executable, "-m", "gdp", *RUN, "--devices", "2"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **ONE_THREAD}
    ) as launcher:
        while launcher.poll() is None and newest_checkpoint(folder) <= before:
            time.sleep(0.02)
        started = processes_of(launcher.pid)
        end(launcher)
        output, errors = launcher.communicate(timeout=120)
    assert len(started) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in started), "a process hangs"
    return subprocess.CompletedProcess(command, launcher.returncode, output, errors)


ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def processes_of(launcher: int) -> list[int]:
    """Return what a launcher has started, rank 0 first."""
    return sorted(map(int, Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()))


def kill_rank_1(launcher: subprocess.Popen[str]) -> None:
    os.kill(processes_of(launcher.pid)[1], signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says which processes a command has started")
def test_a_stopped_and_a_killed_run_go_on_from_the_checkpoint_on_any_number_of_devices(tmp_path: Path) -> None:
    make_tiny_world(tmp_path)
    stopped = end_in_training(tmp_path, lambda launcher: launcher.send_signal(signal.SIGTERM))
    assert stopped.returncode == EXIT_TERMINATED, stopped.stderr
    assert "stopped by SIGTERM; the same command goes on from here" in stopped.stdout
    killed = end_in_training(tmp_path, kill_rank_1)
    assert killed.returncode == 1
    assert killed.stderr.count("error: ") == 1
    assert "process 2 of 2 was ended by SIGKILL" in killed.stderr
    assert "Traceback" not in killed.stderr
    before = newest_checkpoint(tmp_path)
    assert 0 < before < STEPS
    ended = run_in(3, RUN, tmp_path)
    assert [each.returncode for each in ended] == [EXIT_STOPPED, 0, 0], ended
    assert [each.stdout for each in ended[1:]] == ["", ""]
    (statistics,) = tmp_path.glob("runs/tiny/train/*/statistics.jsonl")
    steps = [json.loads(line)["step"] for line in statistics.read_text().splitlines()]
    assert steps == sorted(set(steps))
    assert steps[-1] == STEPS
    assert run_in(1, RUN, tmp_path)[0].returncode == EXIT_STOPPED  # all is up to date


SLOW_ROUTE = '{plugin = "slow-route", pictures = 6, steps = 8, student_repeats = 1, st_lpips = "none"}'
MEASURE = ["run", "tiny.toml", "--until", "evaluate", "--from", "evaluate", "--device", "cpu"]
MEASURE += [f"--set={setting}" for setting in ("train.steps=2", "train.batch=2", f"evaluators=[{SLOW_ROUTE}]")]


def test_pictures_are_projected_in_two_processes_as_in_one_to_the_bit(tmp_path: Path) -> None:
    make_tiny_world(tmp_path)
    run, numbers, rows = tmp_path / "runs" / "tiny", [], []
    for world in (1, 2):
        ended = run_in(world, MEASURE, tmp_path)
        assert [each.returncode for each in ended] == [EXIT_STOPPED, 0][:world], ended
        measured = json.loads((run / "metrics.json").read_text())
        protocol = measured["protocols"]["speed.slow_route_ms"]["protocol"]
        assert ("(several processes shared the other 5, which were not timed)" in protocol) == (world == 2)
        numbers.append(measured["quality"])
        rows.append([path.read_bytes() for path in sorted(run.glob("pictures/rows/*.png"))])
    assert numbers[0] == numbers[1]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 6 * 4


def test_a_teacher_trains_in_two_processes_and_one_writes(tmp_path: Path) -> None:
    recipe = make_tiny_teacher_recipe(tmp_path)
    first, second = run_in(2, ["train-teacher", recipe.name, "--device", "cpu", "--set", "train.steps=4"], tmp_path)
    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    assert "teacher.safetensors" in first.stdout
    assert second.stdout == ""
    assert (tmp_path / "runs" / "tiny-teacher" / "teacher.safetensors").is_file()


def test_a_batch_that_cannot_be_divided_is_refused_before_any_pair_is_made(tmp_path: Path) -> None:
    make_tiny_world(tmp_path)
    ended = run_in(2, [*RUN, "--set=train.batch=5"], tmp_path)
    assert [each.returncode for each in ended] == [1, 1]
    assert "train.batch=6" in ended[0].stderr
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_refuses_what_the_run_refuses_and_only_the_first_process_tells(tmp_path: Path) -> None:
    make_tiny_world(tmp_path)
    refused = run_in(1, [*RUN, "--set=train.batch=5", "--dry-run", "--devices", "3"], tmp_path)[0]
    assert refused.returncode == 1
    assert "FAIL devices: train.batch = 5 is the whole batch" in refused.stdout
    assert "--set train.batch=6" in refused.stdout
    first, second = run_in(2, [*RUN, "--dry-run"], tmp_path)
    assert (first.returncode, second.returncode, second.stdout) == (0, 0, "")
    assert "devices: 2 processes, each of which trains with 3 of the 6 pairs of a batch" in first.stdout
    assert first.stdout.endswith("ready to run; nothing was written\n")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("more", [["--dry-run"], []])
def test_more_devices_than_a_machine_can_have_use_for_are_refused_before_any_is_started(
    more: list[str], tmp_path: Path
) -> None:
    make_tiny_world(tmp_path)
    refused = run_in(1, [*RUN, "--devices", "100000", *more], tmp_path)[0]
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: --devices 100000: each is a process on this machine, which has ")


TEACHER_TRAINING = """
[teacher.train]
steps = 3
batch = 2
width = 3
blocks = 3
discriminator_width = 2
discriminator_layers = 2
precision = "float32"
"""


@pytest.mark.parametrize("more", [["--dry-run"], []])
def test_a_batch_of_the_teachers_that_cannot_be_divided_is_named_as_the_teachers(
    more: list[str], tmp_path: Path
) -> None:
    recipe = make_tiny_translation(tmp_path)
    recipe.write_text(recipe.read_text().replace('weights = "teacher.safetensors"\n', TEACHER_TRAINING))
    command = ["run", recipe.name, "--device", "cpu", "--set=train.batch=3", *more]
    for refused in run_in(3, command, tmp_path)[: 1 if more else 3]:
        assert refused.returncode == 1
        assert "teacher.train.batch = 2 is the whole batch" in refused.stdout + refused.stderr
        assert "--set teacher.train.batch=3" in refused.stdout + refused.stderr
    assert not (tmp_path / "runs").exists()
