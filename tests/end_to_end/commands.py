"""Call gdp as a user does, but in this process: starting one for each command would import torch each time."""

from __future__ import annotations

import contextlib
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.cli.common import EXIT_STOPPED


def gdp_command(*arguments: str | Path, cwd: Path) -> Result:
    """Run `gdp ARGUMENTS` in a folder; an exception that gdp does not explain is raised here."""
    with contextlib.chdir(cwd):
        return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def succeed(*arguments: str | Path, cwd: Path) -> str:
    """Run `gdp ARGUMENTS` to its good end, or that of `--until`; return what it printed to standard output."""
    finished = gdp_command(*arguments, cwd=cwd)
    assert finished.exit_code == (EXIT_STOPPED if "--until" in arguments else 0), finished.output
    return finished.stdout
