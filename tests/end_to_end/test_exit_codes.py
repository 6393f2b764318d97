"""Finished, failed, told to stop and interrupted are told apart by a command's exit code."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from commands import gdp_command
from forked import GdpProcess
from PIL import Image
from tiny_world import make_tiny_world

LONG = ("--set", "train.steps=100000")
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}

pytestmark = pytest.mark.process


def interrupt(process: GdpProcess, is_there: Path, number: signal.Signals) -> CompletedProcess[str]:
    """Send a signal when a file is there."""
    while not is_there.exists():
        assert process.runs(), process.finish().stderr
        time.sleep(0.02)
    os.kill(process.pid, number)
    return process.finish()


@pytest.mark.training
@pytest.mark.parametrize("number", list(CODES))
def test_an_interrupted_run_says_so_and_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    recipe = make_tiny_world(tmp_path)
    process = GdpProcess(("run", recipe, "--json", *LONG), tmp_path)
    done = interrupt(process, tmp_path / "runs" / "tiny" / "funnel.json", number)
    assert done.returncode == CODES[number], done.stderr
    told = json.loads(done.stdout)
    assert (told["state"], told["stopped_by"]) == ("stopped", number.name)
    assert json.loads((tmp_path / "runs" / "tiny" / "run.json").read_text())["state"] == "stopped"


def test_a_run_that_was_told_where_to_stop_is_neither_finished_nor_failed(tmp_path: Path) -> None:
    recipe = make_tiny_world(tmp_path)
    done = gdp_command("run", recipe, "--until", "pairs", "--json", cwd=tmp_path)
    assert done.exit_code == 3, done.output
    assert json.loads(done.stdout)["stopped_by"] == "--until pairs"
    done = gdp_command("run", recipe, "--max-hours", "0", cwd=tmp_path)
    assert done.exit_code == 3, done.output


@pytest.mark.parametrize("number", list(CODES))
def test_an_interrupted_apply_counts_what_is_left(finished_run: Path, tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "photos").mkdir()
    for name in range(3000):
        Image.new("RGB", (64, 64), (name % 256, 90, 60)).save(tmp_path / "photos" / f"{name}.png")
    process = GdpProcess(
        ("apply", finished_run, "photos", "-o", "out", "--json", "--engine", "torch", "--batch", "1"), tmp_path
    )
    done = interrupt(process, tmp_path / "out", number)
    assert done.returncode == CODES[number], done.stderr
    told = json.loads(done.stdout)
    assert told["state"] == "stopped"
    assert len(told["written"]) + len(told["left"]) == 3000
    assert {Path(file).name for file in told["written"]} == {file.name for file in (tmp_path / "out").iterdir()}
    assert f"stopped by {number.name}: of {len(told['left'])} of 3000 inputs nothing is written yet" in done.stderr


LASTING = {
    "bench": "bench runs/tiny --engines torch --repeats 100000 --slow-steps 0",
    "bench --paper": "bench --paper --engines torch",
    "estimate": "estimate tiny.toml --seconds 600",
    "fetch-data": "fetch-data monet2photo --mirror {silent}",
    "find-direction": "find-direction tiny.toml --filter sharpness --label source --samples 1000000",
    "prune": "prune scenes/runs/tiny --macs 0.8 --steps 100000",
    "push": "push runs/tiny ada/tiny",
    "run": "run tiny.toml --set train.steps=100000",
    "train-teacher": "train-teacher teacher.toml --set train.epochs= --set train.steps=100000",
}
"""Commands that would work for minutes."""
BRIEF = {
    "apply": "apply runs/tiny photos -o new --engine torch",
    "convert": "convert age.npy -o new.safetensors",
    "doctor": "doctor runs/tiny --repair",
    "export": "export runs/tiny --to openvino -o new",
    "filter": "filter runs/tiny --set filters.0.min_sharpness=0.0",
    "list-plugins": "list-plugins",
    "make-judge": "make-judge --list",
    "new-plugin": "new-plugin filter contrast",
    "pairs": "pairs runs/tiny --sheet new.html",
    "report": "report runs/tiny",
    "runs": "runs",
    "schema": "schema",
    "validate": "validate tiny.toml",
}
"""Commands that may have ended before they are interrupted, and then end well."""
SIGNALS = pytest.mark.parametrize("number", list(CODES), ids=["SIGINT", "SIGTERM"])


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def answers_signals(process: GdpProcess) -> bool:
    """Say whether a process has a handler of SIGTERM: before that the system ends it, as shells expect, too."""
    if not process.runs():
        return True
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def end_of_interrupted(
    line: str, folder: Path, number: signal.Signals, seconds: float, silent: str
) -> CompletedProcess[str]:
    """Send a command a signal so many seconds after it can be told."""
    surroundings = {"HF_ENDPOINT": silent, "HF_TOKEN": "none"}
    process = GdpProcess(line.format(silent=silent).split(), folder, environment=surroundings)
    while not answers_signals(process):
        time.sleep(0.01)
    process.wait(seconds)
    if process.runs():
        os.kill(process.pid, number)
    process.wait(60)
    if process.runs():
        process.kill()
    return process.finish()


@pytest.mark.parametrize("name", LASTING)
@SIGNALS
def test_whatever_is_interrupted_ends_as_shells_expect(
    name: str, number: signal.Signals, lines_world: Path, tmp_path: Path, silent: str
) -> None:
    world = shutil.copytree(lines_world, tmp_path / "world", symlinks=True)
    done = end_of_interrupted(LASTING[name], world, number, 0.5, silent)
    assert done.returncode == CODES[number], done.stderr
    assert "Traceback" not in done.stderr
    assert "stopped" in done.stdout + done.stderr


@pytest.mark.soak
@pytest.mark.parametrize("name", [*LASTING, *BRIEF])
@SIGNALS
def test_at_no_moment_is_an_interruption_lost_or_taken_for_a_failure(
    name: str, number: signal.Signals, lines_world: Path, tmp_path: Path, silent: str
) -> None:
    chance = random.Random(name)
    for turn in range(8):
        world = shutil.copytree(lines_world, tmp_path / f"world {turn}", symlinks=True)
        seconds = chance.uniform(0.0, 4.0 if name in LASTING else 0.6)
        done = end_of_interrupted((LASTING | BRIEF)[name], world, number, seconds, silent)
        assert done.returncode in ((CODES[number],) if name in LASTING else (CODES[number], 0)), done.stderr
        assert "Traceback" not in done.stderr
        assert not [path for path in world.rglob(".*") if path.is_file() and "part" in path.name]
