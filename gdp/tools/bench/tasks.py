"""What is measured, and what is found: plain data that goes between the processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal, Protocol

import numpy

Kind = Literal["teacher", "slow route", "student"]

REFERENCE = "torch"
"""The engine whose pictures, in float32, the others' are held against, and whose time theirs are divided by."""


@dataclass(frozen=True)
class Task:
    """One row of the table, as the process that measures it is told."""

    kind: Kind
    name: str
    """What the table calls it: `student, onnx`."""
    place: Path
    """A student's folder or exported file; of teacher and slow route the run's folder."""
    size: int
    """Height and width in pixels."""
    pictures: Path
    """An .npy file of pictures (N, size, size, C) uint8."""
    engine: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    """Of the engine."""
    expected: Path | None = None
    """An .npy file of what torch makes of the pictures in float32."""
    overrides: tuple[str, ...] = ()
    """Of the run's recipe, as `--set` takes them."""
    threads: int | None = None
    """Processor threads; None for as many as each library takes by itself."""
    device: str = "cpu"


@dataclass
class Row:
    """What was found of a task."""

    task: Task
    milliseconds: list[float] = field(default_factory=list)
    """Measured times, of one picture each; of the slow route those of its optimisation steps."""
    turns: list[int] = field(default_factory=list)
    """In which turn each was measured."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What the measuring process told: parameters, macs, file_bytes, memory, runs_on, distance ..."""
    failure: str = ""
    """Why there is nothing to tell; empty where there is."""

    @property
    def picture_ms(self) -> list[float]:
        """Times of a picture in milliseconds; of the slow route extrapolated from each measured step."""
        if self.task.kind != "slow route":
            return self.milliseconds
        steps, beside = self.facts["total_steps"], self.facts["setup_ms"] + self.facts["finish_ms"]
        return [steps * step + beside for step in self.milliseconds]

    @property
    def median_ms(self) -> float:
        """The middle time of a picture."""
        return median(self.picture_ms)

    @property
    def spread_ms(self) -> tuple[float, float]:
        """The 10th and the 90th percentile of a picture's time."""
        low, high = numpy.percentile(self.picture_ms, [10, 90])
        return float(low), float(high)

    def to_data(self) -> dict[str, Any]:
        """Return the row as JSON."""
        task = self.task
        data: dict[str, Any] = {
            "name": task.name,
            "kind": task.kind,
            "size": task.size,
            "threads": task.threads,
            "engine": task.engine or None,
            "settings": dict(task.settings),
        }
        if self.failure:
            return {**data, "failure": self.failure}
        low, high = self.spread_ms
        times = {"milliseconds": self.median_ms, "milliseconds_p10": low, "milliseconds_p90": high}
        return {
            **data,
            **times,
            "images_per_second": 1000 / self.median_ms,
            "measured_ms": [round(value, 4) for value in self.milliseconds],
            "measured_in_turns": self.turns,
            **self.facts,
        }


@dataclass(frozen=True)
class Bench:
    """All rows, and where they were measured."""

    about: dict[str, Any]
    """Subject, machine, versions, protocol."""
    rows: list[Row]

    def group(self, size: int, threads: int | None) -> list[Row]:
        """Return the rows that were measured in turns with one another."""
        return [row for row in self.rows if (row.task.size, row.task.threads) == (size, threads)]

    def ratios(self, row: Row) -> dict[str, float]:
        """Return how many times faster a row is than the others of its group that ratios are told of.

        The median over the turns in which both were measured: what slows a turn down slows both down.
        """
        group = [other for other in self.group(row.task.size, row.task.threads) if not other.failure]
        found: dict[str, float] = {}
        for other in group:
            told = other.task.kind != "student" or (other.task.engine == REFERENCE and not other.task.settings)
            if told and other is not row and not row.failure:
                found[other.task.name] = _ratio(other, row)
        return found

    def to_data(self) -> dict[str, Any]:
        """Return everything as JSON."""
        rows = [{**row.to_data(), "times_faster_than": self.ratios(row)} for row in self.rows]
        return {**self.about, "rows": rows}


def _ratio(slow: Row, fast: Row) -> float:
    of_slow, of_fast = (dict(zip(row.turns, row.picture_ms, strict=True)) for row in (slow, fast))
    both = of_slow.keys() & of_fast.keys()
    if not both:
        return slow.median_ms / fast.median_ms
    return median(of_slow[turn] / of_fast[turn] for turn in both)


WARMUP = 2
"""Unmeasured runs."""


class Turns(Protocol):
    """When a process may work."""

    def wait(self) -> bool:
        """Wait for the next turn; False where there is none any more."""

    def tell(self, milliseconds: float) -> None:
        """Tell how long the turn's work took."""


class Work(Protocol):
    """Something that was opened and warmed up."""

    facts: dict[str, Any]

    def serve(self, turns: Turns) -> None:
        """Work at every turn."""

    def conclude(self) -> None:
        """Find out what is to be known beside the times; called when no turn is left."""
