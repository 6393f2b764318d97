"""SIGKILL in system B: a teacher's training and a distillation end in the bits of unbroken ones."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
from killing import finish, kill_when
from tiny_translation import make_tiny_teacher_recipe, make_tiny_translation

STEPS_A_KILL = 12
KILLS = pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.soak)])


def digest(*files: Path) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]


def checkpoints(folder: Path) -> set[Path]:
    return set(folder.glob("**/checkpoints/step-*"))


def kill_often(arguments: tuple[str, ...], folder: Path, kills: int, chance: random.Random) -> None:
    """Kill the command so many times, each time up to 0.2 s after it has written a checkpoint, and let it finish."""
    for _ in range(kills):
        before = checkpoints(folder)
        killed = kill_when(arguments, folder, lambda before=before: bool(checkpoints(folder) - before), chance, 0.2)
        assert killed, "it ends before it can be killed"
    finish(arguments, folder)


@KILLS
def test_a_killed_distillation_ends_in_the_same_bits(tmp_path: Path, kills: int) -> None:
    def trained(folder: Path) -> list[str]:
        (run,) = (folder / "runs" / "tiny" / "train").iterdir()
        return digest(*(run / name for name in ("student.safetensors", "opposite.safetensors", "losses.safetensors")))

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        make_tiny_translation(folder)
    sets = ("--set", f"train.steps={kills * STEPS_A_KILL}", "--set", "train.checkpoint_every=3")
    arguments = ("run", "tiny.toml", "--until", "train", *sets)
    finish(arguments, whole)
    kill_often(arguments, broken, kills, random.Random(4))
    assert trained(broken) == trained(whole)


@KILLS
def test_a_killed_teacher_training_ends_in_the_same_bits(tmp_path: Path, kills: int) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        make_tiny_teacher_recipe(folder)
    steps = kills * STEPS_A_KILL
    arguments = ("train-teacher", "teacher.toml", "--folder", "teacher", "--set", f"train.steps={steps}")
    finish(arguments, whole)
    kill_often(arguments, broken, kills, random.Random(5))
    names = ("teacher.safetensors", "held_out.jsonl", f"samples/step-{steps:06}.png")
    assert digest(*(broken / "teacher" / n for n in names)) == digest(*(whole / "teacher" / n for n in names))
