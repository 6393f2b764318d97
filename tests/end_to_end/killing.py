"""Run a gdp command and kill it at chosen moments."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def start(arguments: Sequence[str | Path], folder: Path) -> subprocess.Popen[bytes]:
    """Start `gdp ARGUMENTS` in a folder."""
    command = [sys.executable, "-m", "gdp", *map(str, arguments)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(arguments: Sequence[str | Path], folder: Path) -> None:
    """Run the command to its end."""
    process = start(arguments, folder)
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()


def kill_when(
    arguments: Sequence[str | Path], folder: Path, is_there: Callable[[], bool], chance: random.Random, longest: float
) -> bool:
    """Start the command, wait until `is_there`, and kill it up to `longest` seconds later; False if it ended before."""
    process = start(arguments, folder)
    while process.poll() is None and not is_there():
        time.sleep(0.005)
    try:
        process.wait(timeout=chance.uniform(0.0, longest))
    except subprocess.TimeoutExpired:
        process.kill()
    _, errors = process.communicate()
    assert process.returncode in (0, -9), errors.decode()
    return process.returncode == -9
