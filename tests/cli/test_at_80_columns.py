"""Every command on a terminal of 80 columns: its help as it was looked at, and what it prints without a line too long.

After a change of help: `python tests/cli/test_at_80_columns.py` writes `help_at_80_columns/` anew; read the difference.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.registry.commands import built_in_commands

GOLDEN = Path(__file__).with_name("help_at_80_columns")
COMMANDS = ("", *built_in_commands(), "recipes copy")


def help_of(command: str) -> str:
    """Return a command's help as the test runner gives it, at 80 columns."""
    result = CliRunner().invoke(app, [*command.split(), "--help"], prog_name="gdp", catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def golden(command: str) -> Path:
    return GOLDEN / f"{'-'.join(['gdp', *command.split()])}.txt"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_is_as_it_was_looked_at(command: str) -> None:
    told = help_of(command)
    assert told == golden(command).read_text(), f"if that is meant: python {Path(__file__).relative_to(Path.cwd())}"
    assert max(map(len, told.splitlines())) <= 80
    for example in re.findall(r"Example: .*\n(.*)", told):
        assert not example.strip(), "an example is copied, so it stands on one line"


def test_no_help_is_left_of_a_command_that_is_gone() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {golden(command).name for command in COMMANDS}


def test_help_tells_whole_summaries_by_purpose() -> None:
    told = help_of("")
    assert not [line for line in told.splitlines()[1:] if line.endswith("...")]
    for record in built_in_commands().values():
        assert re.search(rf"^  {record.name} +{re.escape(record.summary)}$", told, re.MULTILINE)


@pytest.mark.process
@pytest.mark.parametrize(("columns", "least", "most"), [(60, 40, 60), (140, 120, 140), (400, 120, 160)])
def test_help_is_as_wide_as_the_terminal_up_to_what_can_be_read(columns: int, least: int, most: int) -> None:
    command = [sys.executable, "-c", "from gdp.cli import main; main()", "apply", "--help"]
    environment = {**os.environ, "COLUMNS": str(columns)}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert least < max(map(len, told.splitlines())) <= most


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A terminal in a folder with a run of a long name."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "cyclegan-painting-ablation"
    run.mkdir(parents=True)
    stages = {name: {"key": "k", "summary": {}, "seconds": 75} for name in ("teacher", "pairs", "filter", "train")}
    (run / "stages.json").write_text(json.dumps(stages))
    about = {"name": run.name, "state": "finished", "updated_at": "2026-01-03T10:11:12+00:00"}
    (run / "run.json").write_text(json.dumps(about))
    return tmp_path


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("recipes", ["cyclegan-painting-ablation", "stylegan2-ffhq-1024.safetensors"]),
        ("list-plugins", ["azure-face-emulator", "stylegan2-rosinality"]),
        ("runs", ["cyclegan-painting-ablation", "finished"]),
        ("fetch-data --list", ["summer2winter_yosemite"]),
        ("make-judge --list", ["face-api"]),
        ("describe filter azure-face", ["calls_per_minute"]),
        ("describe command run", ["gdp.cli.run:run"]),
        ("doctor", ["full-size training"]),
    ],
)
def test_what_is_printed_fits_with_whole_names(
    command: str, names: list[str], world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gdp.tools.machine.software.EXTRAS", ())  # to import them all takes long
    result = CliRunner().invoke(app, command.split(), catch_exceptions=False)
    told = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout)
    too_long = [line for line in told.splitlines() if len(line.rstrip()) > 80 and len(line.split()) > 1]
    assert too_long == []
    assert "…" not in told
    for name in names:
        assert name in told


def write_golden() -> None:
    """Write the help of all commands as it is now."""
    os.environ.pop("FORCE_COLOR", None)
    GOLDEN.mkdir(exist_ok=True)
    for path in GOLDEN.iterdir():
        path.unlink()
    for command in COMMANDS:
        golden(command).write_text(help_of(command))


if __name__ == "__main__":
    write_golden()
