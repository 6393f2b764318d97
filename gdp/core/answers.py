"""Paid answers: what services were asked and what they said, so that no picture is paid for twice.

All runs of a user share one book, a SQLite file. Every call is noted in its ledger with its price before it is sent,
on the account of the run that makes it, and settled after: the one channel through which plugins of every kind pay.
"""

from __future__ import annotations

import os
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_data_path

from gdp.core.errors import BudgetError, readable_os_errors
from gdp.core.locks import locked

if TYPE_CHECKING:
    from gdp.core.database import Database
    from gdp.core.ledger import Ledger, Outcome, Spending, Tally
    from gdp.core.run_folder import RunFolder


@dataclass
class PaidCall:
    """A call of `AnswerBook.paid_call` that is under way.

    Attributes:
        outcome: How it ends; set it to "given back" where nothing was charged, "unusable" if it was for nothing.
    """

    outcome: Outcome = "answered"


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
        self,
        place: Callable[[], Path | None],
        account: Callable[[], str],
        known_account: Callable[[], str | None],
        spending: Spending | None = None,
    ) -> None:
        self._spending = spending
        self._place = place
        self._account = account
        self._known_account = known_account
        self._memory: Database | None = None

    @classmethod
    def in_memory(cls, spending: Spending | None = None) -> AnswerBook:
        """Return an empty book that is forgotten with the object; `spending`, if given, is asked before each call."""
        return cls(lambda: None, lambda: "memory", lambda: "memory", spending)

    @classmethod
    def at(cls, path: Path, account: str) -> AnswerBook:
        """Return the book in a file, with an account of this name."""
        return cls(lambda: path, lambda: account, lambda: account)

    @classmethod
    def of_run(cls, folder: RunFolder, spending: Spending | None = None) -> AnswerBook:
        """Return the user's book; the account is the run's and is written into its folder when it is first needed.

        Args:
            folder: the run's.
            spending: who is asked before each call; None lets every call pass.
        """
        return cls(default_place, lambda: _account_of(folder), lambda: _known_account_of(folder), spending)

    @contextmanager
    def opened(self) -> Iterator[Ledger]:
        """Open the book; usable from many threads, while other processes use it, too.

        Raises:
            CorruptFileError: the file is no such book, a damaged one, or one of a newer gdp.
            DiskFullError, RunLockedError, RunFolderError: it cannot be opened or written.
        """
        from gdp.core.ledger import Ledger, open_book  # here: SQLite, which a list of plugins does without

        path = self._place()
        if path is None:
            yield Ledger(self._in_memory(), self._account(), self._spending)
            return
        with readable_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked(
                Path(f"{path}.lock")
            ):  # one process at a time makes the tables and switches on write-ahead logging
                database = open_book(path)
        try:
            yield Ledger(database, self._account(), self._spending)
        finally:
            database.close()

    @contextmanager
    def paid_call(
        self, service: str, dollars: float, *, max_calls: int | None = None, max_dollars: float | None = None
    ) -> Iterator[PaidCall]:
        """Note a call, make it inside of `with`, and settle it: for whoever keeps the answer elsewhere, as pairs are.

        Left by an exception, the call counts as charged, for nobody knows; set the call's `outcome` to "given back"
        where the service charged nothing, to "unusable" where it charged for nothing of use.

        Args:
            service: whose budget it is, such as `my-teacher`.
            dollars: price of the call.
            max_calls: how many calls of this service may count for the run; None for any number.
            max_dollars: what they may cost; None for any price.

        Raises:
            BudgetError: the budget of the run for this service is spent; core asks again in a later run.
            Stopped: the call would cross the command's limit, or the user asked to stop: let it through.
        """
        from gdp.core.ledger import affordable

        bounds = [max_calls, None if max_dollars is None else affordable(max_dollars, dollars)]
        budget = min((bound for bound in bounds if bound is not None), default=None)
        with self.opened() as ledger:
            reservation = ledger.reserve(service, service, (), "", budget, dollars)
            if reservation.kind == "spent":
                raise BudgetError(f"{service}: the budget of this run, {budget} calls at {dollars:g} $, is spent")
            call = PaidCall()
            try:
                yield call
            except BaseException:
                ledger.settle(reservation.call, "unknown" if call.outcome == "answered" else call.outcome)
                raise
            ledger.settle(reservation.call, call.outcome)

    def tally(self, service: str) -> Tally:
        """Return how many calls the account has made to a service, and how they ended; touches nothing."""
        from gdp.core.ledger import Tally

        return self.tallies().get(service, Tally())

    def tallies(self) -> dict[str, Tally]:
        """Return the calls that the account has made, by service; touches nothing."""
        path = self._place()
        if self._known_account() is None or (self._memory is None and (path is None or not path.exists())):
            return {}
        with self.opened() as ledger:
            return ledger.tallies()

    def _in_memory(self) -> Database:
        from gdp.core.ledger import open_book

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
