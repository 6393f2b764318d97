"""`gdp prune` on the command line; tests/end_to_end runs it whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gdp.cli.app import app


def prune(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["prune", *arguments], catch_exceptions=False)


@pytest.mark.process
def test_the_help_shows_an_example_and_imports_no_torch() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from gdp.cli.app import app; "
        "print(CliRunner().invoke(app, ['prune', '--help']).stdout); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Example: gdp prune runs/cyclegan-painting --macs 0.5" in done.stdout


def test_the_share_has_to_be_given() -> None:
    result = prune("runs/somewhere")
    assert result.exit_code == 2
    assert "--macs" in result.stderr


def test_what_is_wrong_is_one_paragraph(tmp_path: Path) -> None:
    result = prune(str(tmp_path), "--macs", "0.5")
    assert result.exit_code == 1
    assert "this is no run folder (it holds no run.json)" in result.stderr
    result = prune(str(tmp_path), "--macs", "50")
    assert result.exit_code == 1
    assert "must lie between 0 and 1, such as 0.5 for half of them; got 50" in result.stderr
    assert list(tmp_path.iterdir()) == []
