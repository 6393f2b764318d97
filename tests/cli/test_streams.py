"""Standard streams that are closed, full or gone, in the real process."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from student_files import write_inverting_student

ROOT = Path(__file__).parents[2]
GDP = (sys.executable, "-c", "from gdp.cli import main; main()")

pytestmark = pytest.mark.process


def shell(redirection: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `gdp ARGUMENTS REDIRECTION`."""
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", *GDP, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize("redirection", [">&-", "> /dev/full"])
@pytest.mark.parametrize("arguments", [("schema",), ("runs", "--root", "nowhere"), ("--help",)])
def test_output_that_cannot_be_written_is_told_in_one_paragraph(redirection: str, arguments: tuple[str, ...]) -> None:
    done = shell(redirection, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: standard output cannot be written (")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("redirection", ["2>&-", "2> /dev/full", "<&-", "<&- 2>&-"])
def test_work_goes_on_without_what_only_shows_how_it_goes(redirection: str) -> None:
    done = shell(redirection, "schema")
    assert (done.returncode, done.stdout[:1], done.stderr) == (0, "{", "")


@pytest.mark.parametrize("redirection", ["2>&-", "2> /dev/full"])
def test_pictures_are_translated_though_nobody_can_read_what_is_told_of_them(tmp_path: Path, redirection: str) -> None:
    student, picture = write_inverting_student(tmp_path / "student.onnx"), tmp_path / "large.png"
    Image.new("RGB", (1024, 8), "red").save(picture)  # of which it warns
    assert "warning: " in shell("", "apply", str(student), str(picture), "-o", str(tmp_path / "seen")).stderr
    done = shell(redirection, "apply", str(student), str(picture), "-o", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (0, "")
    with Image.open(tmp_path / "out" / "large.png") as made:
        assert made.getpixel((0, 0)) == (0, 255, 255)


def test_work_whose_news_nobody_wants_to_read_is_done_and_has_not_failed(tmp_path: Path) -> None:
    for file, arguments in {
        "contrast": ("new-plugin", "filter", "contrast"),
        "schema.json": ("schema", "-o", str(tmp_path / "schema.json")),
    }.items():
        folder = ("--folder", str(tmp_path)) if arguments[0] == "new-plugin" else ()
        done = shell(">&-", *arguments, *folder)
        assert (done.returncode, done.stderr) == (0, "")
        assert any(path.name.endswith(file) for path in tmp_path.iterdir())
    done = shell(">&-", "new-plugin", "filter", "softness", "--json", "--folder", str(tmp_path))
    assert done.returncode == 1, "what was asked for is missed"


def test_an_error_that_cannot_be_told_keeps_its_exit_code() -> None:
    assert shell("2> /dev/full", "validate", "nowhere.toml").returncode == 2
    assert shell("> /dev/full", "validate", "nowhere.toml", "--json").returncode == 1


def test_a_terminal_that_has_gone_ends_no_work() -> None:
    ours, theirs = pty.openpty()
    command = ["sh", "-c", 'trap "" HUP; read go; exec "$@"', "sh", *GDP, "schema"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, cwd=ROOT, start_new_session=True
    ) as process:
        os.close(theirs)
        os.close(ours)
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.close()
        assert process.wait() == 0


def test_names_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    run = tmp_path / os.fsdecode(b"caf\xe9")
    run.mkdir()
    (run / "run.json").write_text('{"format": 1, "state": "finished"}')
    for arguments in (("runs", "--root", str(tmp_path)), ("runs", "--json", "--root", str(tmp_path))):
        done = shell("", *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert "caf\\udce9" in done.stdout


LOUD = """\
import os
import subprocess
import sys

import gdp

print("printed")
os.write(1, b"written to the number\\n")
subprocess.run([sys.executable, "-c", "print('of a child')"], check=True)
"""


@pytest.mark.parametrize(
    "arguments", [("list-plugins",), ("describe", "filter", "sharpness"), ("validate", "none.toml")]
)
def test_under_json_nothing_else_gets_to_standard_output_however_it_is_written(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    done = shell("", *arguments, "--json", "--plugins-dir", str(tmp_path))
    assert json.loads(done.stdout)
    for line in ("printed", "written to the number", "of a child"):
        assert line in done.stderr.splitlines()


@pytest.mark.parametrize("redirection", [">&-", "> /dev/full"])
def test_json_that_cannot_be_written_is_told_in_one_paragraph(redirection: str) -> None:
    done = shell(redirection, "list-plugins", "--json")
    assert done.returncode == 1
    assert done.stderr.startswith("error: standard output cannot be written (")
    assert len(done.stderr.splitlines()) == 1
