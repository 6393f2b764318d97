"""SIGKILL at random moments of every stage: the resumed run equals an unbroken one, bit for bit."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from pathlib import Path

import pytest
import stored_pairs
from killing import finish, kill_when
from tiny_world import make_tiny_world

from gdp.core.pairs.store import PairStore

STAGES = ("pairs", "filter", "train")
OVERRIDES = ("pairs.count=160", "train.steps=40", "train.checkpoint_every=4", "train.sample_every=20")


def arguments(recipe: Path) -> list[str]:
    sets = [argument for override in OVERRIDES for argument in ("--set", override)]
    return ["run", str(recipe), "--until", "train", *sets]


def begun(recipe: Path) -> list[str]:
    """Return the stages that were begun, in the order of the log."""
    log = recipe.parent / "runs" / "tiny" / "log.txt"
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.split()[1].rstrip(":") for line in lines if line.endswith(": begins")]


def digest(recipe: Path) -> tuple[str, str]:
    """Hash the manifest with the shards, and the student's weights."""
    folder = recipe.parent / "runs" / "tiny"
    (store_folder,) = (folder / "pairs").iterdir()
    (weights,) = folder.glob("train/*/student.safetensors")
    with PairStore.open(store_folder, read_only=True) as store:
        stored_pairs.verify(store)
        pairs = stored_pairs.digest(store)
    return pairs, hashlib.sha256(weights.read_bytes()).hexdigest()


def seconds(recipe: Path, stage: str) -> float:
    """Return how long a stage of a finished run took."""
    stages = json.loads((recipe.parent / "runs" / "tiny" / "stages.json").read_text())
    return float(stages[stage]["seconds"])


def kill_in(recipe: Path, stage: str, chance: random.Random, longest: float) -> bool:
    """Start the run and kill it while it does a stage, or a later one where that is done; False if it ended before."""
    before = len(begun(recipe))

    def begins() -> bool:
        return any(STAGES.index(each) >= STAGES.index(stage) for each in begun(recipe)[before:] if each in STAGES)

    def passes() -> bool:
        return stage in begun(recipe)[before:-1]

    return kill_when(arguments(recipe), recipe.parent, begins, chance, longest, passes)


def make_world(folder: Path) -> Path:
    folder.mkdir()
    return make_tiny_world(folder)


def finished(recipe: Path) -> tuple[str, str]:
    finish(arguments(recipe), recipe.parent)
    return digest(recipe)


@pytest.mark.parametrize("kills", [6, pytest.param(60, marks=pytest.mark.soak)])
def test_kills_change_no_bit(tmp_path: Path, kills: int) -> None:
    unbroken = make_world(tmp_path / "unbroken")
    expected = finished(unbroken)
    chance = random.Random(20)
    killed: Counter[str] = Counter()
    attempt = 0
    while killed.total() < kills or set(killed) != set(STAGES):
        recipe = make_world(tmp_path / f"broken-{attempt}")
        for stage in STAGES:
            for _ in range(2):
                if kill_in(recipe, stage, chance, seconds(unbroken, stage)):
                    killed[begun(recipe)[-1]] += 1
        assert finished(recipe) == expected, f"after {dict(killed)}"
        attempt += 1
        assert attempt <= kills, f"the run ends before it can be killed: {dict(killed)}"
