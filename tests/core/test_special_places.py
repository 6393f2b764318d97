"""Devices, pipes and links are written through; a disk without locks is told and worked on."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest
from filelock import Timeout

from gdp.core.errors import DiskFullError
from gdp.core.files import write_atomically
from gdp.core.locks import is_held, locked
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
