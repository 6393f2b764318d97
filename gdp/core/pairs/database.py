"""A SQLite file whose every commit is on the disk, and whose errors say what to do.

SQLite's errors as errors of gdp's, which say what to do.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


WAIT_FOR_OTHERS = 30.0
"""Seconds that a commit or a read waits for another process's commit or read."""

_DAMAGED = (
    "{path}: the manifest of the pair store is damaged ({error}). Restore it from a copy, or move its folder away: the "
    "same command then makes the pairs again, and judges them again."
)
_TEXTS = SqliteTexts(
    full="{path}: no space left to write ({error}). Everything committed before is intact: free some space and run the "
    "same command again to go on.",
    damaged=_DAMAGED,
    held="{path}: another process has held the pair store's manifest for "
    f"{WAIT_FOR_OTHERS:.0f} seconds ({{error}}). Wait until it is done, then run the same command again.",
    unusable="{path}: the manifest of the pair store cannot be used ({error}). Check that the folder exists, that you "
    "may write to it, and that the disk is healthy.",
)


class Database:
    """One connection, usable from several threads. A forked or spawned process opens its own.

    A rollback journal rather than write-ahead logging: the store stays one file that can be read on a full disk, and
    readers, who fetch in pages, hold a commit up for milliseconds only.
    """

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self._lock = threading.RLock()
        # A reader, too, has to roll back what a killed writer left, so it opens for writing where it may.
        mode = "rwc" if not read_only else "rw" if os.access(path.parent, os.W_OK) else "ro"
        with readable_database_errors(path):
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=WAIT_FOR_OTHERS,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                if read_only:
                    self._connection.execute("PRAGMA query_only = ON")
                else:
                    self._connection.execute("PRAGMA journal_mode = TRUNCATE")
                    self._connection.execute("PRAGMA synchronous = FULL")
            except sqlite3.Error:
                self._connection.close()
                raise

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        with self._lock, readable_database_errors(self.path):
            return self._connection.execute(query, parameters).fetchall()

    def value(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        """Return the first column of the first row."""
        return self.rows(query, parameters)[0][0]

    def execute_many(self, query: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each row of parameters; inside of `transaction`."""
        with self._lock, readable_database_errors(self.path):
            self._connection.executemany(query, parameters)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all that is written inside durable together, or nothing of it."""
        with self._lock, readable_database_errors(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection; nothing is pending."""
        with self._lock:
            self._connection.close()


def damaged_manifest(path: Path, problem: str) -> CorruptFileError:
    """Return the error that says that the manifest cannot be read."""
    return CorruptFileError(_DAMAGED.format(path=path, error=problem))


def readable_database_errors(path: Path) -> AbstractContextManager[None]:
    """Turn SQLite's errors about the file at `path` into errors that say what to do.

    Raises:
        CorruptFileError, DiskFullError, RunLockedError, RunFolderError: see `readable_sqlite_errors`.
    """
    return readable_sqlite_errors(path, _TEXTS)
