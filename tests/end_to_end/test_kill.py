"""SIGKILL at 20 random moments: the resumed run equals an unbroken one, bit for bit."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from pathlib import Path

import stored_pairs
from killing import finish, kill_when
from tiny_world import make_tiny_world

from gdp.core.pairs.store import PairStore

KILLS = 20
STAGES = ("pairs", "filter", "train")
OVERRIDES = ("pairs.count=160", "train.steps=40", "train.checkpoint_every=4", "train.sample_every=20")


def arguments(recipe: Path) -> list[str]:
    sets = [argument for override in OVERRIDES for argument in ("--set", override)]
    return ["run", str(recipe), "--until", "train", *sets]


def present_stage(recipe: Path) -> str:
    log = recipe.parent / "runs" / "tiny" / "log.txt"
    begun = [line for line in log.read_text().splitlines() if "begins" in line] if log.exists() else []
    return begun[-1].split()[1].rstrip(":") if begun else "start"


def digest(recipe: Path) -> tuple[str, str]:
    """Hash the manifest with the shards, and the student's weights."""
    folder = recipe.parent / "runs" / "tiny"
    (store_folder,) = (folder / "pairs").iterdir()
    (weights,) = folder.glob("train/*/student.safetensors")
    with PairStore.open(store_folder, read_only=True) as store:
        stored_pairs.verify(store)
        pairs = stored_pairs.digest(store)
    return pairs, hashlib.sha256(weights.read_bytes()).hexdigest()


def kill_in(recipe: Path, stage: str, chance: random.Random) -> bool:
    """Start the run and kill it up to 0.6 s into a stage; False if it ended before."""
    return kill_when(arguments(recipe), recipe.parent, lambda: present_stage(recipe) == stage, chance, 0.6)


def finished(recipe: Path) -> tuple[str, str]:
    finish(arguments(recipe), recipe.parent)
    return digest(recipe)


def test_twenty_kills_change_no_bit(tmp_path: Path) -> None:
    (tmp_path / "unbroken").mkdir()
    expected = finished(make_tiny_world(tmp_path / "unbroken"))
    chance = random.Random(20)
    killed: Counter[str] = Counter()
    attempt = 0
    while killed.total() < KILLS:
        folder = tmp_path / f"broken-{attempt}"
        folder.mkdir()
        recipe = make_tiny_world(folder)
        for stage in STAGES:
            for _ in range(2):
                if killed.total() < KILLS and kill_in(recipe, stage, chance):
                    killed[stage] += 1
        assert finished(recipe) == expected, f"after {dict(killed)}"
        attempt += 1
        assert attempt < KILLS, f"the run ends before it can be killed: {dict(killed)}"
    assert set(killed) == set(STAGES), f"some stage was never killed: {dict(killed)}"
