"""The measuring of a case: its three trainings take turns, step after step."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

import torch
from torch import Tensor

from gdp.core.progress import ProgressTask
from gdp.support.measuring import forget_peak, peak_bytes, present_bytes, time_once
from plain.cases import Case, Step
from plain.curves import CONTESTANTS
from plain.time_left import is_over

WARM_UP = 2
"""Steps that are not timed; in the last of them memory is looked at."""


@dataclass
class Measured:
    """What a case showed, by contestant."""

    period: int
    """Steps that are timed together."""
    seconds: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in CONTESTANTS})
    """Of every timed step."""
    losses: dict[str, list[dict[str, float]]] = field(default_factory=lambda: {name: [] for name in CONTESTANTS})
    """Of every step, those of the warm-up included."""
    extra_memory: dict[str, int | None] = field(default_factory=dict)
    """Bytes that a step needs at its peak beyond what stays."""

    @property
    def curves(self) -> dict[str, dict[str, list[float]]]:
        """Term to contestant to values, of the terms that both trainings have in every step."""
        rows = [row for rows in self.losses.values() for row in rows]
        terms = [term for term in self.losses["plain"][-1] if all(term in row for row in rows)]
        return {term: {name: [row[term] for row in self.losses[name]] for name in CONTESTANTS} for term in terms}

    def seconds_a_step(self, name: str) -> list[float]:
        """Return the mean seconds a step of every whole period."""
        seconds, period = self.seconds[name], self.period
        starts = range(0, len(seconds) - period + 1, period)
        return [sum(seconds[start : start + period]) / period for start in starts]

    def speed(self) -> dict[str, Any]:
        """Return times and ratios, as JSON data."""
        plain, ours = self.seconds_a_step("plain"), self.seconds_a_step("gdp")
        return {
            "seconds_a_step": {name: spread(self.seconds_a_step(name)) for name in CONTESTANTS},
            "ratio": spread([theirs / own for theirs, own in zip(plain, ours, strict=True)]),
            "steps_timed_together": self.period,
            "seconds": self.seconds,
        }


def measure(case: Case, steps: int, device: torch.device, task: ProgressTask) -> Measured:
    """Let the three trainings of a case do `steps` timed steps each after the warm-up, in turns.

    They do fewer where time is over, a period at least.
    """
    measured = Measured(min(case.period, steps))
    contestants: dict[str, Step] = dict(zip(CONTESTANTS, (case.plain, case.gdp, case.plain_again), strict=True))
    for number in range(WARM_UP + steps):
        for name, step in contestants.items():
            kept: dict[str, Tensor] = {}
            if number == WARM_UP - 1:
                measured.extra_memory[name] = _extra_memory(_keeping(step, number, kept), device)
            else:
                milliseconds = time_once(_keeping(step, number, kept), device)
                if number >= WARM_UP:
                    measured.seconds[name].append(milliseconds / 1000)
            measured.losses[name].append({term: float(value) for term, value in kept.items()})
        newest = {name: seconds[-1] for name, seconds in measured.seconds.items() if seconds}
        task.advance(1, **{f"{name} s": seconds for name, seconds in newest.items()})
        if is_over() and number + 1 >= WARM_UP + measured.period:
            break
    return measured


def spread(values: list[float]) -> dict[str, Any]:
    """Return the median, both quartiles and the number of values."""
    quarters = quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return {"median": median(values), "quartiles": [quarters[0], quarters[2]], "count": len(values)}


def _keeping(step: Step, number: int, kept: dict[str, Tensor]) -> Callable[[], None]:
    def work() -> None:
        losses: Mapping[str, Tensor] = step(number)
        kept.update(losses)

    return work


def _extra_memory(work: Callable[[], None], device: torch.device) -> int | None:
    """Do some work and return how much more memory it took at its peak than before, in bytes; None if unknown."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # what the allocator keeps would hide the need for more
    if trim is not None:
        trim(0)
    known, present = forget_peak(), present_bytes()
    work()
    peak = peak_bytes()
    return peak - present if known and peak is not None and present is not None else None
