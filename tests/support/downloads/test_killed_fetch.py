"""A process that is killed in the middle of a download loses nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from archive_server import IMPATIENT, ArchiveServer, tiny_record, tiny_set

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
