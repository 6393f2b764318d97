"""The run folder: one folder that holds all that came of a recipe, written so that any process may be killed.

runs/<name>/
  recipe.toml       the resolved recipe, every default written out
  run.json          name, state, times, versions, machine
  stages.json       stage -> content key, seconds, summary
  keys.json         the content keys of all stages, as they were known last
  log.txt           what was told while it ran
  events.jsonl      the same for programs: one JSON object a line
  pairs/<key>/      the pair store (shards and manifest)
  train/<key>/      checkpoints, statistics.jsonl, sample grids
  student/          the trained student: student.safetensors, student.json, README.md
  variants/<name>-seed<n>/  one training of a comparison: stages.json, train/<key>/, metrics.json
  variants.json     what the comparison found
  metrics.json      every number with its protocol
  verdict.json      what the evaluators say of these numbers
  funnel.json       how many pairs each filter kept
  held_out.json     which pairs the pair source holds out, where it does not leave that to the recipe
  pictures/         the pictures of the report
  report.html       the report
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gdp.core.errors import CorruptFileError, MissingResourceError, RunFolderError, RunLockedError, readable_os_errors
from gdp.core.files import write_atomically
from gdp.core.locks import locked

FORMAT = 1


def now() -> str:
    """Return the present moment in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class RunFolder:
    """Paths and small state files of one run. Make it with `RunFolder(path)`; work in it under `locked()`."""

    path: Path

    def __str__(self) -> str:
        """Return the folder's path, as a listener would print it."""
        return str(self.path)

    def stage_folder(self, stage: str, key: str) -> Path:
        """Return the folder of a stage's output for one content key."""
        return self.path / stage / key[:12]

    def relative(self, path: Path) -> str:
        """Return a path as it is written into the run's files: relative to the folder, with forward slashes."""
        return path.relative_to(self.path).as_posix()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; the system frees it when the process ends, however it ends.

        Raises:
            RunLockedError: another process holds it.
            RunFolderError: it cannot be created or written, or it is of a newer gdp.
        """
        from filelock import Timeout

        with readable_os_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            with readable_os_errors(self.path / "lock"):
                try:
                    stack.enter_context(locked(self.path / "lock", timeout=0))
                except Timeout as error:  # an OSError too, so it is told apart first
                    raise RunLockedError(
                        f"{self.path}: another gdp process is working in this run folder. Wait for it to end, or start "
                        f"a second run in a folder of its own with --folder."
                    ) from error
            self._check_format()
            yield

    def _check_format(self) -> None:
        written = self.read_json("run.json", {}).get("format", FORMAT)
        if not isinstance(written, int) or written > FORMAT:
            raise RunFolderError(
                f"{self.path}: this run folder has format {written}, and this gdp reads up to {FORMAT}. Update gdp, "
                f"or choose another folder with --folder."
            )

    def write_json(self, name: str, data: Any) -> None:
        """Write one of the folder's JSON files atomically."""
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
        # A name of a folder that is no text becomes \udcXX, which in JSON stands for itself.
        write_atomically(self.path / name, (text + "\n").encode(errors="backslashreplace"))

    def write_text(self, name: str, text: str) -> None:
        """Write one of the folder's text files atomically."""
        write_atomically(self.path / name, text.encode())

    def read_json(self, name: str, default: Any = None) -> Any:
        """Read one of the folder's JSON files; `default` where there is none.

        Raises:
            CorruptFileError: it is no JSON.
        """
        path = self.path / name
        try:
            return json.loads(path.read_bytes())
        except FileNotFoundError:
            return default
        except (ValueError, OSError, RecursionError) as error:
            raise CorruptFileError(
                f"{path}: cannot be read as JSON ({error}). gdp writes this file atomically, so something else changed "
                f"it: put it back, or delete it and run the same command again."
            ) from error

    def update_run(self, **fields: Any) -> None:
        """Change fields of run.json."""
        data = {"format": FORMAT, **self.read_json("run.json", {}), **fields, "updated_at": now()}
        self.write_json("run.json", data)

    def stages(self) -> dict[str, dict[str, Any]]:
        """Return the finished stages: name to {key, finished_at, seconds, summary}."""
        stages: dict[str, dict[str, Any]] = self.read_json("stages.json", {})
        return stages

    def finish_stage(self, stage: str, key: str, seconds: float, summary: Mapping[str, Any]) -> None:
        """Record that a stage has finished for a content key."""
        entry = {"key": key, "finished_at": now(), "seconds": round(seconds, 3), "summary": dict(summary)}
        self.write_json("stages.json", {**self.stages(), stage: entry})

    def forget_stage(self, stage: str) -> None:
        """Record that a stage is not finished (any more)."""
        stages = self.stages()
        if stages.pop(stage, None) is not None:
            self.write_json("stages.json", stages)

    def log(self, text: str) -> None:
        """Append a line with its time to log.txt."""
        self._append("log.txt", f"{now()} {text}\n")

    def event(self, kind: str, **data: Any) -> None:
        """Append one JSON object to events.jsonl."""
        self._append("events.jsonl", json.dumps({"time": now(), "event": kind, **data}, ensure_ascii=False) + "\n")

    def _append(self, name: str, line: str) -> None:
        with readable_os_errors(self.path / name), (self.path / name).open("ab") as file:
            file.write(line.encode(errors="backslashreplace"))


def find_run(run: Path) -> RunFolder:
    """Return the folder of a run that is named by its path, or by its name in `runs/`.

    Raises:
        MissingResourceError: there is no run.
    """
    for place in (run, Path("runs") / run):
        if (place / "run.json").is_file():
            return RunFolder(place.expanduser().absolute())
    raise MissingResourceError(
        f"{run}: this is no run folder (it holds no run.json). gdp runs shows which runs are here."
    )
