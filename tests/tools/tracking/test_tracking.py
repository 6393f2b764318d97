"""What trackers are told of a run that is stopped, killed and repeated, and what becomes of trackers that fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from gdp import Config, GdpError, MissingResourceError, PluginNotFoundError, TrackedRun, Tracker, UsageError
from gdp.core.run_folder import RunFolder
from gdp.registry import PluginRegistry
from gdp.tools.tracking import Tracking, line, open_trackers

RECIPE = {"name": "faces"}


class Book(Tracker):
    """Writes down what it is told; fails at a step, where it is told to."""

    def __init__(self, fails_at: int | None = None, hangs: bool = False) -> None:
        super().__init__(Config())
        self.told: list[tuple[Any, ...]] = []
        self.fails_at, self.hangs = fails_at, hangs
        self.released = threading.Event()

    def begin(self, run: TrackedRun) -> str:
        self.told.append(("begin", run.known))
        if self.fails_at == 0:
            raise ConnectionError("no server")
        return run.known or f"{run.name} {sum(what[0] == 'begin' for what in self.told)}"

    def metrics(self, stage: str, step: int, metrics: Mapping[str, float]) -> None:
        if self.hangs:
            self.released.wait(30)
        if step == self.fails_at:
            raise SystemExit("the service is gone")
        self.told.append((stage, step, dict(metrics)))

    def image(self, stage: str, step: int, path: Path) -> None:
        self.told.append(("image", step, path.name))

    def summary(self, stage: str, summary: Mapping[str, Any]) -> None:
        self.told.append(("summary", stage, dict(summary)))

    def end(self, outcome: str, artifacts: Sequence[Path]) -> None:
        self.told.append(("end", outcome, [path.name for path in artifacts]))

    @property
    def steps(self) -> list[int]:
        return [what[1] for what in self.told if what[0] == "train"]


class World:
    """A run's folder, and processes that train there: each tells its trackers of its steps."""

    def __init__(self, folder: Path, key: str = "ab" * 32) -> None:
        self.folder = RunFolder(folder)
        self.said: list[str] = []
        self.becomes(key)

    def becomes(self, key: str) -> None:
        """Let the training be another."""
        self.training = self.folder.stage_folder("train", key)
        self.training.mkdir(parents=True, exist_ok=True)
        self.folder.write_json("keys.json", {"train": key})

    def write(self, steps: Sequence[int]) -> None:
        lines = [{"step": step, "phase": "all", "generator": 1 / step} for step in steps]
        text = "".join(json.dumps(each) + "\n" for each in lines)
        (self.training / "statistics.jsonl").write_text(text)

    def process(
        self, book: Book, steps: Sequence[int], outcome: str | None = "finished", name: str = "book"
    ) -> Tracking:
        """Train these steps; `outcome` None is a kill."""
        registry, tracking = PluginRegistry(), Tracking(self.folder, {name: book}, self.said.append)
        registry.listen(tracking, "trackers")
        registry.notify("gdp_run_started", run=self.folder, recipe=RECIPE)
        for step in steps:
            self.write(range(1, step + 1))
            registry.notify("gdp_metrics", run=self.folder, stage="train", step=step, metrics={"generator": 1 / step})
        if outcome is None:
            tracking._lines[0].wait()
        else:
            if steps:
                registry.notify("gdp_stage_finished", run=self.folder, stage="train", summary={"steps": steps[-1]})
            registry.notify("gdp_run_finished", run=self.folder, outcome=outcome)
        tracking.close()
        return tracking


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_all_is_told_in_order_and_the_files_of_a_finished_run_are_handed_over(world: World, tmp_path: Path) -> None:
    book = Book()
    (tmp_path / "recipe.toml").touch()
    (tmp_path / "student").mkdir()
    tracking = world.process(book, [1, 2])
    assert book.told == [
        ("begin", None),
        ("train", 1, {"generator": 1.0}),
        ("train", 2, {"generator": 0.5}),
        ("summary", "train", {"steps": 2}),
        ("end", "finished", ["recipe.toml", "student"]),
    ]
    assert not tracking.failed
    assert world.folder.read_json("run.json")["trackers"] == {"book": "faces 1, told up to step 2"}
    world.process(book, [])
    assert book.told[-2:] == [("begin", "faces 1"), ("end", "finished", [])], "what is handed over once is not again"


def test_a_killed_training_that_goes_on_tells_no_number_twice_and_leaves_none_out(world: World) -> None:
    book = Book()
    world.process(book, range(1, 14), outcome=None)
    world.process(book, range(11, 21))
    assert book.steps == list(range(1, 21))
    assert [what for what in book.told if what[0] == "begin"] == [("begin", None), ("begin", "faces 1")]


