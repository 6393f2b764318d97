"""The run folder: one process at a time, atomic files, readable errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gdp.core.errors import CorruptFileError, DiskFullError, RunFolderError, RunLockedError, readable_os_errors
from gdp.core.files import write_atomically
from gdp.core.run_folder import RunFolder

HOLDER = """
import sys
from pathlib import Path
from gdp.core.run_folder import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.process
def test_a_second_process_is_refused_and_a_killed_one_frees_the_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    arguments = [sys.executable, "-c", HOLDER, str(folder.path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunLockedError, match="another gdp process"), folder.locked():
            pass
        holder.kill()
        holder.wait()
    with folder.locked():
        folder.write_json("run.json", {"format": 1})


def test_a_failed_write_leaves_the_old_content_and_no_debris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    write_atomically(path, b"old")

    def no_space(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(DiskFullError, match="free some space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("sign", ["n", "\u00fc", "\U0001f600"])
def test_a_file_of_the_longest_name_that_a_disk_takes_is_written(tmp_path: Path, sign: str) -> None:
    path = tmp_path / (sign * (251 // len(sign.encode())) + ".png")
    write_atomically(path, b"content")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_folder_that_cannot_be_made_is_named_in_one_paragraph(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="file") as caught, RunFolder(tmp_path / "file" / "run").locked():
        pass
    assert "\n" not in str(caught.value)


def test_a_run_folder_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(RunFolderError, match="format 99"), folder.locked():
        pass


def test_damaged_state_is_reported_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "stages.json").write_text('{"pairs": {')
    with pytest.raises(CorruptFileError, match=r"stages\.json"):
        RunFolder(tmp_path).stages()


def test_stages_are_remembered_and_forgotten(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.finish_stage("pairs", "abc", 1.5, {"made": 3})
    assert folder.stages()["pairs"]["summary"] == {"made": 3}
    folder.forget_stage("pairs")
    assert folder.stages() == {}


def test_other_system_errors_say_where(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="Permission"), readable_os_errors(tmp_path):
        raise PermissionError(13, "Permission denied")


def test_a_state_with_an_infinite_number_is_damaged_where_it_has_a_hash(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (tmp_path / "run.json").write_text('{"made": Infinity}')
    assert folder.read_json("run.json", {}) == {"made": float("inf")}
    (tmp_path / "run.json").write_text('{"made": 1e999, "check": "00"}')
    with pytest.raises(CorruptFileError, match="its hash is another"):
        folder.read_json("run.json", {})
