"""What may be wrong with the file of paid answers, in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gdp.core.errors import CorruptFileError, DiskFullError, GdpError, RunFolderError, RunLockedError


def newer_book(path: Path | None, found: int, known: int) -> CorruptFileError:
    """Return the error that says that the file is of a newer gdp."""
    return CorruptFileError(
        f"{path}: this book of paid answers has format {found}, and this gdp reads up to {known}. Update gdp, or "
        f"name another file in $GDP_ANSWERS (pictures would then be paid for again)."
    )


@contextmanager
def readable_book_errors(path: Path | None) -> Iterator[None]:
    """Turn SQLite's errors about the file of paid answers into errors that say what to do.

    Raises:
        CorruptFileError: the file is no SQLite database, or a damaged one.
        DiskFullError: no space is left, or a quota is reached.
        RunLockedError: another process holds the file for long.
        RunFolderError: the file cannot be opened, read or written.
    """
    try:
        yield
    except sqlite3.Error as error:
        readable = _readable(path, error)
        if readable is None:
            raise
        raise readable from error


def _readable(path: Path | None, error: sqlite3.Error) -> GdpError | None:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE):
        return DiskFullError(
            f"{path}: no space left to note paid answers ({error}). All noted before is intact: free some space and "
            f"run the same command again to go on."
        )
    match code & 0xFF:  # the primary code; the rest says more of the same
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return CorruptFileError(
                f"{path}: the book of paid answers is damaged ({error}). Restore it from a copy, or name another file "
                f"in $GDP_ANSWERS: pictures that no run has verdicts on are then paid for again."
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return RunLockedError(
                f"{path}: another process holds the book of paid answers ({error}). Wait until it is done, then run "
                f"the same command again."
            )
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_IOERR:
            return RunFolderError(
                f"{path}: the book of paid answers cannot be used ({error}). Check that the folder exists, that you "
                f"may write to it and that it is a disk of this machine, or name another file in $GDP_ANSWERS."
            )
    return None
