"""The ledger of paid answers: tables in which every call to a service is noted before it is sent, and settled after."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Literal, Protocol

from gdp.core.config import content_key
from gdp.core.database import Database, SqliteTexts
from gdp.core.errors import CorruptFileError
from gdp.core.pairs.records import Json

FORMAT = 2
"""1 had no prices."""
WAIT_FOR_OTHERS = 60.0
"""Seconds that a commit waits for other processes' commits."""

Outcome = Literal["answered", "unusable", "unknown", "given back"]
"""How a call ended: with an answer; with one that cannot be used, though charged; nobody knows, so it counts as
charged; or not charged, so it is given back to the budget."""

_TABLES = (
    "CREATE TABLE IF NOT EXISTS questions (question TEXT PRIMARY KEY, service TEXT NOT NULL, content TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS answers (
        question TEXT NOT NULL, picture TEXT NOT NULL, answer TEXT NOT NULL, answered_at REAL NOT NULL,
        PRIMARY KEY (question, picture)
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS calls (
        id INTEGER PRIMARY KEY, account TEXT NOT NULL, service TEXT NOT NULL, scope TEXT NOT NULL,
        question TEXT NOT NULL, picture TEXT NOT NULL, sent_at REAL NOT NULL, outcome TEXT,
        price INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE INDEX IF NOT EXISTS calls_by_time ON calls (scope, sent_at)",
    """CREATE TABLE IF NOT EXISTS accounts (
        account TEXT NOT NULL, service TEXT NOT NULL, counted INTEGER NOT NULL DEFAULT 0,
        answered INTEGER NOT NULL DEFAULT 0, unusable INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0,
        given_back INTEGER NOT NULL DEFAULT 0, reused INTEGER NOT NULL DEFAULT 0, price INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (account, service)
    ) WITHOUT ROWID""",
)
_PRICES = tuple(f"ALTER TABLE {table} ADD COLUMN price INTEGER NOT NULL DEFAULT 0" for table in ("calls", "accounts"))
"""What makes a book of format 1 one of format 2."""
NANO = 1_000_000_000
"""Prices are kept in whole billionths of a dollar, so that ten calls at 0.002 $ are 0.02 $."""
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


@dataclass(frozen=True)
class Tally:
    """An account's calls to one service."""

    counted: int = 0
    """Calls that count against the budget: all but those given back."""
    answered: int = 0
    unusable: int = 0
    """Calls that were charged and whose answers could not be used."""
    lost: int = 0
    """Calls whose outcome nobody knows: the connection broke."""
    given_back: int = 0
    """Calls that were not charged."""
    reused: int = 0
    """Answers that were there already."""
    price: int = 0
    """Price of the calls that count, in billionths of a dollar."""

    @property
    def dollars(self) -> float:
        """Price of the calls that count."""
        return self.price / NANO

    def to_data(self) -> dict[str, Json]:
        """Return it as the run's record has it."""
        return {
            "calls": self.counted,
            "dollars": self.dollars,
            "answers": self.answered,
            "answers_from_the_book": self.reused,
            "not_charged": self.given_back,
            "unusable_answers": self.unusable,
            "outcome_unknown": self.lost + self.open,
        }

    @property
    def open(self) -> int:
        """Calls that were sent and never settled: under way, or of a process that was killed."""
        return self.counted - self.answered - self.unusable - self.lost


_SETTLED: Mapping[Outcome, Tally] = {
    "answered": Tally(answered=1),
    "unusable": Tally(unusable=1),
    "unknown": Tally(lost=1),
    "given back": Tally(counted=-1, given_back=1),
}
"""What each outcome changes in an account, after the call was counted when it was sent."""


class Spending(Protocol):
    """Who watches over what a run spends; asked before each call."""

    def stop_requested(self) -> bool:
        """Say whether the user asked to stop; who waits before a call asks it."""

    def admit(self, spent: float, dollars: float) -> None:
        """Let a call pass or raise.

        Args:
            spent: dollars that the run's account has spent, all attempts together.
            dollars: price of the call.

        Raises:
            Stopped: the user asked to stop, or the call would cross the command's limit (`--max-cost`).
            GdpError: nothing is to be paid at all, as in a dry run.
        """


@dataclass(frozen=True)
class Reservation:
    """What became of the wish to make a call."""

    kind: Literal["call", "known", "spent"]
    """A call may be made; the answer is known by now; or the budget is spent."""
    call: int = 0
    """Number of the call, to settle it by."""
    answer: Json = None
    """The known answer."""


def open_book(path: Path | None) -> Database:
    """Open the file of a book, or one in memory, making its tables where they are not there.

    Raises:
        CorruptFileError: the file is no book, a damaged one, or one of a newer gdp.
        DiskFullError, RunLockedError, RunFolderError: it cannot be opened or written.
    """
    database = Database(path, _TEXTS, WAIT_FOR_OTHERS, write_ahead=path is not None)
    try:
        if database.version > FORMAT:
            raise CorruptFileError(
                f"{path}: this book of paid answers has format {database.version}, and this gdp reads up to {FORMAT}. "
                f"Update gdp, or name another file in $GDP_ANSWERS (pictures would then be paid for again)."
            )
        if database.version < FORMAT:
            with database.transaction():
                database.create(_PRICES if database.version else _TABLES, FORMAT)
    except BaseException:
        database.close()
        raise
    return database


class Ledger:
    """An open book, for one account; safe for many threads."""

    def __init__(self, database: Database, account: str, spending: Spending | None = None) -> None:
        self.account = account
        self._database = database
        self._spending = spending

    def stop_requested(self) -> bool:
        """Say whether the user asked the run to stop: who waits before a call looks here now and then."""
        return self._spending is not None and self._spending.stop_requested()

    def add_question(self, service: str, content: Json) -> str:
        """Note what a service is asked about pictures, and return its hash."""
        question = content_key({"service": service, "content": content})
        with self._database.transaction():
            row = (question, service, json.dumps(content))
            self._database.rows("INSERT OR IGNORE INTO questions VALUES (?, ?, ?)", row)
        return question

    def questions(self, service: str) -> dict[str, Json]:
        """Return all that a service was ever asked about pictures, by hash."""
        rows = self._database.rows("SELECT question, content FROM questions WHERE service = ?", (service,))
        return {question: json.loads(content) for question, content in rows}

    def find(self, questions: Sequence[str], pictures: Sequence[str]) -> dict[str, Json]:
        """Return the known answers to any of these questions, by the pictures' hashes; an earlier question's first."""
        known = {}
        for picture in pictures:
            answer = self._find(questions, picture)
            if answer is not None:
                known[picture] = json.loads(answer)
        return known

    def note_reused(self, service: str, count: int) -> None:
        """Add to the number of answers that were there already."""
        with self._database.transaction():
            self._add(service, Tally(reused=count))

    def reserve(
        self,
        service: str,
        scope: str,
        questions: Sequence[str],
        picture: str,
        budget: int | None,
        dollars: float = 0.0,
    ) -> Reservation:
        """Note a call that is about to be sent: from now on it counts, unless it is given back.

        Args:
            service: whose budget it is.
            scope: whose rate limit it is: the service at one address.
            questions: hash of the question, then of others whose answers would do, too; none where the answer is not
                to be kept.
            picture: hash of the picture, or of whatever else is asked about.
            budget: how many calls may count for this account and service; None for any number.
            dollars: price of the call.

        Raises:
            Stopped: the call would cross the limit of the command, or the user asked to stop; nothing was noted.
            GdpError: nothing is to be paid, as in a dry run; nothing was noted.
            ValueError: the price is no price.
        """
        price = billionths(dollars)
        with self._database.transaction():
            answer = self._find(questions, picture)
            if answer is not None:  # another process, or another filter of this run, was faster
                return Reservation("known", answer=json.loads(answer))
            if budget is not None and self.tally(service).counted >= budget:
                return Reservation("spent")
            if self._spending is not None:
                self._spending.admit(self.spent(), dollars)
            self._add(service, Tally(counted=1, price=price))
            question = questions[0] if questions else ""
            call = self._database.value(
                "INSERT INTO calls (account, service, scope, question, picture, sent_at, price) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
                (self.account, service, scope, question, picture, time.time(), price),
            )
            return Reservation("call", call=call)

    def settle(self, call: int, outcome: Outcome, answer: Json = None) -> None:
        """Note how a call ended; an answer is there for good when this returns."""
        with self._database.transaction():
            [(service, question, picture, price)] = self._database.rows(
                "UPDATE calls SET outcome = ? WHERE id = ? RETURNING service, question, picture, price", (outcome, call)
            )
            self._add(service, replace(_SETTLED[outcome], price=-price if outcome == "given back" else 0))
            if outcome == "answered" and question:
                text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
                row = (question, picture, text, time.time())
                self._database.rows("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", row)

    def recent(self, scope: str, seconds: float) -> list[float]:
        """Return how many seconds ago calls were sent, of all accounts and processes, the longest ago first."""
        now = time.time()
        rows = self._database.rows(
            "SELECT sent_at FROM calls WHERE scope = ? AND sent_at > ? ORDER BY sent_at", (scope, now - seconds)
        )
        return [max(0.0, now - sent_at) for (sent_at,) in rows]

    def tally(self, service: str) -> Tally:
        """Return the account's calls to a service."""
        return self.tallies().get(service, Tally())

    def tallies(self) -> dict[str, Tally]:
        """Return the account's calls by service."""
        rows = self._database.rows(
            "SELECT service, counted, answered, unusable, lost, given_back, reused, price FROM accounts "
            "WHERE account = ? ORDER BY service",
            (self.account,),
        )
        return {service: Tally(*numbers) for service, *numbers in rows}

    def spent(self) -> float:
        """Return the dollars that the account has spent on all services."""
        return sum(tally.price for tally in self.tallies().values()) / NANO

    def _find(self, questions: Sequence[str], picture: str) -> str | None:
        for question in questions:
            query = "SELECT answer FROM answers WHERE question = ? AND picture = ?"
            if rows := self._database.rows(query, (question, picture)):
                return str(rows[0][0])
        return None

    def _add(self, service: str, change: Tally) -> None:
        self._database.rows(
            "INSERT INTO accounts (account, service, counted, answered, unusable, lost, given_back, reused, price) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET counted = counted + excluded.counted, answered = answered + excluded.answered, "
            "unusable = unusable + excluded.unusable, lost = lost + excluded.lost, "
            "given_back = given_back + excluded.given_back, reused = reused + excluded.reused, "
            "price = price + excluded.price",
            (self.account, service, *astuple(change)),
        )


def billionths(dollars: float) -> int:
    """Return a price in whole billionths of a dollar.

    Raises:
        ValueError: it is negative, infinite or no number.
    """
    if not math.isfinite(dollars) or dollars < 0:
        raise ValueError(f"the price of a call is {dollars!r} $; it is 0 or more")
    return round(dollars * NANO)


def affordable(dollars: float, price: float) -> int | None:
    """Return how many calls of a price so many dollars pay; None for any number."""
    # Decimal, for 0.3 / 0.1 is 2.9999999999999996 in binary.
    return int(Decimal(str(dollars)) / Decimal(str(price))) if price > 0 else None
