"""Commands, the built-in ones and those of plugins: listed by their names, imported when they are called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gdp.cli.app import app
from gdp.registry import PluginRegistry
from gdp.registry.commands import built_in_commands

ROOT = Path(__file__).parents[2]
COMMAND = '''
import sys
from pathlib import Path
from typing import Annotated

import gdp
import typer
from gdp.console import print_json


@gdp.hookimpl
def gdp_register_commands(register):
    register("gaze", implementation="watching:gaze", summary="Shows a run while it works")
    register("absent", implementation="module_that_nobody_has:absent", summary="Cannot be imported")
    register("runs", implementation="watching:gaze", summary="Has a name that is taken")


def gaze(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    how: Annotated[str, typer.Option(help="How it ends.")] = "well",
) -> None:
    """Show a run while it works.

    Example: gdp gaze runs/faces
    """
    ends = {
        "gdp": gdp.GdpError("there is no such run"),
        "exit": typer.Exit(7),
        "system": SystemExit(9),
        "usage": typer.BadParameter("not so"),
        "fault": KeyError("oops"),
        "stop": KeyboardInterrupt(),
    }
    if how in ends:
        raise ends[how]
    print_json({"run": str(run), "filters": len(context.obj.registry.names("filter"))})
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "watching.py").write_text(COMMAND)
    return tmp_path


def gdp(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--plugins-dir", str(folder)], catch_exceptions=False)


@pytest.mark.process
def test_help_lists_all_commands_and_imports_none(folder: Path) -> None:
    program = """
import sys
from gdp.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
own = {f"gdp.cli.{name}" for name in ("app", "common", "completion", "loading", "machine_errors", "streams")}
imported = {name for name in sys.modules if name.startswith("gdp.cli.")} - own
assert imported == set(), imported
heavy = {"torch", "rich", "jinja2", "numpy"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, "--help", "--plugins-dir", str(folder)],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for record in built_in_commands().values():
        assert f"{record.name} {record.summary}" in lines, "each on one line of 80 characters"
    commands, others = lines.index("Runs:"), lines.index("Commands of plugins:")
    assert commands < lines.index("runs Show which runs are here, and their state") < others
    assert "gaze Shows a run while it works (watching.py)" in lines[others:]


def test_help_is_there_where_plugins_cannot_be_looked_for(tmp_path: Path) -> None:
    result = gdp(tmp_path / "nowhere", "--help")
    assert result.exit_code == 0
    assert "Make the pairs, train a student" in result.stdout
    assert "Commands of plugins cannot be shown" in result.stdout
    assert "there is no such plugins folder" in " ".join(result.stdout.split())


def test_a_plugins_command_runs_and_has_help(folder: Path) -> None:
    told = gdp(folder, "gaze", "runs/faces")
    assert (told.exit_code, '"run": "runs/faces"' in told.stdout) == (0, True)
    help_ = " ".join(gdp(folder, "gaze", "--help").stdout.split())
    assert "Show a run while it works. Example: gdp gaze runs/faces" in help_
    assert "The run folder." in help_


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        ("gdp", 1, "error: there is no such run\n"),
        ("exit", 7, ""),
        ("system", 9, ""),
        ("usage", 2, "Invalid value: not so"),
        ("fault", 1, "failed with KeyError: 'oops'. This is a fault of the plugin"),
        ("stop", 130, "stopped; run the same command again to go on"),
    ],
)
def test_how_a_plugins_command_ends(folder: Path, how: str, status: int, words: str) -> None:
    result = gdp(folder, "gaze", "runs/faces", "--how", how)
    assert (result.exit_code, result.stdout) == (status, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_a_fault_names_the_package_and_shows_its_place_where_that_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = gdp(folder, "gaze", "runs/faces", "--how", "fault")
    assert result.stderr.startswith(f"error: command gaze ({folder / 'watching.py'}): failed with KeyError")
    monkeypatch.setenv("GDP_TRACEBACK", "1")
    result = gdp(folder, "gaze", "runs/faces", "--how", "fault")
    assert "Traceback (most recent call last)" in result.stderr
    assert f'File "{folder / "watching.py"}"' in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: command gaze")


def test_a_command_that_cannot_be_imported_is_told_in_a_sentence(folder: Path) -> None:
    for arguments in (["absent"], ["absent", "--help"]):
        result = gdp(folder, *arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"error: command absent ({folder / 'watching.py'}): ")
        assert "no module named 'module_that_nobody_has'" in result.stderr


def test_a_name_that_is_taken_is_a_row_and_the_built_in_command_stays(folder: Path) -> None:
    assert "Show which runs are here" in gdp(folder, "runs", "--help").stdout
    assert "the command runs of" in gdp(folder, "list-plugins").stdout


def test_commands_can_be_left_out(folder: Path) -> None:
    result = gdp(folder, "gaze", "runs/faces", "--no-plugin", "gaze")
    assert result.exit_code == 2
    assert 'command "gaze" cannot be used (disabled): left out by --no-plugin' in result.stderr
    assert "Shows a run while it works" not in gdp(folder, "--help", "--no-plugin", "gaze").stdout
    assert 'command "push" cannot be used' in gdp(folder, "push", "--no-plugin", "push").stderr


def test_a_typing_error_is_told_with_the_nearest_command(folder: Path) -> None:
    result = gdp(folder, "gzae")
    assert result.exit_code == 2
    assert 'no command is called "gzae"; did you mean gaze?' in result.stderr


def test_built_in_commands_ask_for_no_plugins_before_they_need_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PluginRegistry, "discover", None)
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["runs"], catch_exceptions=False).stdout == "no runs in runs\n"
    for arguments in (["run", "nope.toml"], ["pairs", "nope"], ["report", "nope"], ["describe", "--help"]):
        assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code in (0, 1, 2)


def test_a_command_is_described(folder: Path) -> None:
    told = gdp(folder, "describe", "command", "gaze").stdout
    assert told.startswith("command gaze: Shows a run while it works\n")
    assert "gdp gaze --help shows its options" in told
    assert '"implementation": "gdp.cli.push:push"' in gdp(folder, "describe", "command", "push", "--json").stdout
    assert gdp(folder, "describe", "converter", "stylegan2-ada").exit_code == 0
