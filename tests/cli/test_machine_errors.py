"""What the machine refuses is told in a paragraph: torch that cannot be imported, threads that do not start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from gdp.cli.common import readable_errors

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
from gdp.cli import main
main()
"""


def gdp(*arguments: str | Path, program: str, folder: Path, search: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program that runs gdp with arguments."""
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*([search] if search else []), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of addresses that Linux keeps to")
def test_torch_that_finds_no_room_is_told_with_the_limit(tmp_path: Path) -> None:
    failed = gdp("run", "stylegan-age", program=LIMITED.format(limit=1_200_000_000), folder=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: torch cannot be imported: ")
    assert "A process may have 1.2 GB of addresses here (`ulimit -v`)" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        ("OSError('libcudart.so.12: cannot open shared object file')", "libcudart.so.12: cannot open shared object"),
        ("MemoryError()", "torch cannot be imported: MemoryError."),
        ("ModuleNotFoundError('No module named sympy', name='sympy')", "No module named sympy"),
    ],
)
def test_torch_that_is_damaged_is_told_with_what_to_do(raised: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(f"raise {raised}\n", encoding="utf-8")
    program = "from gdp.cli import main; main()"
    failed = gdp("run", "stylegan-age", program=program, folder=tmp_path, search=str(tmp_path))
    assert failed.returncode == 1
    assert words in failed.stderr
    assert "pip install --force-reinstall torch" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_threads_that_do_not_start_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, readable_errors():
        raise RuntimeError("can't start new thread")
    assert ended.value.exit_code == 1
    assert "the system starts no more threads" in capsys.readouterr().err
