"""What every stage's module offers, and the rule by which a stage is done or left as it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from gdp.core.run.session import Session


class Work(Protocol):
    """What a stage's module offers.

    One that keeps data between runs also has `reset(session)`; one whose output can be lost, `is_there(session)`; one
    that not every recipe asks for, `applies(session)`.
    """

    key: Callable[[Session], str]
    execute: Callable[[Session], dict[str, Any]]


def applies(session: Session, work: Work) -> bool:
    """Say whether the recipe asks for a stage."""
    return bool(getattr(work, "applies", _always)(session))


def is_up_to_date(session: Session, name: str, key: str, work: Work) -> bool:
    """Say whether a stage has finished for this content key and its output is still there."""
    finished = session.folder.stages().get(name)
    return finished is not None and finished["key"] == key and bool(getattr(work, "is_there", _always)(session))


def reset(session: Session, work: Work) -> None:
    """Throw away what a stage keeps between runs."""
    getattr(work, "reset", _nothing_to_reset)(session)


def perform(session: Session, name: str, key: str, work: Work) -> tuple[float, dict[str, Any]]:
    """Do a stage and record that it has finished; return its seconds and its summary."""
    session.folder.forget_stage(name)
    started = time.monotonic()
    summary = work.execute(session)
    seconds = time.monotonic() - started
    session.folder.finish_stage(name, key, seconds, summary)
    return seconds, summary


def _always(session: Session) -> bool:
    """Serve for stages that leave no files of their own, and for those that every run has."""
    return True


def _nothing_to_reset(session: Session) -> None:
    """Serve for stages whose output is written anew each time."""
