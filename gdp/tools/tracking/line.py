"""One tracker, the thread that tells it, and the notes of what it was told."""

from __future__ import annotations

import json
import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gdp.core.errors import GdpError, describe_exception
from gdp.core.run_folder import RunFolder
from gdp.support.interfaces.trackers import TrackedRun, Tracker
from gdp.support.metrics_files import finite, read_metrics

PATIENCE = 120.0
"""Seconds that a run waits for a tracker to begin, and in the end for it to take all that it was told."""
NOTES = "trackers"
"""Folder of the run in which each tracker's notes are kept."""


class Line:
    """Tells one tracker, in a thread of its own and in order.

    The run's files are what is true: what a tracker was not told of them, because it had failed, or was not chosen when
    they were written, it is told when it begins again. Its notes say how far that is: `known`, what the run is called
    there; `training`, which one it was, its `first` and `last` step; `image`, the last sample grid's step; `evaluated`
    and `handed`, whether the final numbers and the files were told.
    """

    def __init__(self, name: str, tracker: Tracker, folder: RunFolder) -> None:
        self.name, self.tracker, self._folder = name, tracker, folder
        self.error: str | None = None
        self.begun = False
        self._run: TrackedRun | None = None
        self._note: dict[str, Any] = {}
        self._caught_up = False
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue()
        # A daemon: a service that never answers must not keep the process.
        self._thread = threading.Thread(target=self._work, name=f"tracker {name}", daemon=True)

    @property
    def last(self) -> int:
        """The last training step that was told; 0 before there is one."""
        return int(self._note.get("last", 0))

    @property
    def outcome(self) -> str:
        """How it goes, in words."""
        there = f"{self._note['known']}, " if self._note.get("known") else ""
        told = f"{there}told up to step {self.last}" if self.last else f"{there}told no step"
        return told if self.error is None else f"{told}; failed: {self.error}"

    # ------------------------------------------------------------------ what the run has to tell

    def begin(self, run: TrackedRun) -> None:
        """Open the run there."""
        self._run = run
        self._thread.start()
        self.submit(self._go_on)

    def metrics(self, stage: str, step: int, metrics: Mapping[str, float]) -> None:
        """Tell numbers, unless they were told before the run was killed; a training from its start is another run."""
        self.submit(lambda: self._tell_numbers(stage, step, metrics))

    def image(self, stage: str, step: int, path: Path) -> None:
        """Show a picture."""
        self.submit(lambda: self._show(stage, step, path))

    def summary(self, stage: str, summary: Mapping[str, Any]) -> None:
        """Tell what a stage says of itself."""
        self.submit(lambda: self.tracker.summary(stage, summary))

    def end(self, outcome: str, artifacts: Sequence[Path], worked: bool) -> None:
        """Tell what is left, and close the run there.

        Args:
            outcome: of the run.
            artifacts: what a finished run hands over.
            worked: whether a stage was done; of a run that was up to date nothing is handed over twice.
        """
        self.submit(lambda: self._end(outcome, artifacts, worked))

    # ------------------------------------------------------------------ the thread

    def submit(self, job: Callable[[], None]) -> None:
        """Have something done by the thread; nothing more once it has failed."""
        if self.error is None:
            self._jobs.put(job)

    def wait(self) -> None:
        """Wait until all is told, but no longer than the patience lasts."""
        done = threading.Event()
        self.submit(done.set)
        moment = PATIENCE
        while self.error is None and not done.wait(0.05):
            moment -= 0.05
            if moment <= 0:
                self.error = f"it did not answer within {PATIENCE:g} s"

    def close(self) -> None:
        """End the thread, if it can be."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None and self.error is None:
            try:
                job()
            except GdpError as error:
                self.error = str(error)
            except BaseException as error:  # noqa: BLE001 # a service's client may raise anything, and the run goes on
                self.error = describe_exception(error)

    # ------------------------------------------------------------------ what the thread does

    def _go_on(self) -> None:
        noted = self._folder.read_json(self._notes, {})
        self._note = noted if isinstance(noted.get("known"), str) else {}
        self._open(self._note.get("known"))

    def _open(self, known: str | None) -> None:
        assert self._run is not None
        self._noted(known=self.tracker.begin(replace(self._run, known=known)))
        self.begun = True

    def _tell_numbers(self, stage: str, step: int, metrics: Mapping[str, float]) -> None:
        if stage == "train":
            if step <= self._note.get("first", 0):
                self._begin_anew()
            self._catch_up(before=step)
            if step <= self.last:
                return
        self.tracker.metrics(stage, step, metrics)
        if stage == "train":
            self._noted_step(step)
        elif stage == "evaluate":
            self._noted(evaluated=True)

    def _show(self, stage: str, step: int, path: Path) -> None:
        if stage != "train" or step > self._note.get("image", 0):
            self.tracker.image(stage, step, path)
            self._noted(**({"image": step} if stage == "train" else {}))

    def _end(self, outcome: str, artifacts: Sequence[Path], worked: bool) -> None:
        self._catch_up()
        handed: Sequence[Path] = ()
        if outcome == "finished":
            if not self._note.get("evaluated") and (found := read_metrics(self._folder)):
                self._tell_numbers("evaluate", 0, found)
            handed = artifacts if worked or not self._note.get("handed") else ()
        self.tracker.end(outcome, handed)
        self._noted(**({"handed": True} if outcome == "finished" else {}))

    def _catch_up(self, before: int | None = None) -> None:
        """Tell what the training's files hold beyond what was told, once in a process; and all of it in the end.

        Args:
            before: only steps before this one; None for all.
        """
        if self._caught_up and before is not None:
            return
        folder = self._training_folder()
        if self._note.get("training", folder.name) != folder.name:
            self._begin_anew()
        self._caught_up = True
        for line in _lines(folder / "statistics.jsonl"):
            step = int(line.pop("step"))
            if step > self.last and (before is None or step < before):
                self.tracker.metrics("train", step, line)
                self._noted_step(step)
        for path in sorted(folder.glob("samples/step-*.png")):
            step = int(path.stem.rpartition("-")[2])
            if before is None or step < before:
                self._show("train", step, path)

    def _training_folder(self) -> Path:
        key = self._folder.read_json("keys.json", {}).get("train")
        return self._folder.stage_folder("train", key) if isinstance(key, str) else self._folder.path / "none"

    def _begin_anew(self) -> None:
        """Open another run there: this training is not the one that was told."""
        self.tracker.end("repeated", [])
        self._note, self._caught_up = {}, False
        self._open(None)

    @property
    def _notes(self) -> str:
        return f"{NOTES}/{re.sub('[^a-z0-9.-]+', '-', self.name.lower())}.json"

    def _noted_step(self, step: int) -> None:
        self._noted(training=self._training_folder().name, first=self._note.get("first", step), last=step)

    def _noted(self, **facts: Any) -> None:
        self._note = {**self._note, **facts}
        self._folder.write_json(self._notes, self._note)


def _lines(path: Path) -> Iterator[dict[str, float]]:
    """Yield the numbers of each line of statistics; of a last one that a kill has cut short nothing."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield {name: value for name, value in json.loads(line).items() if finite(value) is not None}
