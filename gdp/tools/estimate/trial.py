"""A trial of a run: the same recipe in a folder that is thrown away, with pairs that stand for many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any, cast

from torch import Tensor

from gdp.core.interfaces.students import Student
from gdp.core.pairs.records import PairBatch
from gdp.core.pairs.store import PairStore
from gdp.core.progress import SilentProgress
from gdp.core.records import Plugins
from gdp.core.run.session import Session
from gdp.core.run.steps import keys_until
from gdp.core.run_folder import RunFolder

TRIAL = "trial"
"""Stands for the key of the training, which depends on pairs that are not there yet."""


class _Unheard:
    """The registry, without anyone who is told of a run's life: a trial is no run."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plugins, name)

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell nobody."""


def open_trial_run(session: Session, folder: Path) -> Session:
    """Return a session of the same recipe in another folder, which shares what the given one has built."""
    trial = Session(
        recipe=replace(session.recipe, compare=None),
        folder=RunFolder(folder),
        plugins=cast(Plugins, _Unheard(session.plugins)),
        progress=SilentProgress(),
        device=session.device,
        rehearses=True,
        pays=session.pays,
        limit=session.limit,
    )
    trial.adopt(session)
    trial.keys = {**keys_until(trial, "pairs"), "train": TRIAL}
    return trial


class FreshStudent:
    """The recipe's student with fresh weights, built when it is first looked at.

    Args:
        trial: of the trial.
    """

    def __init__(self, trial: Session) -> None:
        self._trial = trial
        self.seconds = 0.0
        """How long building it took."""

    @cached_property
    def student(self) -> Student:
        """The student; whoever trains takes another."""
        started = perf_counter()
        student = self._trial.new_student()
        self.seconds = perf_counter() - started
        return student


class ManyPairs:
    """The trial's few pairs under as many numbers as the run will have.

    Args:
        store: holds the few.
        few: their numbers.
    """

    def __init__(self, store: PairStore, few: Sequence[int]) -> None:
        self._store, self._few = store, list(few)

    def _real(self, numbers: Sequence[int]) -> list[int]:
        return [self._few[number % len(self._few)] for number in numbers]

    def load_uint8(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Load pairs as the store does."""
        return self._store.load_uint8(self._real(numbers))

    def load(self, numbers: Sequence[int]) -> PairBatch:
        """Load pairs as the store does, under the numbers asked for."""
        batch = self._store.load(self._real(numbers))
        records = [replace(record, index=number) for record, number in zip(batch.records, numbers, strict=True)]
        return replace(batch, indices=list(numbers), records=records)
