"""SQLite files of gdp's: what was committed stays, and errors say what to do."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gdp.core.errors import CorruptFileError, DiskFullError, GdpError, RunFolderError, RunLockedError
from gdp.core.locks import has_locks, soft_lock

TO_DISK_EVERY = 1.0
"""Seconds between the moments at which a database that writes ahead brings everything to the disk."""


def checksum_of(values: Iterable[str]) -> str:
    """Return the SQL of a row's CRC-32, which one flipped bit always changes; SQLite itself keeps none of its pages.

    Args:
        values: names of columns, or parameters such as `?1`, in one order for writing and reading.
    """
    return f"gdp_crc32({', '.join(f'typeof({value}), CAST({value} AS BLOB)' for value in values)})"


def _crc32(*parts: str | bytes | None) -> int:
    checksum = 0
    for part in parts:  # of each value its type, then its bytes
        content = part.encode() if isinstance(part, str) else part or b""
        checksum = zlib.crc32(b"%d:%b" % (len(content), content), checksum)
    return checksum


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


class Database:
    """One connection, usable from several threads. A forked or spawned process opens its own.

    Usually a commit waits for the disk, under a rollback journal: the database stays one file that can be read on a
    full disk, and readers, who fetch in pages, hold a commit up for milliseconds only. With `write_ahead` it does not
    wait, which takes 0.02 ms instead of 2.4 (measured, mean of 400 on a virtual disk). It survives the process,
    SIGKILL included, at once, for the system holds it; a power cut costs at most what was committed in the last
    second, which is how often everything is brought to the disk, and never damages the file.

    On a disk without locks SQLite's own are replaced by a file beside the database, which is there while something is
    written or read; nothing is written ahead there, and a `read_only` database, whose owner may write meanwhile without
    waiting, is read as it is.

    Args:
        path: the file; None for a database in memory.
        texts: what to say when something is wrong with it.
        wait: seconds that a commit or a read waits for another process's.
        read_only: whether nothing is to be written.
        write_ahead: whether commits do not wait for the disk.

    Raises:
        CorruptFileError, DiskFullError, RunLockedError, RunFolderError: see `SqliteTexts`, here and in all methods.
    """

    def __init__(
        self,
        path: Path | None,
        texts: SqliteTexts,
        wait: float,
        *,
        read_only: bool = False,
        write_ahead: bool = False,
    ) -> None:
        self.path = path
        self._texts = texts
        knows_locks = path is None or has_locks(path.absolute().parent)
        self._write_ahead = write_ahead and knows_locks
        self._alone = None if path is None or knows_locks or read_only else soft_lock(path, wait)
        self._lock = threading.RLock()
        self._to_disk_at = time.monotonic()
        with self._used():
            self._connection = sqlite3.connect(
                _address(path, read_only, knows_locks),
                uri=True,
                timeout=wait,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._connection.create_function("gdp_crc32", -1, _crc32, deterministic=True)
                if read_only:
                    self._connection.execute("PRAGMA query_only = ON")
                else:
                    journal, wait_for_disk = ("WAL", "NORMAL") if self._write_ahead else ("TRUNCATE", "FULL")
                    self._connection.execute(f"PRAGMA journal_mode = {journal}")
                    self._connection.execute(f"PRAGMA synchronous = {wait_for_disk}")
            except BaseException:
                self._connection.close()
                raise

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return all its rows."""
        with self._used():
            return self._connection.execute(statement, parameters).fetchall()

    def value(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        """Return the first column of the first row."""
        return self.rows(query, parameters)[0][0]

    def execute_many(self, statement: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each row of parameters; inside of `transaction`."""
        with self._used():
            self._connection.executemany(statement, parameters)

    def create(self, tables: Iterable[str], version: int) -> None:
        """Run the statements that make tables, and note the version of the format; inside of `transaction`."""
        for statement in tables:
            self.rows(statement)
        self.rows(f"PRAGMA user_version = {version}")

    @property
    def version(self) -> int:
        """Version of the format; 0 where no tables were made yet."""
        return int(self.value("PRAGMA user_version"))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all that is written inside together, or nothing of it."""
        with self._used():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            if self._write_ahead and time.monotonic() - self._to_disk_at > TO_DISK_EVERY:
                self._bring_to_disk()

    def close(self) -> None:
        """Bring everything to the disk and close the connection."""
        with self._used():
            try:
                if self._write_ahead:
                    self._bring_to_disk()
            finally:
                self._connection.close()

    def _bring_to_disk(self) -> None:
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self._to_disk_at = time.monotonic()

    @contextmanager
    def _used(self) -> Iterator[None]:
        with self._lock, self._readable_errors(), self._held():
            yield

    def _held(self) -> AbstractContextManager[object]:
        """Take what stands for SQLite's locks where the disk knows none; it may be taken again inside."""
        if self._alone is None:
            return nullcontext()
        from filelock import Timeout

        try:
            return self._alone.acquire()
        except Timeout as error:
            raise RunLockedError(self._texts.held.format(path=self.path, error=error)) from error
        except OSError as error:
            raise RunFolderError(self._texts.unusable.format(path=self.path, error=error)) from error

    @contextmanager
    def _readable_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            kind = _kind(error, self._texts)
            if kind is None:
                raise
            form, text = kind
            raise form(text.format(path=self.path, error=error)) from error
        except UnicodeDecodeError as error:  # of a table's name, say
            raise CorruptFileError(self._texts.damaged.format(path=self.path, error=error)) from error


def _address(path: Path | None, read_only: bool, knows_locks: bool) -> str:
    if path is None:
        return ":memory:"
    # A reader, too, has to roll back what a killed writer left, so it opens for writing where it may.
    mode = "rwc" if not read_only else "rw" if os.access(path.parent, os.W_OK) else "ro"
    without = "" if knows_locks else "&immutable=1" if read_only else "&nolock=1"
    return f"{path.absolute().as_uri()}?mode={mode}{without}"


def _kind(error: sqlite3.Error, texts: SqliteTexts) -> tuple[type[GdpError], str] | None:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE):
        return DiskFullError, texts.full
    match code & 0xFF:  # the primary code; the rest says more of the same
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return CorruptFileError, texts.damaged
        case sqlite3.SQLITE_ERROR if isinstance(error, sqlite3.OperationalError):
            # A table or column that is not there (any more), or text that is no UTF-8: our own statements are tested.
            return CorruptFileError, texts.damaged
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return RunLockedError, texts.held
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_IOERR:
            return RunFolderError, texts.unusable
    return None
