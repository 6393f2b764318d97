"""Whatever is typed: no traceback, a documented exit code, and JSON alone where JSON was asked for."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from click.testing import Result
from command_lines import command_lines, make_odd_files
from typer.testing import CliRunner

from gdp.cli.app import app

DOCUMENTED = {0, 1, 2, 3, 130, 141, 143}


def fault_of(arguments: list[str], result: Result) -> str | None:
    """Return what is wrong with how a command line ended."""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return f"{type(result.exception).__name__}: {result.exception}"
    if result.exit_code not in DOCUMENTED:
        return f"exit code {result.exit_code}"
    if "Traceback" in result.output:
        return "a traceback is printed"
    if result.exit_code in (1, 2) and not result.output:
        return "it failed without a word"
    if "--json" in arguments and not {"--help", "-h"} & set(arguments) and result.stdout:
        try:
            json.loads(result.stdout)
        except ValueError:
            return f"no JSON: {result.stdout[:100]!r}"
    return None


@pytest.mark.parametrize(("seed", "count"), [(1, 300), pytest.param(2, 2000, marks=pytest.mark.soak)])
def test_whatever_is_typed_ends_in_words(
    seed: int, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_odd_files(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "folder"))
    monkeypatch.setattr("webbrowser.open", lambda *_: True)
    found = []
    with contextlib.chdir(tmp_path):
        for arguments in command_lines(seed, count):
            result = CliRunner().invoke(app, arguments)
            fault = fault_of(arguments, result)
            if fault is not None:
                found.append((arguments, fault))
    assert not found
