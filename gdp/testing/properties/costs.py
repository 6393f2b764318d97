"""What every plugin promises of calls: none that blocks, none to machines that are not announced, none unforeseen."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from gdp.core.answers import AnswerBook
from gdp.core.progress import Stopped
from gdp.testing.findings import DoesNotApplyError, fail, require
from gdp.testing.subject import Subject

Exercise = Callable[[Subject, Any], Any]

_WAITS = (
    "give every wait a limit, and ask while waiting whether the user wants to stop; gdp.support.services.HttpService "
    "does both"
)
_ROUNDING = 1e-9


def its_work_returns(subject: Subject, exercise: Exercise) -> None:
    """Its work on a few pictures returns soon: Ctrl-C waits for what is under way, and so does the whole run."""
    ended: list[BaseException | None] = []

    def work() -> None:
        try:
            exercise(subject, subject.build())
            ended.append(None)
        except BaseException as error:  # noqa: BLE001 # whatever it is belongs into the kit's own thread
            ended.append(error)

    thread = Thread(target=work, daemon=True, name=f"{subject.kind} {subject.name}")
    thread.start()
    thread.join(subject.patience)
    require(not thread.is_alive(), f"its work on a few pictures did not return within {subject.patience:g} s", _WAITS)
    if ended[0] is not None:
        raise ended[0]


def a_stop_reaches_its_calls(subject: Subject, exercise: Exercise) -> None:
    """Asked to stop before a call that costs, it makes none and lets `gdp.Stopped` through."""
    asked = _Stopping()
    try:
        exercise(subject, subject.build(answers=AnswerBook.in_memory(asked)))
    except Stopped:
        return
    if not asked.calls:
        raise DoesNotApplyError("it pays for nothing")
    fail(
        f"asked to stop before a call, it went on, and asked for {asked.calls} more or answered without",
        "let gdp.Stopped through: catch the errors that you know around a call, never Exception",
    )


def it_asks_no_machine_that_it_does_not_announce(subject: Subject, exercise: Exercise) -> None:
    """Whoever is asked over the network is announced by the record, so that users know it beforehand."""
    if subject.record.needs.network or subject.record.images_leave_machine:
        raise DoesNotApplyError("its record says that it asks other machines")
    with _connections() as asked:
        try:
            exercise(subject, subject.build())
        except OSError:
            if not asked:
                raise
    told = ", ".join(dict.fromkeys(asked))
    require(not asked, f"it asks {told}, and its record announces nobody", "register it with gdp.Needs(network=True)")


def what_it_pays_was_foretold(subject: Subject, exercise: Exercise) -> None:
    """It makes no more calls, and none that are dearer, than `forecast` says of these pairs."""
    if not subject.pays:
        exercise(subject, subject.build())  # whose book lets no call pass, and holds the first against the forecast
        raise DoesNotApplyError("it pays for nothing")
    book = AnswerBook.in_memory()
    plugin = subject.build(answers=book)
    exercise(subject, plugin)
    paid = book.tallies().values()
    calls, dollars = sum(tally.counted for tally in paid), sum(tally.dollars for tally in paid)
    foretold = subject.forecast(plugin)
    require(
        calls <= foretold.calls and dollars <= foretold.dollars + _ROUNDING,
        f"it made {calls} calls for {dollars:g} $, and its forecast for these pairs is {foretold.calls} calls for "
        f"{foretold.dollars:g} $",
        "return from forecast what the most expensive case takes: every call of every pair, at its price",
    )


class _Stopping:
    """Asks whoever wants to pay to stop."""

    def __init__(self) -> None:
        self.calls = 0

    def stop_requested(self) -> bool:
        return True

    def admit(self, spent: float, dollars: float) -> None:
        self.calls += 1
        raise Stopped("the kit asks it to stop")


@contextmanager
def _connections() -> Iterator[list[str]]:
    """Refuse all connections to other machines, and note to whom."""
    asked: list[str] = []
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family not in (socket.AF_INET, socket.AF_INET6):
            real(self, address)
            return
        asked.append(f"{address[0]}:{address[1]}")
        raise ConnectionRefusedError("the kit lets nothing through to another machine")

    socket.socket.connect = connect  # type: ignore[assignment,method-assign] # every library ends here
    try:
        yield asked
    finally:
        socket.socket.connect = real  # type: ignore[method-assign] # as it was


PROPERTIES = (its_work_returns, a_stop_reaches_its_calls, it_asks_no_machine_that_it_does_not_announce)
FORETOLD = (what_it_pays_was_foretold,)
"""Of kinds that have a forecast."""
