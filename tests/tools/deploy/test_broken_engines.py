"""Third parties' engines fail in every way that there is, and `gdp apply` and `gdp bench` work for everybody."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_student import make_tiny_run
from typer.testing import CliRunner, Result

import gdp
from gdp.cli.app import app
from gdp.registry import PluginRegistry
from gdp.tools.deploy.student_folder import CHOICE

ENGINES = Path(__file__).parent / "broken_engines"
OTHERS = (
    "--plugins-dir",
    str(ENGINES),
    "--no-plugin",
    "onnx",
    "--no-plugin",
    "openvino",
    "--no-plugin",
    "openvino-int8",
)
REASONS = {
    "unimportable": "PanicError: at registration",
    "imported-by-panic": "PanicError: at import",
    "imported-by-exit": "SystemExit: no licence",
    "built-by-runtime-error": "RuntimeError: no device",
    "built-by-exit": "SystemExit: good bye",
    "built-by-panic": "PanicError: index out of bounds",
    "without-file": "file must be the plain name of the file",
    "exported-by-panic": "PanicError: no such operator",
    "opened-by-exit": "SystemExit: 0",
    "described-by-exit": "SystemExit: 5",
    "translated-by-panic": "PanicError: in the middle of a picture",
    "crops": "it made uint8 (1, 31, 31, 3) of pictures (1, 32, 32, 3)",
}
LATE = ("opened-by-exit", "translated-by-panic")
"""Those of which only a measuring process of the bench tells."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_run(tmp_path_factory.mktemp("broken"))


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "run")


def gdp_command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), *OTHERS], catch_exceptions=False)


def test_the_trial_names_each_broken_engine_once_and_takes_another(run: Path, tmp_path: Path) -> None:
    done = gdp_command("apply", run, run / "pictures", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "out").iterdir())) == len(list((run / "pictures").iterdir()))
    told = [line for line in done.stderr.splitlines() if line.startswith("left out: ")]
    assert len(told) == len(REASONS)
    for name, reason in REASONS.items():
        (line,) = [line for line in told if line.startswith((f"left out: {name}: ", f"left out: {name} of "))]
        assert reason in line
    tried = json.loads((run / "student" / CHOICE).read_text())
    assert set(tried["milliseconds"]) == {"torch", "sound"}


def test_what_was_left_out_is_told_in_json_and_python_too(run: Path, tmp_path: Path) -> None:
    done = gdp_command("apply", run, run / "pictures", "-o", tmp_path / "out", "--json")
    told = json.loads(done.stdout)
    assert told["engine"] in ("torch", "sound")
    assert {name.partition(" of ")[0] for name in told["left_out"]} == set(REASONS)
    again = gdp_command("apply", run, run / "pictures", "-o", tmp_path / "out", "--json")
    assert json.loads(again.stdout)["left_out"] == {}, "the choice is remembered, and nothing was tried"
    (run / "student" / CHOICE).unlink()
    registry = PluginRegistry.discover(folders=[ENGINES], disabled=frozenset({"onnx", "openvino", "openvino-int8"}))
    assert gdp.deploy(run, registry=registry).left_out.keys() == told["left_out"].keys()


def test_a_remembered_engine_that_breaks_is_replaced(run: Path, tmp_path: Path) -> None:
    gdp_command("apply", run, run / "pictures", "-o", tmp_path / "out")
    choice = run / "student" / CHOICE
    choice.write_text(json.dumps({**json.loads(choice.read_text()), "engine": "opened-by-exit"}))
    done = gdp_command("apply", run, run / "pictures", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "opened-by-exit was the fastest engine and cannot be used any more" in done.stderr
    assert json.loads(choice.read_text())["engine"] in ("torch", "sound")


def test_another_engine_that_comes_is_tried(run: Path, tmp_path: Path) -> None:
    alone = CliRunner().invoke(app, ["apply", str(run), str(run / "pictures"), "-o", str(tmp_path), *OTHERS[2:]])
    assert alone.exit_code == 0, alone.output
    assert set(json.loads((run / "student" / CHOICE).read_text())["milliseconds"]) == {"torch"}
    gdp_command("apply", run, run / "pictures", "-o", tmp_path / "out")
    assert set(json.loads((run / "student" / CHOICE).read_text())["milliseconds"]) == {"torch", "sound"}


@pytest.mark.parametrize("name", [name for name in REASONS if name not in ("unimportable", "exported-by-panic")])
def test_naming_a_broken_engine_gives_one_error_that_names_it(run: Path, tmp_path: Path, name: str) -> None:
    done = gdp_command("apply", run, run / "pictures" / "00.png", "-o", tmp_path / "out", "--engine", name)
    assert done.exit_code == 1
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("note: ")]
    assert line.startswith("error: ") and name in line and REASONS[name] in line
    assert "broken_engines/breaking.py" in line, "whose plugin it is"


def test_an_export_for_a_broken_engine_gives_one_error_and_leaves_nothing(run: Path) -> None:
    before = sorted((run / "student").iterdir())
    done = gdp_command("export", run, "--to", "exported-by-panic")
    assert done.exit_code == 1
    assert done.stderr.count("exported-by-panic") == 1 and "no such operator" in done.stderr
    assert sorted((run / "student").iterdir()) == before


@pytest.mark.process
def test_the_bench_measures_the_others_and_names_each(run: Path) -> None:
    less = [option for name in ("described-by-exit", "crops", "torch") for option in ("--no-plugin", name)]
    done = gdp_command("bench", run, "--repeats", "2", "--slow-steps", "0", *less)
    assert done.exit_code == 0, done.output
    assert "student, sound " in done.stdout
    told = [line for line in done.stdout.splitlines() if "left out: " in line]
    reasons = {name: reason for name, reason in REASONS.items() if name not in less}
    assert len(told) == len(reasons)
    for name, reason in reasons.items():
        start = f"student, {name} at 32 px: " if name in LATE else f"engine {name}"
        (line,) = [line for line in told if line.startswith(start)]
        assert reason in line


@pytest.mark.process
def test_naming_a_broken_engine_in_a_bench_gives_one_error(run: Path) -> None:
    done = gdp_command("bench", run, "--engines", "torch,built-by-exit", "--repeats", "2", "--slow-steps", "0")
    assert done.exit_code == 1
    assert done.stderr.count("error: ") == 1 and "good bye" in done.stderr
