"""What can be told of a run from its folder alone, while another process works there or none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gdp.core.errors import CorruptFileError, GdpError, MissingResourceError
from gdp.core.locks import is_held
from gdp.core.run_folder import LOCK, RunFolder, is_like_run
from gdp.support.finished_stages import present_keys, still_finished
from gdp.support.metrics_files import finite
from gdp.tools.watch.recording import PROGRESS

STUDENT = "student/student.safetensors"
"""Of a run that has trained one."""
_TAIL = 2**16
"""Bytes at the end of a file of lines that are looked at."""
_LATE = 10.0
"""Seconds without a word after which a foretold end that has passed is no longer told."""


@dataclass(frozen=True)
class Work:
    """A piece of work that is being done.

    Attributes:
        name: What it is called.
        done: Units that are done.
        total: Of how many.
        unit: What is counted.
        seconds_left: Until it is done, at its pace so far; None where none is known yet, or nothing has been told for
            longer than it should have taken.
        status: Figures worth showing.
    """

    name: str
    done: int
    total: int
    unit: str
    seconds_left: float | None
    status: Mapping[str, float | str]

    @property
    def share(self) -> float:
        """How much of it is done, in [0, 1]."""
        return min(1.0, self.done / self.total) if self.total > 0 else 0.0


@dataclass(frozen=True)
class Sight:
    """A run at this moment.

    Attributes:
        name: Of the run.
        folder: Where it is.
        state: `running`, `finished`, `stopped`, `failed`, `killed` (it says that it runs, and no process does).
        stages: Names of the finished stages, in order.
        stage: What it is at; empty where it does not run.
        work: The pieces of work that are open, the innermost last.
        statistics: The newest line of the training's numbers, `step` and `phase` among them; empty before there is one.
        samples: The newest sample grid.
        error: What a failed run ended with.
        trackers: What became of each tracker, by name.
        seconds: What the finished stages took together.
        started_at, updated_at: In UTC, as ISO 8601; empty where it does not say.
    """

    name: str
    folder: Path
    state: str
    stages: tuple[str, ...]
    stage: str = ""
    work: tuple[Work, ...] = ()
    statistics: Mapping[str, Any] = field(default_factory=dict)
    samples: Path | None = None
    error: str = ""
    trackers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    started_at: str = ""
    updated_at: str = ""

    def to_data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        work = [{**vars(each), "status": dict(each.status)} for each in self.work]
        return {
            "name": self.name,
            "folder": str(self.folder),
            "state": self.state,
            "stages": list(self.stages),
            "stage": self.stage,
            "work": work,
            "statistics": dict(self.statistics),
            "samples": None if self.samples is None else str(self.samples),
            "error": self.error,
            "trackers": dict(self.trackers),
            "seconds": self.seconds,
            "started_at": self.started_at,
            "updated_at": self.updated_at,
        }


def look(folder: RunFolder) -> Sight:
    """Look at a run.

    Raises:
        CorruptFileError: what its folder says of it is damaged.
    """
    about, stages = folder.read_json("run.json", {}), folder.stages()
    state = str(about.get("state", "unknown"))
    if state == "finished" and not stages and (folder.path / "keys.json").is_file():
        raise CorruptFileError(f"{folder.path}: it has finished, and lost its stages.json.")
    if state == "running" and not is_held(folder.path / LOCK):
        state = "killed"
    runs = state == "running"
    statistics = _newest(folder.path, "statistics.jsonl", runs)
    trackers, finished = about.get("trackers"), still_finished(stages, present_keys(folder))
    return Sight(
        name=str(about.get("name", folder.path.name)),
        folder=folder.path,
        state=state,
        stages=tuple(finished),
        stage=_present_stage(folder.path) if runs else "",
        work=tuple(_open_work(folder.path)) if runs else (),
        statistics={} if statistics is None else next(_last_objects(statistics), {}),
        samples=_newest(folder.path, "samples/step-*.png", runs),
        error=str(about.get("error") or ""),
        trackers={str(name): str(told) for name, told in trackers.items()} if isinstance(trackers, dict) else {},
        seconds=sum(finite(stages[name].get("seconds")) or 0.0 for name in finished),
        started_at=str(about.get("started_at", "")),
        updated_at=str(about.get("updated_at", "")),
    )


def newest_run(root: Path, *, trained: bool = False) -> RunFolder:
    """Return the run of a folder of runs that works, or else that was worked on last.

    Args:
        root: the folder of runs.
        trained: whether only those count that have a trained student.

    Raises:
        MissingResourceError: there is none.
    """
    found: list[tuple[bool, str, RunFolder]] = []
    for folder in map(RunFolder, filter(is_like_run, root.glob("*/"))):
        if trained and not (folder.path / STUDENT).is_file():
            continue
        try:
            about = folder.read_json("run.json", {})
        except GdpError:  # another may be fine; gdp runs tells of this one
            continue
        works = about.get("state") == "running" and is_held(folder.path / LOCK)
        found.append((works, str(about.get("updated_at", "")), folder))
    if not found:
        raise MissingResourceError(
            f"{root}: there is no run here{' with a trained student' if trained else ''}. gdp run RECIPE begins one; "
            f"one of elsewhere is named by its folder."
        )
    return RunFolder(max(found, key=lambda each: each[:2])[2].path.absolute())


def _newest(folder: Path, pattern: str, runs: bool) -> Path | None:
    """Return what was written last of the training's files; while the run works, of those of a comparison, too."""
    own, compared = (list(folder.glob(f"{place}/{pattern}")) for place in ("train/*", "variants/*/train/*"))
    found = [*own, *compared] if runs else own or compared
    return max(found, key=lambda file: (file.stat().st_mtime, file.name), default=None)


def _present_stage(folder: Path) -> str:
    for event in _last_objects(folder / "events.jsonl"):
        if event.get("event") in ("stage", "run"):
            return ""
        if event.get("event") == "stage-begins":
            return str(event.get("stage", ""))
    return ""


def _last_objects(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a file's last lines, the last one first; what is cut short or none is left out."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL))
            lines = file.read().splitlines()
    except OSError:
        return
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            yield entry


def _open_work(folder: Path) -> Iterator[Work]:
    """Yield what a working process says that it does; nothing where it says nothing that can be understood."""
    try:
        told = json.loads((folder / PROGRESS).read_bytes())
        since = (datetime.now(UTC) - datetime.fromisoformat(told["time"])).total_seconds()
        for task in told["tasks"]:
            left = finite(task["seconds_left"])
            left = None if left is None or since > max(left, _LATE) else max(0.0, round(left - max(0.0, since), 1))
            status = {str(name): value for name, value in task["status"].items()}
            yield Work(str(task["name"]), int(task["done"]), int(task["total"]), str(task["unit"]), left, status)
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return
