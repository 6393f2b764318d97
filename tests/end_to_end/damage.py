"""Ways to damage a file of a run, and all that a run holds, to compare one that was mended with the unbroken one."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

from gdp.core.files import file_sha256

Damage = Callable[[Path, random.Random], None]


def remove(path: Path, chance: random.Random) -> None:
    path.unlink()


def empty(path: Path, chance: random.Random) -> None:
    path.write_bytes(b"")


def truncate(path: Path, chance: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: chance.randrange(1, max(2, path.stat().st_size))])


def _flip(path: Path, chance: random.Random, begin: float, end: float) -> None:
    """Flip a bit between two shares of a file's bytes."""
    content = bytearray(path.read_bytes())
    if content:
        place = int(len(content) * chance.uniform(begin, end))
        content[min(place, len(content) - 1)] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def flip_near_the_start(path: Path, chance: random.Random) -> None:
    _flip(path, chance, 0.0, 0.1)


def flip_in_the_middle(path: Path, chance: random.Random) -> None:
    _flip(path, chance, 0.1, 0.9)


def flip_near_the_end(path: Path, chance: random.Random) -> None:
    _flip(path, chance, 0.9, 1.0)


def put_other_json(path: Path, chance: random.Random) -> None:
    path.write_text(chance.choice(["[1, 2]\n", '"text"\n', "7\n", "null\n", '{"a": [{}]}\n']))


DAMAGES: tuple[Damage, ...] = (
    remove,
    empty,
    truncate,
    flip_near_the_start,
    flip_in_the_middle,
    flip_near_the_end,
    put_other_json,
)
UNTOLD = ("lock", "log.txt", "events.jsonl", "student/engine.json")
"""Nobody rests on these: notes for people, what the lock leaves, and which engine was the fastest."""
RETRAINED = ("samples/", "statistics.jsonl", "held_out.jsonl")
"""What only another training makes again: it is told with the command that does."""
EXPORTED = ("student.onnx", "student.onnx.json")
"""What gdp apply makes again when it is run by it, not gdp run."""
TIMES = {
    "seconds",
    "finished_at",
    "updated_at",
    "started_at",
    "seconds_training",
    "made_now",
}


def files_of(run: Path) -> list[str]:
    """Return the files whose damage matters."""
    names = sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
    return [name for name in names if name not in UNTOLD and not name.endswith("-journal")]


def _without_times(value: object) -> object:
    if isinstance(value, dict):
        # Times are in these files' hashes and so in the check of the entry, and speed is measured anew.
        left_out = {*TIMES, "check", "files", "bytes", "error"}
        kept = {
            k: v
            for k, v in value.items()
            if k not in left_out and "seconds" not in k and "speed" not in k and "images_per" not in k
        }
        return {key: _without_times(each) for key, each in kept.items()}
    return [_without_times(each) for each in value] if isinstance(value, list) else value


def tables_of(path: Path) -> object:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        names = sorted(name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
        return {name: sorted(map(repr, connection.execute(f"SELECT * FROM {name}"))) for name in names}  # ours


def content_of(run: Path) -> dict[str, object]:
    """Return all that a run holds, without times and what is measured in seconds."""
    found: dict[str, object] = {}
    for name in files_of(run):
        path = run / name
        if name.endswith(".json"):
            found[name] = _without_times(json.loads(path.read_bytes()))
        elif name.endswith(".jsonl"):
            found[name] = [_without_times(json.loads(line)) for line in path.read_text().splitlines()]
        elif name.endswith(".sqlite"):
            found[name] = tables_of(path)
        elif name not in ("report.html", "student/README.md"):  # which show times
            found[name] = file_sha256(path)
        else:
            found[name] = path.stat().st_size > 0
    return found


def says_the_same(manifest: Path, tables: object) -> bool:
    """Say whether a bit was flipped where SQLite keeps nothing."""
    try:
        return manifest.is_file() and tables_of(manifest) == tables
    except sqlite3.Error:
        return False


def is_of_time(file: str) -> bool:
    """Say whether a file holds how long something took."""
    return file.endswith(("state.json", "metrics.json", "verdict.json")) or "checkpoints/" in file
