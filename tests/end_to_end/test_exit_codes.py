"""Finished, failed, told to stop and interrupted are told apart by a command's exit code."""

from __future__ import annotations

import json
import os
import signal
import time
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


@pytest.mark.parametrize(
    "arguments",
    [
        ("find-direction", "--filter", "face-attributes", "--label", "source_age", "--samples", "1000000"),
    ],
)
@pytest.mark.parametrize("number", list(CODES))
def test_whatever_is_interrupted_ends_as_shells_expect(
    tmp_path: Path, arguments: tuple[str, ...], number: signal.Signals
) -> None:
    process = GdpProcess(arguments, tmp_path)
    time.sleep(2)  # by then it is at work, for minutes
    os.kill(process.pid, number)
    done = process.finish()
    assert done.returncode == CODES[number], done.stderr
    assert "Traceback" not in done.stderr
    assert "stopped" in done.stderr
