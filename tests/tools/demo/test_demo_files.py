"""The page as a folder, and what `gdp demo` says and refuses."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.support.places import find_places

TEXTS = (".html", ".js", ".css")


def demo(*arguments: str | Path) -> tuple[int, str, str]:
    """Run the command; return its exit code, and what it printed and told."""
    done = CliRunner().invoke(app, ["demo", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_a_folder_holds_all_that_browsers_need_and_tells_of_no_machine(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    code, told, _ = demo(run, "--static", folder, "--json")
    assert (code, json.loads(told)["samples"]) == (0, 0)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert json.loads(told)["bytes"] == sum(path.stat().st_size for path in files.values())
    assert {"index.html", "page.js", "student.onnx", "engine/ort-wasm-simd-threaded.wasm"} <= files.keys()
    assert not [name for name in files if name.startswith("samples/")], "people may be in them"
    for path in (path for path in files.values() if path.suffix in TEXTS):
        text = re.sub(r"https?://\S+", "", path.read_text())
        assert str(tmp_path.parent) not in text
        assert path.suffix != ".html" or list(find_places(text)) == []


def test_what_an_earlier_demo_left_is_replaced_and_nothing_else(run: Path, uploads: Path, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    assert "--samples FOLDER puts pictures onto it" in demo(run, "--static", folder)[1]
    for samples, count in ((run / "pictures", 4), ("none", 0)):
        code, told, _ = demo(run, "--static", folder, "--samples", samples)
        assert (code, f"{count} samples." in told, "FOLDER" in told) == (0, True, False)
        assert len(list((folder / "samples").glob("*"))) == count
    (folder / "thesis.doc").write_text("mine")
    code, _, told = demo(run, "--static", folder)
    assert (code, (folder / "thesis.doc").read_text()) == (1, "mine")
    assert "other files are in this folder (thesis.doc). Name a new one." in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "there is no trained student here"),
        (["RUN", "--samples", "nowhere"], "there are no pictures"),
        (["RUN", "--engine", "abacus"], "abacus"),
        (["RUN", "--only-server", "--static", "page"], "exclude each other"),
        (["RUN/student/student.json", "--only-server"], "there is no card"),
    ],
)
def test_a_mistake_is_a_sentence(
    arguments: list[str], words: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, told = demo(*(argument.replace("RUN", str(run)) for argument in arguments))
    assert code == (2 if words in ("abacus", "exclude each other") else 1)
    assert words in told
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_the_choices_are_told(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    code, _, told = demo(run, "--static", tmp_path / "page")
    assert code == 1
    assert "npm pack onnxruntime-web@" in told
    assert "--only-server: this machine's engine makes the pictures then" in told
    assert not (tmp_path / "page").exists()


@pytest.mark.process
def test_the_command_serves_until_it_is_interrupted(run: Path) -> None:
    command = [sys.executable, "-m", "gdp", "demo", str(run), "--only-server", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        answer = httpx.get(told["address"], trust_env=False)
        assert (answer.status_code, told["engine"]) == (200, "onnx")
        assert "<h1>run</h1>" in answer.text
        process.send_signal(signal.SIGINT)
        assert (process.stdout.read(), process.wait(timeout=60)) == ("", 0)
