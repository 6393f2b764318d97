"""Files are written whole or not at all, and what a killed process began is swept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gdp.core import files
from gdp.core.files import write_atomically

BEGINS = """
import sys, time
from pathlib import Path
from gdp.core.files import _beside
with _beside(Path(sys.argv[1])) as temporary:
    print(temporary, flush=True)
    time.sleep(600)
"""


@pytest.mark.process
def test_what_a_killed_writer_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "state.json"
    mine = [tmp_path / name for name in (".state.json.abcdefgh", ".config", "x.gdp-part")]
    for path in mine:
        path.touch()
    with subprocess.Popen([sys.executable, "-c", BEGINS, str(place)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        begun = Path(writer.stdout.readline().strip())
        write_atomically(place, b"1")
        assert begun.is_file(), "it is still being written"
        writer.kill()
        writer.wait()
    assert begun.is_file()
    files._sweep.cache_clear()  # as in the next process
    write_atomically(place, b"2")
    assert place.read_bytes() == b"2"
    assert sorted(tmp_path.iterdir()) == sorted([*mine, place])


def test_a_file_that_is_swept_before_it_is_locked_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, swept = files._lock, []

    def sweep_first(handle: int, wait: bool) -> bool:
        if not swept:
            swept.extend(tmp_path.glob(".*"))
            swept[0].unlink()
        return lock(handle, wait)

    monkeypatch.setattr(files, "_lock", sweep_first)
    write_atomically(tmp_path / "state.json", b"1")
    assert swept
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_disk_without_locks_is_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    write_atomically(tmp_path / "state.json", b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]
