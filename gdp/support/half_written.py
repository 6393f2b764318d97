"""Folders for what is half written: gone with the work, or swept after a process that was killed."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gdp.core.errors import readable_os_errors
from gdp.core.locks import locked

PREFIX = ".gdp-half-"
LOCKED_WITHIN = 60.0
"""Seconds; from making the folder to locking it takes a moment."""
LOCK = "in-use.lock"
"""Held while the process works: the system lets it go with the process, however that ends."""


@contextmanager
def half_written(target: Path) -> Iterator[Path]:
    """Yield where a file can be written before it is moved to its place; what is left there goes at the end.

    What killed processes left half written beside it is swept first.

    Args:
        target: that place. Folders that it lacks are made.

    Raises:
        DiskFullError, RunFolderError: the system refuses to write there.
    """
    with ExitStack() as stack:
        with readable_os_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            sweep(target.parent)
            made = tempfile.TemporaryDirectory(dir=target.parent, prefix=PREFIX, ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(made))
            stack.enter_context(locked(folder / LOCK))
        yield folder / target.name


def written(made: Path) -> list[Path]:
    """Return all that was written where `half_written` gave a place for a file."""
    return sorted(part for part in made.parent.iterdir() if not part.name.startswith(LOCK))


def sweep(folder: Path) -> int:
    """Remove what killed processes left half written in a folder; return how many there were.

    A folder is theirs if it has their name and a lock that nobody holds. One without a lock has just been made, or was
    left between making it and locking it, or half removed: after a while it is theirs, too. All others stay.
    """
    swept = 0
    for left in folder.glob(f"{PREFIX}*"):
        lock = left / LOCK
        try:
            if left.is_symlink() or not (lock.is_file() or _is_abandoned(left)):
                continue
            with FileLock(lock, timeout=0):
                shutil.rmtree(left)
        except (Timeout, OSError):
            continue  # at work, of another user, or just gone
        swept += 1
    return swept


def _is_abandoned(folder: Path) -> bool:
    """Say whether a folder without a lock has the form of a name that we give, and nobody has touched it of late."""
    made_up = re.fullmatch(r"[a-z0-9_]{8}", folder.name.removeprefix(PREFIX))
    return made_up is not None and time.time() - folder.stat().st_mtime > LOCKED_WITHIN
