"""Run a gdp command and kill it at chosen moments."""

from __future__ import annotations

import hashlib
import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from forked import GdpProcess, run_forked

TOLD_TO_STOP = 3
"""Exit code of `gdp run --until`."""


def finish(arguments: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run the command to its end."""
    done = run_forked(arguments, folder, environment=environment)
    assert done.returncode == (TOLD_TO_STOP if "--until" in arguments else 0), done.stderr


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
    assert done.returncode in (0, TOLD_TO_STOP, -signal.SIGKILL), done.stderr
    return done.returncode == -signal.SIGKILL


def kill_at(
    arguments: Sequence[str | Path],
    folder: Path,
    seconds: float,
    environment: Mapping[str, str] | None = None,
) -> bool:
    """Start the command and kill it after so many seconds; False if it ended before, whatever came of it."""
    process = GdpProcess(arguments, folder, environment=environment)
    process.wait(seconds)
    process.kill()
    done = process.finish()
    assert done.returncode in (0, TOLD_TO_STOP, -signal.SIGKILL), done.stderr
    return done.returncode == -signal.SIGKILL


def kill_often(
    arguments: Sequence[str | Path],
    folder: Path,
    kills: int,
    seconds: float,
    chance: random.Random,
    between: Callable[[], object] = lambda: None,
) -> int:
    """Start the command and kill it, so many times, each after up to so many seconds; return how often it was killed.

    A command that ends before it is killed is given again, with less time. `between` is called after each.
    """
    killed = ended = 0
    while killed < kills:
        if kill_at(arguments, folder, chance.uniform(0.05, seconds * 0.8**ended)):
            killed += 1
        else:
            ended += 1
        between()
        assert ended < 10 + kills, f"it ends before it can be killed: {killed} of {kills}"
    print(f"{killed} kills of gdp {' '.join(map(str, arguments))}")
    return killed


def contents(folder: Path, left_out: Callable[[str], bool] = lambda name: False) -> dict[str, str]:
    """Return the SHA-256 of every file of a folder, by its place in it."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items() if not left_out(name)}
