"""What an estimate consists of, and which stages of a run are still to be done."""

from __future__ import annotations

from dataclasses import dataclass

from gdp.core.errors import GdpError
from gdp.core.run.names import Stage
from gdp.core.run.pipeline import WORK
from gdp.core.run.session import Session
from gdp.core.run.work import applies, is_up_to_date
from gdp.tools.estimate.arithmetic import Duration


@dataclass(frozen=True)
class Part:
    """One line of an estimate."""

    stage: str
    """`opening`, or the stage's name; parts of it behind a colon: `filter: sharpness`."""
    duration: Duration
    how: str
    """What was measured, or why it takes no time."""


@dataclass(frozen=True)
class Calls:
    """What a filter asks of a paid service."""

    filter: str
    calls: int
    """As the filter foretells for the pairs that reach it, less those that are judged already."""
    dollars: float
    seconds: float
    """The least time that the service's rate allows."""


@dataclass(frozen=True)
class Counts:
    """How many pairs there will be."""

    made: int
    kept: int
    kept_low: int
    kept_high: int
    train: int
    held_out: int


def stages_to_do(session: Session) -> list[Stage]:
    """Return the stages that a run would do, in order; from the first that changed on, all are.

    The keys of the stages before that one are known to the session then.
    """
    asked = [stage for stage in Stage if applies(session, WORK[stage])]
    for number, stage in enumerate(asked):
        try:
            done = is_up_to_date(session, stage, WORK[stage].key(session), WORK[stage])
        except GdpError:  # what the key depends on is not there yet
            done = False
        if not done:
            return asked[number:]
    return []
