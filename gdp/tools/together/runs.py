"""What a process that does not lead a run does when it is called: its part of a training or a measurement."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gdp.core.run.session import Session
from gdp.core.run.stages import teacher, train
from gdp.tools.measure import evaluate

_PARTS: Mapping[str, Callable[[Session], object]] = {teacher.WORK: teacher.take_part, train.WORK: train.take_part}


def take_part(session: Session, work: str, keys: Mapping[str, str]) -> None:
    """Compute this process's part of a training or a measurement of a run. It takes no lock, and writes nothing.

    Args:
        session: the run, opened with the same recipe as that of rank 0.
        work: what rank 0 has called to.
        keys: the content keys of its session.
    """
    session.keys = dict(keys)
    what, _, place = work.partition(" ")
    if what == evaluate.WORK:
        evaluate.take_part(session, int(place))
    else:
        _PARTS[work](session)
