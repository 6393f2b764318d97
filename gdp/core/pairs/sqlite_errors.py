"""SQLite's errors as errors of gdp's, which say what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gdp.core.errors import CorruptFileError, DiskFullError, GdpError, RunFolderError, RunLockedError


@dataclass(frozen=True)
class SqliteTexts:
    """What to say of a file when something is wrong with it; {path} and {error} stand for themselves in each text."""

    full: str
    """No space is left, or a quota is reached."""
    damaged: str
    """It is no SQLite database, or a damaged one."""
    held: str
    """Another process holds it for longer than is waited."""
    unusable: str
    """It cannot be opened, read or written."""


@contextmanager
def readable_sqlite_errors(path: Path | None, texts: SqliteTexts) -> Iterator[None]:
    """Turn SQLite's errors about the file at `path` into errors that say what to do.

    Raises:
        DiskFullError: see `SqliteTexts.full`.
        CorruptFileError: see `SqliteTexts.damaged`.
        RunLockedError: see `SqliteTexts.held`.
        RunFolderError: see `SqliteTexts.unusable`.
    """
    try:
        yield
    except sqlite3.Error as error:
        kind = _kind(error, texts)
        if kind is None:
            raise
        form, text = kind
        raise form(text.format(path=path, error=error)) from error


def _kind(error: sqlite3.Error, texts: SqliteTexts) -> tuple[type[GdpError], str] | None:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE):
        return DiskFullError, texts.full
    match code & 0xFF:  # the primary code; the rest says more of the same
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return CorruptFileError, texts.damaged
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return RunLockedError, texts.held
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_IOERR:
            return RunFolderError, texts.unusable
    return None
