"""`gdp filter` and `gdp pairs` on the command line; tests/end_to_end runs them whole."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.process


@pytest.mark.parametrize("command", ["filter", "pairs"])
def test_the_help_shows_an_example_and_imports_no_torch(command: str) -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from gdp.cli.app import app; "
        f"print(CliRunner().invoke(app, ['{command}', '--help']).stdout); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"Example: gdp {command} runs/stylegan-age" in done.stdout


def test_conditions_are_read_without_torch() -> None:
    program = "import sys; import gdp.support.expressions; assert not {'torch', 'numpy'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
