"""What is made once for all tests that only look at it: a finished run, and the installed wheel."""

from __future__ import annotations

from pathlib import Path

import pytest
from clean_environment import CleanEnvironment
from commands import succeed
from lines_world import make_lines_world
from sharing import made_once
from tiny_world import make_tiny_world


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `runs/tiny` of a finished run of the tiny recipe, which lies beside `runs`: not to be changed."""

    def make(folder: Path) -> None:
        succeed("run", make_tiny_world(folder), "--json", cwd=folder)

    return made_once(tmp_path_factory, "finished-run", make) / "runs" / "tiny"


@pytest.fixture(scope="session")
def lines_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is copied for each command line: not to be changed."""
    return made_once(tmp_path_factory, "lines-world", make_lines_world)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> CleanEnvironment:
    """An environment with gdp's wheel and what that requires: not to be changed."""
    return CleanEnvironment(made_once(tmp_path_factory, "installed", CleanEnvironment.with_gdp))


@pytest.fixture(scope="module")
def environment(installed: CleanEnvironment, tmp_path_factory: pytest.TempPathFactory) -> CleanEnvironment:
    """An environment of the module's own upon the installed wheel, with an author's tools, to install packages in."""
    return CleanEnvironment.upon(installed, tmp_path_factory.mktemp("environment"))
