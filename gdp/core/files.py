"""Files that are written whole or not at all, and stay after a crash."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from gdp.core.errors import readable_os_errors
from gdp.core.written_through import followed, is_special, write_through

if sys.platform != "win32":  # there, what a killed process leaves stays
    import fcntl

_PIECE = 2**22
_PART = ".gdp-part"
"""How names of files end that are being written."""
_KEPT_OF_A_NAME = 56
"""Characters, four bytes each at most: file systems take 255 bytes, and something is put around them."""


def name_beside(path: Path) -> str:
    """Return how the name of a file begins that becomes `path` when it is whole: hidden, and never too long a name."""
    return f".{path.name[:_KEPT_OF_A_NAME]}."


def sync_folder(folder: Path) -> None:
    """Wait until the disk knows the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's content in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_file(path: Path, most: int = -1) -> bytes:
    """Return a file's content, or so many bytes of its beginning; what may never end is not waited for.

    Raises:
        OSError: it cannot be read, or is no file but a folder, a pipe or a device.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(handle)


def write_atomically(path: Path, content: bytes | memoryview | Iterable[bytes | memoryview]) -> None:
    """Write a file so that a reader, or a restart after a kill, sees the old content or the new, never a part.

    Links stay and what they lead to is written; devices and pipes are written through.

    Args:
        path: the file; folders above it are made.
        content: all of it, or its pieces one after the other.

    Raises:
        DiskFullError, RunFolderError: the system refuses to write; the old content stays.
    """
    _write_pieces(path, [content] if isinstance(content, bytes | memoryview) else content)


def copy_atomically(source: Path, path: Path) -> str:
    """Copy a file as `write_atomically` writes one, a piece at a time; return the sha256 of what was copied.

    Raises:
        OSError: the source cannot be read.
        DiskFullError, RunFolderError: the system refuses to write; the old content stays.
    """
    digest = hashlib.sha256()

    def pieces(file: BinaryIO) -> Iterator[bytes]:
        while piece := file.read(_PIECE):
            digest.update(piece)
            yield piece

    with source.open("rb") as file:
        _write_pieces(path, pieces(file))
    return digest.hexdigest()


def put_in_place(made: Path, path: Path) -> None:
    """Move a file that is whole to a place in the same folder or below it, as `write_atomically` would have written it.

    Raises:
        DiskFullError, RunFolderError: the system refuses to write; the old content stays.
    """
    with readable_os_errors(path):
        if path.is_symlink() or is_special(path):
            copy_atomically(made, path)
            made.unlink()
        else:
            made.replace(path)


def _write_pieces(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    with readable_os_errors(path):
        if is_special(path):
            write_through(path, pieces)
            return
        path = followed(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _beside(path) as temporary:
            with temporary.open("wb") as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Yield an empty file in the same folder, which goes with whatever goes wrong, or at a later start if killed.

    It is locked while it is written: the system lets the lock go with the process, however that ends.
    """
    _sweep(path.parent.absolute())
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=name_beside(path), suffix=_PART)
        if _lock(handle, wait=True) and os.fstat(handle).st_nlink == 0:  # swept before it was locked
            os.close(handle)
            continue
        break
    temporary = Path(name)
    if sys.platform == "win32":
        os.close(handle)  # a file that is open is not renamed there
    try:
        yield temporary
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        if sys.platform != "win32":
            os.close(handle)


def _lock(handle: int, wait: bool) -> bool:
    """Lock a file until it is closed; return whether it is: not where another holds it, or the disk knows no locks."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


@cache
def _sweep(folder: Path) -> None:
    """Remove what killed processes left of the files that they wrote in a folder; once in each process."""
    for left in folder.glob(f".*{_PART}"):
        with suppress(OSError):  # of another user, or just gone
            handle = os.open(left, os.O_RDWR | os.O_NOFOLLOW)
            try:
                if _lock(handle, wait=False):
                    left.unlink()
            finally:
                os.close(handle)
