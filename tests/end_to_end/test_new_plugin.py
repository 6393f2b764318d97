"""What `gdp new-plugin` writes works untouched: installed, listed, tested by its own tests, formatted and typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from clean_environment import ROOT, CleanEnvironment

from gdp.scaffold.kinds import SCAFFOLDS

NAME = "tiny-thing"

WRITE = """
import json, sys
from typer.testing import CliRunner
from gdp.cli.app import app
name, parent, *kinds = sys.argv[1:]
folders = {}
for kind in kinds:
    arguments = ["new-plugin", kind, name, "--folder", parent, "--author", 'Ada "Äda" Lovelace', "--json"]
    folders[kind] = json.loads(CliRunner().invoke(app, arguments, catch_exceptions=False).stdout)["folder"]
print(json.dumps(folders))
"""


@pytest.fixture(scope="module")
def packages(environment: CleanEnvironment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A package of each kind, written by the installed gdp and installed."""
    written = environment.run("python", "-c", WRITE, NAME, str(tmp_path_factory.mktemp("authors")), *SCAFFOLDS)
    folders = {kind: Path(folder) for kind, folder in json.loads(written).items()}
    environment.install(*folders.values())
    return folders


def test_every_kind_is_listed_without_a_remark(environment: CleanEnvironment, packages: dict[str, Path]) -> None:
    rows = {row["kind"]: row for row in environment.plugins() if row["name"] == NAME}
    assert rows.keys() == packages.keys()
    for kind, row in rows.items():
        assert (row["status"], row["reason"], row["note"]) == ("ok", "", ""), row
        assert (row["package"], row["version"]) == (f"gdp-{kind}-{NAME}", "0.1.0")


def test_the_command_is_listed_and_has_help(environment: CleanEnvironment, packages: dict[str, Path]) -> None:
    assert packages["command"].is_dir()
    assert f"{NAME}  Shows the numbers that a run has measured (gdp-command" in environment.run("gdp", "--help")
    assert f"Example: gdp {NAME} runs/faces" in environment.run("gdp", NAME, "--help")


@pytest.fixture(scope="module")
def outcomes(environment: CleanEnvironment, packages: dict[str, Path]) -> dict[Path, tuple[int, str]]:
    """Exit status and output of each package's tests, by folder."""
    return environment.run_tests(*packages.values())


@pytest.mark.parametrize("kind", SCAFFOLDS)
def test_a_package_passes_its_own_tests_and_the_conformance_kit(
    packages: dict[str, Path], outcomes: dict[Path, tuple[int, str]], kind: str
) -> None:
    status, printed = outcomes[packages[kind]]
    assert status == 0, printed
    assert "test_contract[" in printed
    assert "skipped" not in printed.splitlines()[-1]


def test_packages_are_formatted_linted_and_typed(packages: dict[str, Path]) -> None:
    folders = list(packages.values())
    for arguments in (["format", "--check"], ["check"]):
        _check("ruff", *arguments, "--no-cache", *folders)  # each by the settings of its own package
    # gdp's own settings, which are strict, so that what mypy knows of gdp and torch from `make check` serves here.
    _check("mypy", *(source for folder in folders for source in sorted(folder.rglob("*.py"))))


def _check(program: str, *arguments: str | Path) -> None:
    command = [sys.executable, "-m", program, *map(str, arguments)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
