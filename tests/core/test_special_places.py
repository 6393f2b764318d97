"""Devices, pipes and links are written through; a disk without locks is told and worked on."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from filelock import Timeout

from gdp.core.database import Database, SqliteTexts
from gdp.core.errors import DiskFullError, RunLockedError
from gdp.core.files import write_atomically
from gdp.core.locks import has_locks, is_held, locked
from gdp.support.half_written import half_written, written


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    for there in (True, False):
        target, link = tmp_path / f"file-{there}", tmp_path / f"link-{there}"
        if there:
            target.write_text("old")
        link.symlink_to(target)
        write_atomically(link, b"new")
        assert (link.is_symlink(), target.read_bytes()) == (True, b"new")


def test_a_pipe_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=write_atomically, args=(pipe, [b"a", b"b"]))
    writer.start()
    assert pipe.read_bytes() == b"ab"
    writer.join()
    assert pipe.is_fifo()


def test_a_full_device_is_told_and_stays(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/full")
    with pytest.raises(DiskFullError):
        write_atomically(tmp_path / "link", b"x" * 100)
    assert Path("/dev/full").is_char_device()
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_told_and_one_process_works_there_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    lock = tmp_path / "lock"
    with pytest.warns(UserWarning, match="this disk knows no locks"), locked(lock, timeout=0):
        assert is_held(lock)
        with pytest.raises(Timeout), pytest.warns(UserWarning), locked(lock, timeout=0):
            pass
    assert not is_held(lock)


def test_a_disk_without_locks_takes_what_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.warns(UserWarning, match="this disk knows no locks"), half_written(tmp_path / "out.bin") as made:
        made.write_bytes(b"whole")
        assert written(made) == [made]
        made.rename(tmp_path / "out.bin")
    assert [path.name for path in tmp_path.iterdir()] == ["out.bin"]


TEXTS = SqliteTexts(*("{path}: {error}",) * 4)


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A disk that knows no locks, as far as this process can tell."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    has_locks.cache_clear()
    monkeypatch.setattr(fcntl, "lockf", no_locks)
    yield
    has_locks.cache_clear()


@pytest.mark.parametrize("write_ahead", [False, True])
def test_a_database_on_a_disk_without_locks_asks_for_none(
    tmp_path: Path, without_locks: None, write_ahead: bool
) -> None:
    path = tmp_path / "manifest.sqlite"
    database = Database(path, TEXTS, 0.1, write_ahead=write_ahead)
    with database.transaction():
        database.create(["CREATE TABLE pairs (number INTEGER)"], 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")  # a lock of SQLite's, which such a disk would refuse
        with database.transaction():
            database.rows("INSERT INTO pairs VALUES (3)")
    assert Database(path, TEXTS, 0.1, read_only=True).rows("SELECT number FROM pairs") == [(3,)]
    assert [file.name for file in tmp_path.iterdir() if file.name.endswith((".held", "-wal", "-shm"))] == []


def test_two_that_write_a_database_on_a_disk_without_locks_wait_for_each_other(
    tmp_path: Path, without_locks: None
) -> None:
    path = tmp_path / "answers.sqlite"
    one, two = Database(path, TEXTS, 0.1, write_ahead=True), Database(path, TEXTS, 0.1, write_ahead=True)
    with one.transaction():
        one.create(["CREATE TABLE answers (number INTEGER)"], 1)
        with pytest.raises(RunLockedError, match=r"answers\.sqlite"):
            two.rows("SELECT * FROM answers")
    assert two.rows("SELECT * FROM answers") == []
    with two.transaction():
        two.rows("INSERT INTO answers VALUES (1)")
    assert one.rows("SELECT * FROM answers") == [(1,)]
