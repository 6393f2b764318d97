"""What trackers promise: they take all that a run tells, and know a run again that goes on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gdp.support.interfaces.trackers import TrackedRun, Tracker
from gdp.testing.examples import as_uint8
from gdp.testing.findings import require
from gdp.testing.subject import Subject

_NUMBERS = {"generator": 1.5, "generator.l1": 0.25, "images_per_s": 80.0}
_RECIPE = {"name": "kit", "seed": 7, "train": {"steps": 4, "betas": [0.5, 0.99]}, "filters": [{"plugin": "sharpness"}]}


@contextmanager
def _run(subject: Subject) -> Iterator[tuple[TrackedRun, Path]]:
    """Yield a run in a folder of its own, and a sample grid in it."""
    from gdp.core.pictures import encode_png

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture = as_uint8(subject.world.pairs.source[:1, :3])[0]
        samples = folder / "step-000002.png"
        samples.write_bytes(encode_png(picture))
        (folder / "recipe.toml").write_text('name = "kit"\n')
        yield TrackedRun("kit", folder, _RECIPE), samples


def _tell(tracker: Tracker, run: TrackedRun, samples: Path) -> str:
    """Tell all that a run has to tell, and return what it is called."""
    known = tracker.begin(run)
    tracker.summary("pairs", {"made": 6, "folder": "pairs/0123"})
    tracker.metrics("train", 1, _NUMBERS)
    tracker.metrics("train", 2, {**_NUMBERS, "discriminator": 0.5})
    tracker.image("train", 2, samples)
    tracker.metrics("evaluate", 0, {"quality.held_out.psnr_db": 31.5})
    tracker.end("finished", [run.folder / "recipe.toml"])
    return known


def exercise(subject: Subject, tracker: Tracker) -> Any:
    """Tell it of a run."""
    with _run(subject) as (run, samples):
        _tell(tracker, run, samples)
    return []


def a_run_that_goes_on_is_known_again(subject: Subject) -> None:
    """`begin` returns what the run is called there, and of a run that goes on the same."""
    with _run(subject) as (run, samples):
        known = _tell(subject.build(), run, samples)
        good = isinstance(known, str) and bool(known)
        require(good, f"begin returned {known!r}", "return what run.known shall be when the run goes on: text")
        again = subject.build()
        went_on = again.begin(TrackedRun(run.name, run.folder, run.recipe, known))
        again.end("stopped", [])
        require(
            went_on == known, f"begin returned {went_on!r} of {known!r}", "go on where run.known says, and return it"
        )


def what_it_is_told_of_is_left_as_it_is(subject: Subject) -> None:
    """It takes no file of the run away, and changes none."""
    with _run(subject) as (run, samples):
        before = {path: path.read_bytes() for path in (samples, run.folder / "recipe.toml")}
        _tell(subject.build(), run, samples)
        after = {path: path.read_bytes() if path.is_file() else None for path in before}
        changed = [path.name for path in before if before[path] != after[path]]
        require(not changed, f"it changed {', '.join(changed)}", "copy what is handed over")


PROPERTIES = (a_run_that_goes_on_is_known_again, what_it_is_told_of_is_left_as_it_is)
