"""An environment of its own in which gdp is installed as a user has it: from its wheel, without the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
OFFLINE = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")


class CleanEnvironment:
    """A virtual environment that sees torch and its like in the running one, but neither its editable gdp nor cwd."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.binaries = folder / "bin"
        self.packages = next(folder.glob("lib/python*/site-packages"))
        # A path named in a .pth file is searched for modules, but its own .pth files (editable installs) are not read.
        (self.packages / "heavy.pth").write_text(sysconfig.get_path("purelib") + "\n")
        self._install_gdp(folder / "wheels")

    def _install_gdp(self, wheels: Path) -> None:
        self.run(
            "python", "-m", "pip", "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", str(wheels), str(ROOT)
        )
        (wheel,) = wheels.iterdir()
        self.run("python", "-m", "pip", "install", *OFFLINE, str(wheel))

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

    def run(self, program: str, *arguments: str, cwd: Path | None = None, check: bool = True) -> str:
        """Run one of its programs and return what it printed; a failure shows both streams."""
        result = self.attempt(program, *arguments, cwd=cwd)
        assert result.returncode == 0 or not check, f"{program} {arguments}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def attempt(self, program: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run one of its programs, whatever comes of it."""
        command = [str(self.binaries / program), *arguments]
        where = cwd or self.binaries.parent
        return subprocess.run(
            command, cwd=where, env=self.variables, capture_output=True, text=True, timeout=500, check=False
        )

    def install(self, source: Path) -> None:
        """Install a package from its folder, as pip does for a user."""
        self.run("python", "-m", "pip", "install", str(source))

    def uninstall(self, distribution: str) -> None:
        """Take a package away."""
        self.run("python", "-m", "pip", "uninstall", "--yes", distribution)

    def plugins(self) -> list[dict[str, Any]]:
        """Return the rows of `gdp list-plugins --json`."""
        rows: list[dict[str, Any]] = json.loads(self.run("gdp", "list-plugins", "--json"))
        return rows
