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

# One process for the tests of all packages, each in its folder and with its own settings: torch is imported once.
RUN_TESTS = """
import contextlib, io, json, os, sys
import pytest
outcomes = {}
for folder in sys.argv[1:]:
    os.chdir(folder)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        status = pytest.main(["-p", "no:cacheprovider", "-vv"])
    outcomes[folder] = [int(status), printed.getvalue()]
print(json.dumps(outcomes))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> CleanEnvironment:
    return CleanEnvironment(tmp_path_factory.mktemp("clean") / "venv")


@pytest.fixture(scope="module")
def packages(environment: CleanEnvironment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A package of each kind, written by the installed gdp and installed one after the other."""
    parent = tmp_path_factory.mktemp("authors")
    folders = {}
    for kind in SCAFFOLDS:
        arguments = (kind, NAME, "--folder", str(parent), "--author", 'Ada "Äda" Lovelace', "--json")
        written = json.loads(environment.run("gdp", "new-plugin", *arguments))
        folders[kind] = Path(written["folder"])
        environment.install(folders[kind])
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
def outcomes(environment: CleanEnvironment, packages: dict[str, Path]) -> dict[str, tuple[int, str]]:
    """Exit status and output of each package's tests, by folder."""
    ran: dict[str, tuple[int, str]] = json.loads(
        environment.run("python", "-c", RUN_TESTS, *(str(folder) for folder in packages.values()))
    )
    return ran


@pytest.mark.parametrize("kind", SCAFFOLDS)
def test_a_package_passes_its_own_tests_and_the_conformance_kit(
    packages: dict[str, Path], outcomes: dict[str, tuple[int, str]], kind: str
) -> None:
    status, printed = outcomes[str(packages[kind])]
    assert status == 0, printed
    assert "test_contract[" in printed
    assert "skipped" not in printed.splitlines()[-1]


def test_packages_are_formatted_linted_and_typed(packages: dict[str, Path]) -> None:
    for folder in packages.values():
        for arguments in (["format", "--check"], ["check"]):
            _check([sys.executable, "-m", "ruff", *arguments, "--no-cache", "."], folder)
    sources = [str(source) for folder in packages.values() for source in sorted(folder.rglob("*.py"))]
    # gdp's own settings, which are strict, so that what mypy knows of gdp and torch from `make check` serves here.
    _check([sys.executable, "-m", "mypy", *sources], ROOT)


def _check(command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
