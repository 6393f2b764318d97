"""Run a gdp command and kill it at chosen moments."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from forked import GdpProcess, run_forked


def finish(arguments: Sequence[str | Path], folder: Path) -> None:
    """Run the command to its end."""
    done = run_forked(arguments, folder)
    assert done.returncode == 0, done.stderr


def kill_when(
    arguments: Sequence[str | Path],
    folder: Path,
    is_there: Callable[[], bool],
    chance: random.Random,
    longest: float,
    is_over: Callable[[], bool] = lambda: False,
) -> bool:
    """Start the command, wait until `is_there`, and kill it up to `longest` seconds later; False if it ended before.

    It is not waited any longer when `is_over`.
    """
    process = GdpProcess(arguments, folder)
    while process.runs() and not is_there():
        time.sleep(0.005)
    last = time.monotonic() + chance.uniform(0.0, longest)
    while process.runs() and time.monotonic() < last and not is_over():
        time.sleep(0.005)
    process.kill()
    done = process.finish()
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode == -signal.SIGKILL
