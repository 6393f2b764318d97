"""Trackers: what tells a service, or files, of experiments of a run while it works. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from gdp.core.contracts.asking import Rule, text


@dataclass(frozen=True)
class TrackedRun:
    """A run that is to be told of.

    Attributes:
        name: What its recipe calls it.
        folder: Where it is, absolute.
        recipe: The resolved recipe as plain data.
        known: What `begin` returned when this training was told of before, by a process that was stopped or killed;
            None where a training begins anew.
    """

    name: str
    folder: Path
    recipe: Mapping[str, Any]
    known: str | None = None


class Tracker(ABC):
    """Tells others of a run. Registered by `gdp_register_trackers`, chosen by `gdp run RECIPE --track NAME`.

    Its members are called one at a time by a thread of its own, so that the training waits for nobody. What one of them
    raises ends the tracking, which the user is told at once, and never the run; only where `begin` fails the run does
    not start. Every number of `statistics.jsonl` is told once, in order, also where a run was killed and goes on.
    """

    _contract: ClassVar[Mapping[str, Rule]] = {"begin": text}

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def begin(self, run: TrackedRun) -> str:
        """Open the run there, and tell its recipe; return what it is called there: `run.known`, when it goes on."""

    @abstractmethod
    def metrics(self, stage: str, step: int, metrics: Mapping[str, float]) -> None:
        """Tell numbers.

        Args:
            stage: train, evaluate, compare, or a further one.
            step: of the training, counted from 1; 0 for what was measured once.
            metrics: name to value, exactly those of `statistics.jsonl` in training.
        """

    def image(self, stage: str, step: int, path: Path) -> None:
        """Show a picture: a sample grid, as a PNG file. The default does not."""
        return None

    def summary(self, stage: str, summary: Mapping[str, Any]) -> None:
        """Tell what a stage that has finished says of itself, as JSON data. The default does not."""
        return None

    def end(self, outcome: str, artifacts: Sequence[Path]) -> None:
        """Close the run there, when all is told. The default does nothing.

        Args:
            outcome: `finished`, `stopped` or `failed`; `repeated` where the training begins anew, as a run of its own.
            artifacts: of a finished run what it made: the student's folder, recipe.toml, metrics.json, report.html.
        """
        return None
