"""A training that was stopped, killed or hindered goes on and ends in the bits of an unbroken one."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forked import processes
from small_disk import no_file_larger_than
from tiny_training import TinyStudent, train, train_long

from gdp.core.errors import DiskFullError, RunFolderError
from gdp.core.interfaces.students import TrainingPhase
from gdp.core.progress import SilentProgress

pytestmark = pytest.mark.training

PHASES = (
    TrainingPhase("half", 0.5),
    TrainingPhase("last", 0.25, frozenset({"last.weight", "last.bias"})),
    TrainingPhase("all", 0.25),
)


class Listener(SilentProgress):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


def outcome(folder: Path) -> dict[str, Any]:
    """Everything that must not depend on interruptions."""
    lines = [json.loads(line) for line in (folder / "statistics.jsonl").read_text(encoding="utf-8").splitlines()]
    for line in lines:
        del line["seconds"], line["images_per_s"]
    files = [folder / "student.safetensors", *sorted((folder / "samples").glob("*.png"))]
    return {"statistics": lines} | {path.name: path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("unbroken")
    train(folder, student=TinyStudent({"phases": PHASES}))
    return outcome(folder)


@pytest.mark.parametrize("stop_after", [1, 7, 11, 12, 23])
def test_a_stopped_training_ends_in_the_bits_of_an_unbroken_one(
    tmp_path: Path, unbroken: dict[str, Any], stop_after: int
) -> None:
    steps = itertools.count(1)
    stopped = train(tmp_path, student=TinyStudent({"phases": PHASES}), stop=lambda: next(steps) == stop_after)
    assert (stopped.finished, stopped.steps) == (False, stop_after)
    resumed = train(tmp_path, student=TinyStudent({"phases": PHASES}))
    assert (resumed.finished, resumed.steps) == (True, 24)
    assert resumed.seconds > stopped.seconds
    assert outcome(tmp_path) == unbroken


def test_a_finished_training_is_not_repeated_and_its_file_comes_back(tmp_path: Path, unbroken: dict[str, Any]) -> None:
    train(tmp_path, student=TinyStudent({"phases": PHASES}))
    (tmp_path / "student.safetensors").unlink()
    student = TinyStudent({"phases": PHASES})
    result = train(tmp_path, student=student, on_images=lambda step, path: pytest.fail("it trained"))
    assert result.finished
    assert outcome(tmp_path) == unbroken


def cut_the_tensors(checkpoint: Path) -> None:
    tensors = checkpoint / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:1000])


def change_a_digit_of_the_state(checkpoint: Path) -> None:
    state = checkpoint / "state.json"
    text = state.read_text()
    place = text.index('"seconds": ') + len('"seconds": ')
    state.write_text(f"{text[:place]}{1 - int(text[place] == '1')}{text[place + 1 :]}")


@pytest.mark.parametrize("damage", [cut_the_tensors, change_a_digit_of_the_state])
def test_a_damaged_newest_checkpoint_costs_only_the_steps_since_the_one_before(
    tmp_path: Path, unbroken: dict[str, Any], damage: Callable[[Path], None]
) -> None:
    steps = itertools.count(1)
    train(tmp_path, student=TinyStudent({"phases": PHASES}), stop=lambda: next(steps) == 16)
    damage(tmp_path / "checkpoints" / "step-00000016")
    listener = Listener()
    train(tmp_path, student=TinyStudent({"phases": PHASES}), progress=listener)
    assert any("step-00000016 is damaged" in message for message in listener.messages)
    assert outcome(tmp_path) == unbroken


def test_a_full_disk_ends_the_training_and_loses_nothing(tmp_path: Path, unbroken: dict[str, Any]) -> None:
    steps = itertools.count(1)
    train(tmp_path, student=TinyStudent({"phases": PHASES}), stop=lambda: next(steps) == 10)
    with no_file_larger_than(20_000), pytest.raises(DiskFullError, match="no space left"):
        train(tmp_path, student=TinyStudent({"phases": PHASES}))
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-00000007", "step-00000010"]
    train(tmp_path, student=TinyStudent({"phases": PHASES}))
    assert outcome(tmp_path) == unbroken


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunFolderError, match="cannot be written"):
        train(tmp_path)


def test_a_file_in_the_folders_place_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "train").write_text("in the way", encoding="utf-8")
    with pytest.raises(RunFolderError, match="cannot be written"):
        train(tmp_path / "train")


def checkpoints(folder: Path) -> set[Path]:
    return set((folder / "checkpoints").glob("step-*"))


@pytest.mark.process
@pytest.mark.parametrize(("kills", "steps"), [(4, 60), pytest.param(60, 900, marks=pytest.mark.soak)])
def test_a_killed_training_ends_in_the_bits_of_an_unbroken_one(tmp_path: Path, kills: int, steps: int) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(whole, steps=steps, checkpoint_every=30, sample_every=20)
    moments = random.Random(0)
    for _ in range(kills):
        process = processes.Process(target=train_long, args=(broken, steps))
        before = checkpoints(broken)
        process.start()
        while process.is_alive() and not checkpoints(broken) - before:
            time.sleep(0.002)
        process.join(moments.uniform(0.0, 0.05))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "it ends before it can be killed"
    train(broken, steps=steps, checkpoint_every=3, sample_every=20)
    assert outcome(broken) == outcome(whole)
