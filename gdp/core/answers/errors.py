"""What may be wrong with the file of paid answers, in words."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from gdp.core.errors import CorruptFileError
from gdp.core.pairs.database import SqliteTexts, readable_sqlite_errors

_TEXTS = SqliteTexts(
    full="{path}: no space left to note paid answers ({error}). All noted before is intact: free some space and run "
    "the same command again to go on.",
    damaged="{path}: the book of paid answers is damaged ({error}). Restore it from a copy, or name another file in "
    "$GDP_ANSWERS: pictures that no run has verdicts on are then paid for again.",
    held="{path}: another process holds the book of paid answers ({error}). Wait until it is done, then run the same "
    "command again.",
    unusable="{path}: the book of paid answers cannot be used ({error}). Check that the folder exists, that you may "
    "write to it and that it is a disk of this machine, or name another file in $GDP_ANSWERS.",
)


def newer_book(path: Path | None, found: int, known: int) -> CorruptFileError:
    """Return the error that says that the file is of a newer gdp."""
    return CorruptFileError(
        f"{path}: this book of paid answers has format {found}, and this gdp reads up to {known}. Update gdp, or "
        f"name another file in $GDP_ANSWERS (pictures would then be paid for again)."
    )


def readable_book_errors(path: Path | None) -> AbstractContextManager[None]:
    """Turn SQLite's errors about the file of paid answers into errors that say what to do.

    Raises:
        CorruptFileError, DiskFullError, RunLockedError, RunFolderError: see `readable_sqlite_errors`.
    """
    return readable_sqlite_errors(path, _TEXTS)
