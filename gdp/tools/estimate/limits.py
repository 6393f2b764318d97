"""Limits of time and money that stop a run at the next safe point."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic

from gdp.core.interfaces.filters import PairJudge
from gdp.core.run.session import Session
from gdp.core.run.stages.pairs import wanted
from gdp.core.run.steps import stages_to_do
from gdp.tools.estimate.arithmetic import HOUR, dollars
from gdp.tools.estimate.training import newest_step

COST = "cost_dollars"
"""What a filter's summary calls the price of the calls that the run has made."""
ASK_EVERY = 1.0
"""Seconds between two looks at what calls have cost."""


class Limits:
    """What one command may take; ask `reached` between two pieces of work.

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
        self._asked = float("-inf")
        self._calls_before: float | None = None
        self._calls_now = 0.0
        self.reason = ""
        """Which limit was reached, in words; empty where none was."""

    def reached(self, judges: Iterable[PairJudge]) -> bool:
        """Say whether a limit is reached; once it is, it stays so.

        Args:
            judges: the filters that may pay for calls; empty as long as they are not built.
        """
        seconds = self._clock() - self._started
        if self._max_hours is not None and seconds >= self._max_hours * HOUR:
            self.reason = f"the limit of {self._max_hours:g} hours is reached"
        elif self._max_cost is not None:
            cost = dollars(seconds, self._price) + self._calls(judges)
            if cost >= self._max_cost:
                self.reason = f"the limit of {self._max_cost:g} $ is reached ({cost:.2f} $ by now)"
        return bool(self.reason)

    def _calls(self, judges: Iterable[PairJudge]) -> float:
        """Return what calls have cost since the filters were first asked."""
        if self._clock() - self._asked < ASK_EVERY:
            return self._calls_now
        self._asked = self._clock()
        costs = [judge.summary().get(COST, 0.0) for judge in judges]
        if costs:
            spent = float(sum(cost for cost in costs if isinstance(cost, int | float)))
            self._calls_before = spent if self._calls_before is None else self._calls_before
            self._calls_now = spent - self._calls_before
        return self._calls_now


def built_judges(session: Session) -> list[PairJudge]:
    """Return the filters of a run as far as they are built; asking must not load their models."""
    return [judge for _, judge in vars(session).get("filters", [])]


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
