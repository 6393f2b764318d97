"""Limits of time and money that stop a run at the next safe point."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from time import monotonic

from gdp.core.ledger import NANO
from gdp.core.progress import Stopped
from gdp.core.run.session import Session
from gdp.core.run.stages.pairs import wanted
from gdp.core.run.steps import stages_to_do
from gdp.tools.estimate.arithmetic import HOUR, dollars
from gdp.tools.estimate.training import newest_step


class Limits:
    """What one command may take: ask `reached` between two pieces of work; paid calls ask `admit` before each.

    Args:
        max_hours: of this command; None for no limit.
        max_cost: in dollars, of this command's time and of the calls that it makes; None for no limit.
        price: of this machine, in dollars an hour.
        clock: tells seconds.
    """

    def __init__(
        self,
        max_hours: float | None,
        max_cost: float | None,
        price: float = 0.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._max_hours, self._max_cost, self._price, self._clock = max_hours, max_cost, price, clock
        self._started = clock()
        self._lock = Lock()
        self._spent_before: float | None = None
        self._calls = 0.0
        self.reason = ""
        """Which limit was reached, in words; empty where none was."""

    def reached(self) -> bool:
        """Say whether a limit is reached; once it is, it stays so.

        Calls alone do not reach it: what is left may be done for nothing, and no call passes that would cross it.
        """
        seconds = self._clock() - self._started
        if self.reason:
            return True
        if self._max_hours is not None and seconds >= self._max_hours * HOUR:
            self.reason = f"the limit of {self._max_hours:g} hours is reached"
        elif self._max_cost is not None and self._price > 0:
            cost = self._time_cost() + self._calls
            if cost >= self._max_cost:
                self.reason = f"the limit of {self._max_cost:g} $ is reached ({cost:.2f} $ by now)"
        return bool(self.reason)

    def admit(self, spent: float, dollars: float) -> None:
        """Let a paid call pass that keeps within the limit, and count it.

        Args:
            spent: dollars on the run's account, earlier commands' included.
            dollars: price of the call.

        Raises:
            Stopped: the call would cross the limit.
        """
        with self._lock:
            if self._spent_before is None:
                self._spent_before = spent  # every call of this command comes through here: so much was there before
            calls = spent - self._spent_before
            now = self._time_cost() + calls
            if self._max_cost is not None and round((now + dollars) * NANO) > round(self._max_cost * NANO):
                self.reason = (
                    f"the limit of {self._max_cost:g} $ would be crossed by the next call, which costs {dollars:g} $ "
                    f"({now:.6g} $ by now)"
                )
                raise Stopped(self.reason)
            self._calls = calls + dollars

    def _time_cost(self) -> float:
        return dollars(self._clock() - self._started, self._price)


def what_is_left(session: Session) -> list[str]:
    """Return the stages that a stopped run has still to do, the first with how far it came."""
    left = stages_to_do(session)
    if left and left[0] == "pairs" and session.store_folder.is_dir():
        with session.open_store(read_only=True) as store:
            count = wanted(session)
            left[0] += f" ({count - len(store.missing(count))} of {count} made)"
    if left and left[0] == "train":
        steps = session.recipe.train.steps
        left[0] += f" ({newest_step(session)}{f' of {steps}' if steps else ''} steps done)"
    return left