@pytest.mark.parametrize("how", ["from its start", "of another key", "of another key, before it was tracked"])
def test_a_training_that_begins_anew_is_another_run_there(world: World, how: str) -> None:
    book = Book()
    world.process(book, range(1, 8))
    if how != "from its start":
        world.becomes("cd" * 32)
    if how.endswith("tracked"):
        world.write(range(1, 13))
    world.process(book, [] if how.endswith("tracked") else range(1, 13))
    assert book.steps == [*range(1, 8), *range(1, 13)]
    begun = [what for what in book.told if what[0] in ("begin", "end")]
    assert [what[1] for what in begun] == [None, "finished", "faces 1", "repeated", None, "finished"]


def test_what_was_not_tracked_is_told_afterwards(world: World) -> None:
    world.write(range(1, 6))
    samples = world.training / "samples"
    samples.mkdir()
    (samples / "step-000004.png").touch()
    book = Book()
    world.folder.write_json("metrics.json", {"quality": {"psnr_db": 30.5}, "protocols": {"quality.psnr_db": "of two"}})
    world.process(book, [])
    assert book.steps == [1, 2, 3, 4, 5]
    assert ("image", 4, "step-000004.png") in book.told
    assert ("evaluate", 0, {"quality.psnr_db": 30.5}) in book.told
    before = len(book.told)
    world.process(book, [])
    assert len(book.told) == before + 2, "begin and end, and nothing twice"


def test_a_tracker_that_fails_ends_no_training_and_is_told_at_once_and_in_the_records(world: World) -> None:
    book, sound = Book(fails_at=3), Book()
    tracking = world.process(book, range(1, 6))
    assert tracking.failed
    assert book.steps == [1, 2]
    (said,) = world.said
    assert "tracker book: faces 1, told up to step 2; failed: SystemExit: the service is gone" in said
    assert "--track book tells the rest" in said
    assert world.folder.read_json("run.json")["trackers"]["book"] in said
    events = [json.loads(text) for text in (world.folder.path / "events.jsonl").read_text().splitlines()]
    assert [(event["tracker"], event["told_up_to"]) for event in events if event["event"] == "tracker"] == [("book", 2)]
    world.process(sound, [])
    assert sound.steps == [3, 4, 5], "the same command tells the rest"


def test_a_tracker_that_cannot_begin_lets_no_run_begin(world: World) -> None:
    tracking = world.process(Book(fails_at=0), [])
    with pytest.raises(MissingResourceError, match=r"tracker book could not begin, so the run did not: .*no server"):
        tracking.require_begun()


def test_a_tracker_that_never_answers_keeps_no_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "PATIENCE", 0.3)
    book = Book(hangs=True)
    tracking = world.process(book, range(1, 6))
    assert tracking.outcomes == {"book": "faces 1, told no step; failed: it did not answer within 0.3 s"}
    book.released.set()


def test_notes_that_are_damaged_are_told_and_not_overlooked(world: World, tmp_path: Path) -> None:
    (tmp_path / "trackers").mkdir()
    (tmp_path / "trackers" / "book.json").write_text("[]")
    tracking = world.process(Book(), [1])
    with pytest.raises(MissingResourceError, match=r"book\.json: holds a list"):
        tracking.require_begun()


def test_a_comparison_s_trainings_are_not_mixed_with_the_runs_own(world: World, tmp_path: Path) -> None:
    book, registry = Book(), PluginRegistry()
    tracking = Tracking(world.folder, {"book": book}, world.said.append)
    registry.listen(tracking, "trackers")
    registry.notify("gdp_run_started", run=world.folder, recipe=RECIPE)
    variant = RunFolder(tmp_path / "variants" / "a")
    registry.notify("gdp_metrics", run=variant, stage="train", step=5, metrics={"generator": 1.0})
    registry.notify("gdp_run_finished", run=world.folder, outcome="stopped")
    assert book.told == [("begin", None), ("end", "stopped", [])]
    tracking.close()


@pytest.mark.parametrize(
    ("written", "error", "told"),
    [
        (["tensorbord"], PluginNotFoundError, "did you mean tensorboard"),
        (["tensorboard:colour=red"], UsageError, "--track: tracker tensorboard .*colour"),
        (["nobody:tensorboard:folder=x"], PluginNotFoundError, "no tracker .tensorboard. is of a package nobody"),
        (["tensorboard:colour"], GdpError, "write NAME, or NAME:KEY=VALUE"),
        ([":folder=x"], GdpError, "write NAME"),
        ({"mlflow": {"experiment": 5}}, GdpError, "experiment"),
    ],
)
def test_what_cannot_be_chosen_is_told_before_anything_is_done(written: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        open_trackers(PluginRegistry.discover(), written)


def test_a_tracker_is_named_with_its_package_as_a_clash_advises(tmp_path: Path) -> None:
    for written in ("gdp-distill:tensorboard", f"gdp-distill:tensorboard:folder={tmp_path}"):
        (opened,) = open_trackers(PluginRegistry.discover(), [written]).items()
        assert opened[0] == "gdp-distill:tensorboard"
        assert (opened[1].config.folder == tmp_path) == ("folder" in written)
