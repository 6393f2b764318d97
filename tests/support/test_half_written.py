"""Folders of what is half written: those that killed processes left go, at whatever moment they were killed."""

from __future__ import annotations

import os
import time
from pathlib import Path

from gdp.scaffold.names import Names
from gdp.scaffold.writing import write_package
from gdp.support.half_written import LOCK, LOCKED_WITHIN, PREFIX, half_written, sweep

OLD = time.time() - 10 * LOCKED_WITHIN


def left(folder: Path, name: str, *, lock: bool, old: bool) -> Path:
    place = folder / f"{PREFIX}{name}"
    place.mkdir()
    (place / "half.bin").write_bytes(b"half")
    if lock:
        (place / LOCK).touch()
    if old:
        os.utime(place, (OLD, OLD))
    return place


def test_what_nobody_works_at_is_swept_and_all_else_stays(tmp_path: Path) -> None:
    with half_written(tmp_path / "at work.bin") as made:
        gone = [
            left(tmp_path, "abcdefgh", lock=True, old=False),
            left(tmp_path, "12345678", lock=False, old=True),  # killed before it had its lock, or while it was swept
        ]
        stays = [
            made.parent,
            left(tmp_path, "a_new_01", lock=False, old=False),  # whose process is about to lock it
            left(tmp_path, "of a user", lock=False, old=True),
        ]
        assert sweep(tmp_path) == 2
        assert not any(path.exists() for path in gone)
        assert all(path.is_dir() for path in stays)


def test_a_package_is_written_after_the_half_of_one_is_taken_away(tmp_path: Path) -> None:
    half = left(tmp_path, "abcdefgh", lock=True, old=False)
    write_package(Names("filter", "mine"), tmp_path, "Ada", "MIT")
    assert not half.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["gdp-filter-mine"]
