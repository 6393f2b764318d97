"""SIGKILL in system B: a teacher's training and a distillation end in the bits of unbroken ones."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

from killing import finish, kill_when
from tiny_translation import make_tiny_teacher_recipe, make_tiny_translation

KILLS = 5
DISTILLATION = ("--until", "train", "--set", "train.steps=30", "--set", "train.checkpoint_every=3")


def digest(*files: Path) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]


def statistics(folder: Path) -> list[Path]:
    return list(folder.glob("**/statistics.jsonl"))


def test_a_killed_distillation_ends_in_the_same_bits(tmp_path: Path) -> None:
    def trained(folder: Path) -> list[str]:
        (run,) = (folder / "runs" / "tiny" / "train").iterdir()
        return digest(*(run / name for name in ("student.safetensors", "opposite.safetensors", "losses.safetensors")))

    chance = random.Random(4)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        make_tiny_translation(folder)
    arguments = ("run", "tiny.toml", *DISTILLATION)
    finish(arguments, whole)
    killed = sum(kill_when(arguments, broken, lambda: bool(statistics(broken)), chance, 1.5) for _ in range(KILLS))
    finish(arguments, broken)
    assert killed >= 2, "the run ends before it can be killed"
    assert trained(broken) == trained(whole)


def test_a_killed_teacher_training_ends_in_the_same_bits(tmp_path: Path) -> None:
    chance = random.Random(5)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        make_tiny_teacher_recipe(folder)
    arguments = ("train-teacher", "teacher.toml", "--folder", "teacher")
    finish(arguments, whole)
    killed = sum(kill_when(arguments, broken, lambda: bool(statistics(broken)), chance, 1.5) for _ in range(KILLS))
    finish(arguments, broken)
    assert killed >= 2, "the training ends before it can be killed"
    names = ("teacher.safetensors", "held_out.jsonl", "samples/step-000024.png")
    assert digest(*(broken / "teacher" / n for n in names)) == digest(*(whole / "teacher" / n for n in names))
