"""A run is watched while it works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tiny_world import make_tiny_world

import gdp
from gdp.core.run.pipeline import Plan
from gdp.core.run_folder import RunFolder
from gdp.tools.watch import Sight, look


class _Looks:
    """Shows nothing, and looks at the run at every step, as another process may."""

    def __init__(self, folder: Path) -> None:
        self.folder = RunFolder(folder)
        self.seen: list[Sight] = []

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[gdp.ProgressTask]:
        self.seen.append(look(self.folder))
        yield self

    def advance(self, amount: int = 1, **status: float | str) -> None:
        self.seen.append(look(self.folder))

    def message(self, text: str) -> None:
        """Tell nobody."""


def test_at_every_moment_a_run_tells_what_it_is_at(tmp_path: Path) -> None:
    recipe, folder = make_tiny_world(tmp_path), tmp_path / "run"
    looks = _Looks(folder)
    small = ["pairs.count=24", "train.steps=4", "train.log_every=1", "train.sample_every=2"]
    gdp.run(recipe, folder=folder, overrides=small, plan=Plan(until="train"), progress=looks)
    assert {sight.state for sight in looks.seen} == {"running"}
    assert list(dict.fromkeys(sight.stage for sight in looks.seen)) == ["pairs", "filter", "train"]
    training = [sight for sight in looks.seen if sight.stage == "train" and sight.statistics]
    assert [sight.statistics["step"] for sight in training][-1] >= 3
    assert any(work.name == "train" for sight in training for work in sight.work)
    after = look(RunFolder(folder))
    assert (after.state, after.stage, after.work) == ("stopped", "", ())
    assert after.samples is not None and after.samples.name == "step-000004.png"
    assert not (folder / "progress.json").exists()
