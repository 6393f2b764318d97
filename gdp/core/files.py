"""Files that are written whole or not at all, and stay after a crash."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from gdp.core.errors import readable_os_errors

_PIECE = 2**22


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


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that a reader, or a restart after a kill, sees the old content or the new, never a part.

    Raises:
        DiskFullError, RunFolderError: the system refuses to write; the old content stays.
    """
    _write_pieces(path, [content])


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


def _write_pieces(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    with readable_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
