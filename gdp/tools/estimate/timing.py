"""Work that is timed and counted at once, and broken off in the middle when its time is up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import perf_counter, thread_time

import torch
from torch import nn

from gdp.tools.estimate.arithmetic import NOTHING, Duration
from gdp.tools.estimate.counting import Counting, OutOfTimeError, UncountableError, entering_seconds
from gdp.tools.estimate.pace import EnoughError, PaceProgress
from gdp.tools.estimate.works import Arithmetic, Kind, Speeds, Work

NOT_RUN = (0.4, 2.5)
"""Factors by which a time may be off that is reckoned from counted arithmetic and the machine's speeds alone."""
UNTIMED = (0.5, 2.0)
"""The same where part of the work was timed, and what that part does was counted."""


@dataclass
class Here:
    """This machine, as far as an estimate knows it."""

    device: torch.device
    speeds: Speeds
    entering_seconds: float = field(default_factory=entering_seconds)
    """What counting adds to an operator, beside what it tells itself."""

    def reckon(self, work: Arithmetic, factors: tuple[float, float] = NOT_RUN) -> Duration:
        """Return how long counted work takes here, without having seen any of it."""
        return Duration.about(self.speeds.seconds(work), *factors)


@dataclass(frozen=True)
class Seen:
    """What was seen of a piece of work."""

    duration: Duration | None
    """Of the whole piece; None where it was broken off before anything could be said."""
    arithmetic: Arithmetic
    """Of the whole piece; of what was done where nothing can be said of the whole."""
    host_share: float
    """Share of the time that was not spent in operators: files, and Python."""
    done: Arithmetic
    """Of what was done."""
    seconds: float
    """That were spent on it."""
    backwards: bool = False
    cut_in: str = ""
    finished: bool = True

    def works(self, kind: Kind, amount: tuple[float, float] = (1.0, 1.0)) -> tuple[Work, ...]:
        """Return its time, split into that of the networks and that of the processor alone."""
        assert self.duration is not None
        return split(self.duration, kind, self.arithmetic, self.host_share, amount)


def split(
    duration: Duration, kind: Kind, arithmetic: Arithmetic | None, host_share: float, amount: tuple[float, float]
) -> tuple[Work, ...]:
    """Return the works of a time of which a share is the processor's alone."""
    if duration == NOTHING:
        return ()
    if arithmetic is None or arithmetic.kernels < 1:
        return (Work("files", duration, amount=amount),)
    parts = [Work(kind, duration.times(1 - host_share), arithmetic, amount)]
    return (*parts, Work("files", duration.times(host_share), amount=amount)) if host_share > 0 else tuple(parts)


def look(work: Callable[[PaceProgress], object], here: Here, limit: float, patience: float = 2.0) -> Seen:
    """Do a piece of work, timed and counted; it is broken off when it was seen long enough.

    Args:
        work: is given the progress to tell.
        here: the machine.
        limit: seconds that it is watched for, as long as its units tell how it goes on.
        patience: times the limit after which it is broken off in the middle of whatever it does.
    """
    pace = PaceProgress(limit)
    counting = Counting(deadline=perf_counter() + patience * limit)
    counting.late = pace.out_of_time
    finished = False
    try:
        with counting.on():
            work(pace)
            _wait(here.device)
        finished = True
    except (EnoughError, OutOfTimeError):
        pass
    elapsed, whole = pace.elapsed, None if pace.late else pace.measured()
    added = min(0.8 * elapsed, _added(counting, here))
    own = max(elapsed - added, 1e-9)
    in_operators = counting.seconds
    if here.speeds.overlaps:  # operators return at once there, and the time is spent waiting for them
        in_operators = max(in_operators, here.speeds.seconds(counting.arithmetic))
    host = min(1.0, max(0.0, (own - in_operators) / own))
    factor = 1.0 if whole is None else whole.seconds / max(elapsed, 1e-9)
    return Seen(
        None if whole is None else whole.times(own / max(elapsed, 1e-9)),
        counting.arithmetic.times(factor),
        host,
        counting.arithmetic,
        own,
        counting.backwards,
        pace.cut_in,
        finished,
    )


def count(
    work: Callable[[PaceProgress], object],
    here: Here,
    networks: Iterable[nn.Module],
    limit: float,
    patience: float = 2.0,
) -> Seen:
    """Count a piece of work, its networks of shapes alone; what is long is extrapolated by its units.

    The time is what the counted arithmetic is reckoned to take, and what the processor really did beside it.

    Args:
        work: is given the progress to tell.
        here: the machine.
        networks: whose work is not really done.
        limit: reckoned seconds from which on it is extrapolated.
        patience: times the limit, in seconds of this moment, after which it is broken off.

    Raises:
        UncountableError: shapes alone do not get through.
    """
    began = thread_time()  # not that of others, for whom this thread may have to wait
    counting = Counting(networks, perf_counter() + patience * limit, clock=thread_time)

    def on_host() -> float:
        added = counting.seconds + _added(counting, here)
        return max(0.0, thread_time() - began - added)

    def clock() -> float:
        return here.speeds.seconds(counting.arithmetic) + on_host()

    pace, finished = PaceProgress(limit, clock), False
    counting.late = pace.out_of_time
    try:
        with counting.on():
            work(pace)
        finished = True
    except (EnoughError, OutOfTimeError) as error:
        if pace.late:
            raise UncountableError(f"not done in {patience * limit:.0f} s") from error
    except Exception as error:  # whatever a plugin does where numbers are not there
        raise UncountableError(f"{type(error).__name__}: {error}") from error
    seen, host, whole = pace.elapsed, on_host(), pace.measured().seconds
    factor = whole / seen if seen > 0 else 1.0
    duration = Duration.about(whole, *NOT_RUN)
    arithmetic = counting.arithmetic.times(factor)
    share = min(1.0, host / seen) if seen > 0 else 0.0
    return Seen(duration, arithmetic, share, counting.arithmetic, seen, counting.backwards, pace.cut_in, finished)


def _added(counting: Counting, here: Here) -> float:
    """Return the seconds that counting took."""
    return counting.own_seconds + counting.operators * here.entering_seconds


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
