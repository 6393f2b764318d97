"""Environments of their own in which gdp is installed as users have it: from its wheel, with what that requires."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Self

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
GDP = "gdp-distill"
TOOLS = ("pip", "pytest", "hatchling", "build")
"""What an author of a plugin has beside gdp."""

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


class CleanEnvironment:
    """A virtual environment that sees nothing of the checkout, nor of the running environment but what is linked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.binaries = folder / "bin"

    @classmethod
    def with_gdp(cls, folder: Path) -> Self:
        """Make one with the wheel of the checkout and links to the packages that it requires, and no others."""
        made = cls._empty(folder)
        link_packages(required([GDP]) - {GDP}, made.packages)
        wheels = folder / "wheels"
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(ROOT)]
        subprocess.run(build, check=True, capture_output=True)
        made.pip("install", "--no-index", "--no-deps", *map(str, wheels.iterdir()))
        return made

    @classmethod
    def upon(cls, other: CleanEnvironment, folder: Path) -> Self:
        """Make one that sees all of another, and has the tools of an author and room for packages of its own."""
        made = cls._empty(folder)
        # A path named in a .pth file is searched for modules and for the metadata of packages.
        (made.packages / "other.pth").write_text(f"{other.packages}\n")
        link_packages(required(TOOLS) - required([GDP]), made.packages)
        program = (other.binaries / "gdp").read_text().replace(str(other.binaries), str(made.binaries))
        (made.binaries / "gdp").write_text(program)
        (made.binaries / "gdp").chmod(0o755)
        return made

    @classmethod
    def _empty(cls, folder: Path) -> Self:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        return cls(folder)

    @property
    def packages(self) -> Path:
        """Its `site-packages`."""
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of its commands: pip works offline, and nothing of the checkout is on a path."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GDP_", "PYTEST_"))}
        return kept | {
            "PATH": f"{self.binaries}{os.pathsep}{os.environ['PATH']}",
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # in pip's own words: 0 is "do not isolate"
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_QUIET": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def pip(self, *arguments: str) -> str:
        """Run the running environment's pip upon this one."""
        command = [sys.executable, "-m", "pip", "--python", str(self.binaries / "python"), *arguments]
        result = subprocess.run(command, env=self.variables, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def run(self, program: str, *arguments: str, cwd: Path | None = None, check: bool = True) -> str:
        """Run one of its programs and return what it printed; a failure shows both streams."""
        result = self.attempt(program, *arguments, cwd=cwd)
        assert result.returncode == 0 or not check, f"{program} {arguments}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def attempt(self, program: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run one of its programs, whatever comes of it."""
        command = [str(self.binaries / program), *arguments]
        return subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )

    def start(self, program: str, *arguments: str, cwd: Path) -> subprocess.Popen[bytes]:
        """Start one of its programs, to be killed."""
        command = [str(self.binaries / program), *arguments]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command, cwd=cwd, env=self.variables, stdout=quiet, stderr=quiet)

    def install(self, *sources: Path) -> None:
        """Install packages from their folders, as pip does for a user."""
        self.run("python", "-m", "pip", "install", *map(str, sources))

    def uninstall(self, *distributions: str) -> None:
        """Take packages away."""
        self.run("python", "-m", "pip", "uninstall", "--yes", *distributions)

    def run_tests(self, *folders: Path) -> dict[Path, tuple[int, str]]:
        """Run the tests of packages; return pytest's exit status and what it printed, by folder."""
        outcomes = json.loads(self.run("python", "-c", RUN_TESTS, *map(str, folders)))
        return {Path(folder): (status, printed) for folder, (status, printed) in outcomes.items()}

    def plugins(self) -> list[dict[str, Any]]:
        """Return the rows of `gdp list-plugins --json`."""
        rows: list[dict[str, Any]] = json.loads(self.run("gdp", "list-plugins", "--json"))
        return rows


def required(packages: Iterable[str]) -> set[str]:
    """Return the names of installed packages with all that they require, and that these require."""
    extras: dict[str, set[str]] = {}
    waiting = [Requirement(name) for name in packages]
    while waiting:
        requirement = waiting.pop()
        done = extras.setdefault(re.sub(r"[-_.]+", "-", requirement.name).lower(), set())
        for extra in {"", *requirement.extras} - done:
            done.add(extra)
            for line in importlib.metadata.requires(requirement.name) or ():
                further = Requirement(line)
                if further.marker is None or further.marker.evaluate({"extra": extra}):
                    waiting.append(further)
    return set(extras)


def link_packages(packages: Collection[str], site: Path) -> None:
    """Put links to installed packages and their metadata into a `site-packages`."""
    installed = Path(sysconfig.get_path("purelib"))
    for package in packages:
        files = importlib.metadata.files(package)
        assert files, f"{package} does not say which files it consists of"
        for name in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            if not (site / name).exists():
                (site / name).symlink_to(installed / name)
