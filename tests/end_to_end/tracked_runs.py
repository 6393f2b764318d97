"""A run that is tracked, fails in the midst of its training, and goes on from its checkpoint; and what it wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tiny_world import make_tiny_world

import gdp

SMALL = ["pairs.count=24", "train.steps=16", "train.log_every=1", "train.sample_every=8", "train.checkpoint_every=5"]
BREAKS_AT, RESUMES_AT = 13, 10
TIMES = ("seconds", "images_per_s")
"""Numbers of `statistics.jsonl` that a repeated step has others of."""


class _Breaks:
    """Progress that nobody sees, of a training that breaks down."""

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[gdp.ProgressTask]:
        self.name, self.done = name, done
        yield self

    def advance(self, amount: int = 1, **status: float | str) -> None:
        self.done += amount
        if self.name == "train" and self.done >= BREAKS_AT:
            raise ConnectionResetError("the machine is gone")

    def message(self, text: str) -> None:
        """Tell nobody."""


def tracked_run(folder: Path, track: Mapping[str, Mapping[str, Any]]) -> Path:
    """Make the tiny run, broken off at step 13 and gone on from step 10; return its folder."""
    recipe, run = make_tiny_world(folder), folder / "run"
    with pytest.raises(ConnectionResetError):
        gdp.run(recipe, folder=run, overrides=SMALL, track=track, progress=_Breaks())
    assert gdp.run(recipe, folder=run, overrides=SMALL, track=track, progress=gdp.SilentProgress()).report.is_file()
    return run


def require_equal(found: Mapping[int, Mapping[str, float]], run: Path) -> None:
    """Hold numbers, by step and name, against `statistics.jsonl`: to the bit, each step once."""
    (file,) = run.glob("train/*/statistics.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    expected = {line.pop("step"): {name: line[name] for name in line if name != "phase"} for line in lines}
    assert sorted(found) == sorted(expected) == list(range(1, 17))
    for step, numbers in expected.items():
        repeated = RESUMES_AT < step <= BREAKS_AT
        assert found[step].keys() == numbers.keys()
        for name, value in numbers.items():
            if not (repeated and name in TIMES):
                assert found[step][name] == value, (step, name)


def metrics_of(run: Path) -> dict[str, float]:
    """Return what the run measured in the end."""
    return gdp.FinishedRun(run, None).metrics  # type: ignore[arg-type]  # only its folder is asked
