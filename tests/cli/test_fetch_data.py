"""`gdp fetch-data`: what it prints, and that no error is a traceback."""

from __future__ import annotations

import functools
import io
import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from gdp.cli.app import app

PARTS = ("trainA", "trainB", "testA", "testB")


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve a folder that holds a small facades.zip."""
    monkeypatch.delenv("GDP_MIRROR", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "served").mkdir()
    content = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(content, "JPEG")
    with zipfile.ZipFile(tmp_path / "served" / "facades.zip", "w") as archive:
        for part in PARTS:
            archive.writestr(f"facades/{part}/1.jpg", content.getvalue())
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def gdp(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_a_set_is_fetched_once_and_then_in_place(mirror: str) -> None:
    first = gdp("fetch-data", "facades", "--mirror", mirror)
    assert first.exit_code == 0, first.stderr
    assert first.stdout.splitlines()[0] == "fetched: datasets/facades (trainA 1, trainB 1, testA 1, testB 1)"
    assert "CMP Facade Database" in first.stdout
    assert "facades: trainA has 1 pictures, 400 were expected" in first.stderr
    again = gdp("fetch-data", "facades", "--json")
    data = json.loads(again.stdout)
    assert (data["fetched"], data["folder"], data["pictures"]) == (False, "datasets/facades", dict.fromkeys(PARTS, 1))


def test_the_list_tells_what_is_in_place(mirror: str, tmp_path: Path) -> None:
    gdp("fetch-data", "facades", "--mirror", mirror, "--folder", str(tmp_path / "sets"))
    lines = gdp("fetch-data", "--list", "--folder", str(tmp_path / "sets")).stdout.splitlines()
    assert lines[0].split() == ["NAME", "SIZE", "PICTURES", "IN", "PLACE", "SUMMARY", "LICENCE"]
    assert [str(tmp_path / "sets" / "facades") in line for line in lines if line.startswith("facades")] == [True]
    rows = {row["name"]: row for row in json.loads(gdp("fetch-data", "--list", "--json").stdout)}
    assert {"horse2zebra", "monet2photo", "summer2winter_yosemite", "apple2orange"} <= rows.keys()
    assert rows["horse2zebra"]["pictures"] == {"trainA": 1067, "trainB": 1334, "testA": 120, "testB": 140}
    assert not any(row["in_place"] for row in rows.values())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("horse2zebr",), "did you mean horse2zebra?"),
        (("resnet",), '"resnet" is a student'),
        (("maps", "--mirror", "MIRROR"), "the server answers 404"),
        (("maps", "--mirror", "http://mirror.example"), "this address is refused. Only https"),
        (("facades", "--mirror", "MIRROR", "--folder", "served/facades.zip/x"), "cannot be written"),
        ((), "name a set"),
    ],
)
def test_errors_are_one_paragraph(mirror: str, arguments: tuple[str, ...], words: str) -> None:
    result = gdp("fetch-data", *(mirror if word == "MIRROR" else word for word in arguments))
    assert result.exit_code in (1, 2)
    assert words in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.process
def test_listing_imports_nothing_heavy() -> None:
    program = """
import sys
from typer.testing import CliRunner
from gdp.cli.app import app
for arguments in (["fetch-data", "--list"], ["fetch-data", "--help"], ["fetch-data", "nothing"]):
    CliRunner().invoke(app, arguments, catch_exceptions=False)
assert not {"torch", "httpx", "PIL"} & set(sys.modules), sorted(sys.modules)
"""
    result = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
