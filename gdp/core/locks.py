"""Locks on files, which go with the process that holds them, and what stands in for them on disks without any."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

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
        lock = SoftFileLock(soft)
        lock.acquire(timeout=timeout)
    try:
        yield
    finally:
        lock.release()


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
    except OSError:
        return _soft(path).exists()
    return False


def _soft(path: Path) -> Path:
    return path.with_name(path.name + _SOFT)
