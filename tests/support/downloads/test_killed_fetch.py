"""A process that is killed in the middle of a download loses nothing."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from archive_server import IMPATIENT, PARTS, ArchiveServer, picture, tiny_record, tiny_set, zipped
from killing import contents, finish, kill_often

from gdp.support.downloads.sets import fetch_set

pytestmark = pytest.mark.process

ARCHIVE = tiny_set()
HALF = len(ARCHIVE) // 2
PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from archive_server import tiny_record, tiny_set
from gdp.support.downloads.sets import fetch_set
fetch_set(tiny_record(tiny_set()), Path(sys.argv[2]), mirror=sys.argv[3])
"""


def test_a_killed_download_goes_on(serve: Callable[..., ArchiveServer], tmp_path: Path) -> None:
    server = serve(ARCHIVE, hang_after=HALF)
    arguments = [str(Path(__file__).parent), str(tmp_path), server.url]
    with subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments]) as process:
        part = tmp_path / "tiny.zip.part"
        while process.poll() is None and not (part.is_file() and part.stat().st_size):
            time.sleep(0.01)
        assert process.poll() is None
        process.kill()
    there = part.stat().st_size
    server.hang_after, server.sent = None, []
    server.go_on.set()
    assert fetch_set(tiny_record(ARCHIVE), tmp_path, mirror=server.url, patience=IMPATIENT).fetched
    assert server.sent == [len(ARCHIVE) - there]


@pytest.mark.parametrize("tidied", ["neither", "archive", "both"])
def test_what_a_process_left_that_was_killed_when_the_set_was_in_place_is_tidied(
    serve: Callable[..., ArchiveServer], tmp_path: Path, tidied: str
) -> None:
    server = serve(ARCHIVE)
    fetch_set(tiny_record(ARCHIVE), tmp_path, mirror=server.url, patience=IMPATIENT)
    remembered = (tmp_path / "downloads.json").read_text()
    if tidied != "both":
        (tmp_path / "downloads.json").unlink()
        origin = {"url": f"{server.url}/tiny.zip", "size": len(ARCHIVE)}
        (tmp_path / "tiny.zip.part.json").write_text(json.dumps(origin))
    if tidied == "neither":
        (tmp_path / "tiny.zip.part").write_bytes(ARCHIVE)
    assert not fetch_set(tiny_record(ARCHIVE), tmp_path, mirror=server.url, patience=IMPATIENT).fetched
    assert not list(tmp_path.glob("*.part*"))
    if tidied != "archive":  # what is lost of it is asked of nobody
        found, expected = json.loads((tmp_path / "downloads.json").read_text()), json.loads(remembered)
        assert found["tiny"]["sha256"] == expected["tiny"]["sha256"]
    assert len(server.asked) == 1


@pytest.mark.parametrize("kills", [1, pytest.param(12, marks=pytest.mark.soak)])
def test_a_killed_command_given_once_more_leaves_the_same_files(
    serve: Callable[..., ArchiveServer], tmp_path: Path, kills: int
) -> None:
    """Of a set that is in place already, what its process has left is tidied away."""
    files = {f"facades/{part}/{number}.jpg": picture() for part in PARTS for number in range(300)}
    server = serve(zipped({**files, "facades/readme.txt": random.Random(7).randbytes(20_000_000)}))
    whole, broken = (tmp_path / name for name in ("whole", "broken"))
    for folder in (whole, broken):
        folder.mkdir()
    arguments = ("fetch-data", "facades", "--mirror", server.url)
    started = time.monotonic()
    finish(arguments, whole)
    seconds, chance = time.monotonic() - started, random.Random(9)

    def clear() -> None:
        """Take the set away where it is in place, so that downloads and unpacking are met."""
        if (broken / "datasets" / "facades").is_dir():
            shutil.rmtree(broken / "datasets")

    kill_often(arguments, broken, kills, seconds, chance, clear)
    finish(arguments, broken)
    assert contents(broken, _tells_times) == contents(whole, _tells_times)
    assert _downloads(broken) == _downloads(whole)


def _tells_times(name: str) -> bool:
    return name.endswith((".lock", "downloads.json"))


def _downloads(folder: Path) -> dict[str, object]:
    entries = json.loads((folder / "datasets" / "downloads.json").read_bytes())
    return {name: {**entry, "fetched_at": None} for name, entry in entries.items()}
