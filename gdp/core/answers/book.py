"""Where the paid answers are, and on whose account calls are made."""

from __future__ import annotations

import os
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from platformdirs import user_data_path

from gdp.core.answers.ledger import Ledger, Tally, open_book
from gdp.core.database import Database
from gdp.core.errors import readable_os_errors

if TYPE_CHECKING:
    from gdp.core.run_folder import RunFolder

ACCOUNT_FILE = "answers.json"
PLACE = "GDP_ANSWERS"
"""Environment variable that names another file for the answers."""


def default_place() -> Path:
    """Return the file of paid answers: `$GDP_ANSWERS`, else one for the user, shared by all runs."""
    named = os.environ.get(PLACE)
    return Path(named) if named else user_data_path("gdp") / "answers.sqlite"


class AnswerBook:
    """A handle on the paid answers of all runs and the calls that one account, a run, has made.

    It is light: no file is touched before `opened`. Make it with `in_memory`, `at` or `of_run`.
    """

    def __init__(
        self, place: Callable[[], Path | None], account: Callable[[], str], known_account: Callable[[], str | None]
    ) -> None:
        self._place = place
        self._account = account
        self._known_account = known_account
        self._memory: Database | None = None

    @classmethod
    def in_memory(cls) -> AnswerBook:
        """Return an empty book that is forgotten with the object."""
        return cls(lambda: None, lambda: "memory", lambda: "memory")

    @classmethod
    def at(cls, path: Path, account: str) -> AnswerBook:
        """Return the book in a file, with an account of this name."""
        return cls(lambda: path, lambda: account, lambda: account)

    @classmethod
    def of_run(cls, folder: RunFolder) -> AnswerBook:
        """Return the user's book; the account is the run's and is written into its folder when it is first needed."""
        return cls(default_place, lambda: _account_of(folder), lambda: _known_account_of(folder))

    @contextmanager
    def opened(self) -> Iterator[Ledger]:
        """Open the book; usable from many threads, while other processes use it, too.

        Raises:
            CorruptFileError: the file is no such book, a damaged one, or one of a newer gdp.
            DiskFullError, RunLockedError, RunFolderError: it cannot be opened or written.
        """
        path = self._place()
        if path is None:
            yield Ledger(self._in_memory(), self._account())
            return
        with readable_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(f"{path}.lock")
            with lock:  # one process at a time makes the tables and switches on write-ahead logging
                database = open_book(path)
        try:
            yield Ledger(database, self._account())
        finally:
            database.close()

    def tally(self, service: str) -> Tally:
        """Return how many calls the account has made to a service, and how they ended; touches nothing."""
        path = self._place()
        if self._known_account() is None or (self._memory is None and (path is None or not path.exists())):
            return Tally()
        with self.opened() as ledger:
            return ledger.tally(service)

    def _in_memory(self) -> Database:
        if self._memory is None:
            self._memory = open_book(None)
            weakref.finalize(self, self._memory.close)
        return self._memory


def _known_account_of(folder: RunFolder) -> str | None:
    account = folder.read_json(ACCOUNT_FILE, {}).get("account")
    return account if isinstance(account, str) else None


def _account_of(folder: RunFolder) -> str:
    known = _known_account_of(folder)
    if known is not None:
        return known
    account = uuid.uuid4().hex
    folder.write_json(ACCOUNT_FILE, {"account": account})
    return account
