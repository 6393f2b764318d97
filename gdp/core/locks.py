"""Locks on files, which go with the process that holds them, and what stands in for them on disks without any."""

from __future__ import annotations

import errno
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})
_SOFT = ".held"
"""Behind a lock's name: a file that is there as long as the lock is held."""


@contextmanager
def locked(path: Path, timeout: float = -1) -> Iterator[None]:
    """Hold a lock on a file; where the disk knows no locks, by a file that is removed in the end, with a warning.

    Args:
        path: the lock's file; its folder is there.
        timeout: seconds to wait for another process; below 0 as long as it takes.

    Raises:
        filelock.Timeout: another process holds it.
        OSError: the file cannot be written.
    """
    from filelock import FileLock, Timeout

    lock: BaseFileLock = FileLock(path)
    try:
        lock.acquire(timeout=timeout)
    except Timeout:  # an OSError, too
        raise
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        soft = _soft(path)
        warnings.warn(
            f"{path.parent}: this disk knows no locks ({error.strerror}). {soft.name} says now that the folder is in "
            f"use; do not work there from two machines at once, and remove that file if a machine broke down.",
            stacklevel=4,
        )
        lock = soft_lock(path, timeout)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def soft_lock(path: Path, timeout: float) -> BaseFileLock:
    """Return a lock for disks that know none: a file, which whoever comes next removes if its process has ended."""
    from filelock import SoftFileLock

    return SoftFileLock(_soft(path), timeout)


@cache
def has_locks(folder: Path) -> bool:
    """Say whether the disk of a folder knows the locks that SQLite takes; True where it cannot be tried."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _NO_LOCKS
    return True


def is_held(path: Path) -> bool:
    """Tell whether a living process holds a lock; True where this system cannot tell."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:  # of ENOSYS filelock takes care itself: the lock's own file is there as long as it is held
        return _soft(path).exists() or error.errno == errno.ENOSYS
    return False


def _soft(path: Path) -> Path:
    return path.with_name(path.name + _SOFT)
