"""Whatever memory a run is given, it makes the same bits: pairs, verdicts, weights, numbers and pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gdp.api import open_session
from gdp.core.errors import OutOfMemoryError
from gdp.core.interfaces.pair_sources import PairSource
from gdp.core.progress import SilentProgress
from gdp.core.run.pipeline import Plan, execute
from gdp.core.run.session import Session

pytestmark = pytest.mark.training
RECIPE = """\
name = "bounded"
seed = 3

[teacher]
plugin = "stylegan2"

[pairs]
plugin = "latent-direction"
count = 14
held_out = 0.4

[[filters]]
plugin = "sharpness"
only_score = true

[[filters]]
plugin = "face-attributes"
only_score = true

[[filters]]
plugin = "duplicate"

[student]
plugin = "pix2pixhd"
width = 4
downsamplings = 1
blocks = 1
discriminator_width = 4
num_discriminators = 1

[[losses]]
plugin = "l1"

[train]
steps = 3
batch = 4

[[evaluators]]
plugin = "held-out"

[[evaluators]]
plugin = "face-attributes"

[[evaluators]]
plugin = "rendered-faces"
count = 5
years = 20
"""
LITTLE, MUCH = "1MiB", "64GB"


class Messages(SilentProgress):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def message(self, text: str) -> None:
        self.told.append(text)


def open_bounded(folder: Path, memory: str, progress: Messages | None = None) -> Session:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.toml").write_text(RECIPE)
    overrides = [f'limits.memory="{memory}"']
    return open_session(
        folder / "recipe.toml", folder=folder / "run", overrides=overrides, device="cpu", progress=progress
    )


def outcome(run: Path) -> Iterator[tuple[str, Any]]:
    """Yield everything that the run has made and that does not tell of time."""
    for path in sorted(path for path in run.rglob("*") if path.suffix in (".tar", ".safetensors", ".png")):
        yield str(path.relative_to(run)), path.read_bytes()
    numbers = json.loads((run / "metrics.json").read_text())
    yield "metrics.json", numbers
    yield "funnel.json", json.loads((run / "funnel.json").read_text())
    (held_out,) = run.glob("**/held_out.jsonl")
    yield "held_out.jsonl", held_out.read_text()


def test_a_run_makes_the_same_bits_whatever_memory_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together: dict[str, list[int]] = {LITTLE: [], MUCH: []}
    for memory, made in together.items():
        session = open_bounded(tmp_path / memory, memory)
        make = session.pair_source.make
        monkeypatch.setattr(
            session.pair_source,
            "make",
            lambda indices, make=make, made=made: made.append(len(indices)) or make(indices),
        )
        assert "evaluate" in execute(session, Plan(until="evaluate")).done
    assert together == {LITTLE: [2] * 7, MUCH: [14]}
    little, much = (dict(outcome(tmp_path / memory / "run")) for memory in (LITTLE, MUCH))
    assert little.keys() == much.keys() and len(little) > 20
    assert [name for name in little if little[name] != much[name]] == []


def test_the_bound_is_no_part_of_any_key(tmp_path: Path) -> None:
    from gdp.core.run.steps import keys_until

    keys = [keys_until(open_bounded(tmp_path / memory, memory), "pairs") for memory in (LITTLE, MUCH)]
    assert keys[0] == keys[1]


def test_pairs_that_do_not_fit_into_memory_are_told_with_what_to_lower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_bounded(tmp_path, MUCH)

    def too_many(self: PairSource, indices: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(type(session.pair_source), "make", too_many)
    with pytest.raises(OutOfMemoryError, match=r"making 14 pairs of 64 x 64 px did not fit .* Lower --memory"):
        execute(session, Plan(until="pairs"))


def test_a_bound_below_one_pair_is_told_and_the_pairs_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Messages()
    session = open_bounded(tmp_path, LITTLE, progress)
    monkeypatch.setattr("gdp.core.run.stages.pairs.BYTES", 100)
    execute(session, Plan(until="pairs"))
    (told,) = [text for text in progress.told if "take about" in text]
    assert told.startswith("pairs of 64 x 64 px take about 2 MB each while they are worked on")
    with session.open_store(read_only=True) as store:
        assert len(store) == 14
        assert torch.isfinite(store.load([3]).source).all()
