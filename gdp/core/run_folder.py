"""The run folder: one folder that holds all that came of a recipe, written so that any process may be killed.

runs/<name>/
  recipe.toml       the resolved recipe, every default written out
  run.json          name, state, times, versions, machine
  stages.json       stage -> content key, seconds, summary, hashes of the files that it left
  keys.json         the content keys of all stages, as they were known last
  log.txt           what was told while it ran
  events.jsonl      the same for programs: one JSON object a line
  progress.json     while a process works: how far it is
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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from gdp.core.config import CHECK, check_of
from gdp.core.errors import (
    CorruptFileError,
    MissingResourceError,
    RunFolderError,
    RunLockedError,
    printable,
    readable_os_errors,
)
from gdp.core.files import file_sha256, read_file, write_atomically
from gdp.core.locks import locked

FORMAT = 1
LOCK = "lock"
"""The file that who works in the folder holds."""
STATE = ("run.json", "stages.json", "keys.json")
"""What the folder says of itself: where one of these is damaged, `gdp run` writes it anew."""
CHECKED = ("run.json", "keys.json")
"""Of these, those that hold their own hash; in stages.json each stage has one, and an older gdp wrote none."""


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

    def __repr__(self) -> str:
        """Return its class and path, as debuggers and `{run!r}` show it."""
        return f"{type(self).__name__}({str(self.path)!r})"

    def stage_folder(self, stage: str, key: str) -> Path:
        """Return the folder of a stage's output for one content key."""
        return self.path / stage / key[:12]

    def relative(self, path: Path) -> str:
        """Return a path as it is written into the run's files: relative to the folder, with forward slashes."""
        return path.relative_to(self.path).as_posix()

    @contextmanager
    def locked(self, tell_mended: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold the folder for this process; the system frees it when the process ends, however it ends.

        Args:
            tell_mended: of who makes again what is lost: state files that cannot be used are removed, and it is told
                so, a line each. Without it they are an error.

        Raises:
            RunLockedError: another process holds it.
            RunFolderError: it cannot be created or written, or it is of a newer gdp.
        """
        from filelock import Timeout

        require_text(self.path)
        with readable_os_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            with readable_os_errors(self.path / LOCK):
                try:
                    stack.enter_context(locked(self.path / LOCK, timeout=0))
                except Timeout as error:  # an OSError too, so it is told apart first
                    raise RunLockedError(
                        f"{self.path}: another gdp process is working in this run folder. Wait for it to end, or start "
                        f"a second run in a folder of its own with --folder."
                    ) from error
            if tell_mended is not None:
                self._remove_damaged_state(tell_mended)
            self._check_format()
            yield

    def _check_format(self) -> None:
        written = self.read_json("run.json", {}).get("format", FORMAT)
        if not isinstance(written, int) or written > FORMAT:
            raise RunFolderError(
                f"{self.path}: this run folder has format {written}, and this gdp reads up to {FORMAT}. Update gdp, "
                f"or choose another folder with --folder."
            )

    def _remove_damaged_state(self, tell: Callable[[str], None]) -> None:
        for name in STATE:
            try:
                self.read_state(name)
            except CorruptFileError:
                with readable_os_errors(self.path / name):
                    (self.path / name).unlink()
                tell(f"{self.path / name}: was damaged and is written anew")

    def read_state(self, name: str) -> dict[str, Any]:
        """Read one of the files of `STATE`; empty where there is none.

        Raises:
            CorruptFileError: it does not hold what this file holds.
        """
        return self.stages() if name == "stages.json" else self.read_json(name, {})

    def write_json(self, name: str, data: Any) -> None:
        """Write one of the folder's JSON files atomically; what the folder says of itself, with its hash."""
        if name in CHECKED:
            data = {**data, CHECK: check_of(data)}
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
        # A name of a folder that is no text becomes \udcXX, which in JSON stands for itself.
        write_atomically(self.path / name, (text + "\n").encode(errors="backslashreplace"))

    def write_text(self, name: str, text: str) -> None:
        """Write one of the folder's text files atomically.

        Raises:
            RunFolderError: it cannot be written, or the text names a file whose name is no text.
        """
        require_text(text)
        write_atomically(self.path / name, text.encode())

    def read_json(self, name: str, default: Any = None) -> Any:
        """Read one of the folder's JSON files; `default` where there is none.

        Raises:
            CorruptFileError: it is no JSON, of another type than the default, or not what its stage left.
        """
        path = self.path / name
        try:
            data = json.loads(read_file(path))
        except FileNotFoundError:
            return default
        except (ValueError, OSError, RecursionError) as error:
            raise self._damaged(name, f"cannot be read as JSON ({error})") from error
        if default is not None and not isinstance(data, type(default)):
            raise self._damaged(name, f"holds a {type(data).__name__} where a {type(default).__name__} is due")
        if name not in STATE:
            self.require_whole(name)
        elif name in CHECKED and isinstance(data, dict) and data.pop(CHECK, None) not in (None, check_of(data)):
            raise self._damaged(name, "is not what was written here: its hash is another")
        return data

    def _damaged(self, name: str, problem: str) -> CorruptFileError:
        return CorruptFileError(
            f"{self.path / name}: {problem}. gdp writes this file atomically, so something else changed it: put it "
            f"back, or delete it and run the same command again. gdp doctor {self.path} tells all that is damaged."
        )

    def update_run(self, **fields: Any) -> None:
        """Change fields of run.json."""
        data = {"format": FORMAT, **self.read_json("run.json", {}), **fields, "updated_at": now()}
        self.write_json("run.json", data)

    def stages(self) -> dict[str, dict[str, Any]]:
        """Return the finished stages: name to {stage, key, finished_at, seconds, summary, files, check}.

        `files` holds the hashes of what the stage left, by relative path; an older gdp wrote none.

        Raises:
            CorruptFileError: the file is damaged.
        """
        stages: dict[str, dict[str, Any]] = self.read_json("stages.json", {})
        for stage, entry in stages.items():
            if not _is_entry(stage, entry):
                raise self._damaged("stages.json", f"what it holds of the stage {stage} is damaged")
        return stages

    def finish_stage(
        self, stage: str, key: str, seconds: float, summary: Mapping[str, Any], files: Iterable[Path] = ()
    ) -> None:
        """Record that a stage has finished for a content key, and what it left: files of this folder."""
        left = {self.relative(file): file_sha256(file) for file in sorted(files)}
        entry = {"key": key, "finished_at": now(), "seconds": round(seconds, 3), "summary": dict(summary)}
        self._put_stage(stage, {**entry, "files": left})

    def record_files(self, stage: str, files: Iterable[Path]) -> None:
        """Take note that files of a finished stage were written anew."""
        entry = self.stages().get(stage)
        if entry is not None:
            left = {self.relative(file): file_sha256(file) for file in files}
            self._put_stage(stage, {**entry, "files": {**entry.get("files", {}), **left}})

    def _put_stage(self, stage: str, entry: dict[str, Any]) -> None:
        entry = {name: value for name, value in entry.items() if name != CHECK} | {"stage": stage}
        self.write_json("stages.json", {**self.stages(), stage: {**entry, CHECK: check_of(entry)}})

    def damaged_files(self, stage: str, looked_at: Callable[[str], object] | None = None) -> dict[str, str]:
        """Compare what a finished stage left with the hashes recorded then; return what is wrong, by relative path.

        Args:
            stage: its name.
            looked_at: is told of each file when it has been read, which takes seconds a gigabyte.
        """
        found = {}
        for name, digest in self.stages().get(stage, {}).get("files", {}).items():
            if problem := self._compare(name, digest):
                found[name] = problem
            if looked_at is not None:
                looked_at(name)
        return found

    def recorded_files(self) -> dict[str, str]:
        """Return the hashes of all that the finished stages left, by relative path.

        Raises:
            CorruptFileError: they cannot be read.
        """
        return {name: digest for entry in self.stages().values() for name, digest in entry.get("files", {}).items()}

    def require_whole(self, name: str) -> None:
        """Make sure that a file is what its stage left; one of which nothing is recorded may be anything.

        Raises:
            CorruptFileError: it is not.
        """
        digest = self.recorded_files().get(name)
        problem = None if digest is None else self._compare(name, digest)
        if problem:
            raise self._damaged(name, problem)

    def _compare(self, name: str, digest: str) -> str | None:
        path = self.path / name
        try:
            return None if file_sha256(path) == digest else "is not what was written here: its hash is another"
        except FileNotFoundError:
            return "is missing"
        except OSError as error:
            return f"cannot be read ({error.strerror or error})"

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


def _is_entry(stage: str, entry: object) -> bool:
    """Say whether stages.json holds of a stage what was written; entries of an older gdp have no check."""
    if not isinstance(entry, dict) or entry.get("stage", stage) != stage:
        return False
    if CHECK in entry:
        return bool(entry[CHECK] == check_of(entry))
    return isinstance(entry.get("key"), str) and isinstance(entry.get("summary"), dict)


def find_run(run: Path) -> RunFolder:
    """Return the folder of a run that is named by its path, or by its name in `runs/`.

    Raises:
        MissingResourceError: there is no run.
        CorruptFileError: there is one without its run.json.
    """
    places = (run, Path("runs") / run, Path("runs") / str(run).replace("_", "-"))  # as recipes' names are taken
    for place in places:
        if (place / "run.json").is_file():
            return RunFolder(place.expanduser().absolute())
    for place in places:
        if is_like_run(place):
            raise CorruptFileError(
                f"{place}: this run has lost its run.json. gdp run, with the recipe that it was made of, writes it "
                f"anew; gdp doctor {place} tells all that is damaged."
            )
    raise MissingResourceError(
        f"{run}: this is no run folder (it holds no run.json){nearest_run(run) or '.'} gdp runs shows which runs are "
        f"here."
    )


def nearest_run(run: Path) -> str:
    """Return `, did you mean runs/mine?` where a run beside it, or in `runs/`, is called nearly so; else nothing."""
    try:
        beside = {folder.name: folder for root in (Path("runs"), run.parent) for folder in root.glob("*/")}
        runs = [name for name, folder in beside.items() if is_like_run(folder)]
    except (OSError, ValueError):  # no folder that can be looked into, or no name that one can have
        return ""
    close = get_close_matches(run.name, runs, 1, 0.55)
    return f", did you mean {beside[close[0]]}?" if close else ""


def require_text(name: Path | str) -> None:
    """Make sure that a path, or a text that names paths, is Unicode: TOML and safetensors take no other names.

    Raises:
        RunFolderError: it holds bytes that are no UTF-8.
    """
    try:
        str(name).encode()
    except UnicodeEncodeError as error:
        shown = printable(error.object[max(0, error.start - 60) : error.end + 20])
        raise RunFolderError(
            f"{shown}: this name is no UTF-8 text, and a run's files can hold no other. Rename the folder or file "
            f"(convmv -f latin1 -t utf8 does), or work in another place."
        ) from error


def is_like_run(folder: Path) -> bool:
    """Say whether a folder is a run's, be it one that lost its run.json."""
    return any((folder / name).is_file() for name in STATE)
