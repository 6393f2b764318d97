"""Wall-clock times of networks, taken in turns so that a busy moment falls on all of them alike."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter

import torch

Work = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Times of one piece of work, in milliseconds."""

    milliseconds: list[float]

    @property
    def median(self) -> float:
        """The middle time."""
        return median(self.milliseconds)

    @property
    def spread(self) -> tuple[float, float]:
        """The 10th and the 90th percentile; with one time only, that time twice."""
        if len(self.milliseconds) == 1:
            return self.milliseconds[0], self.milliseconds[0]
        deciles = quantiles(self.milliseconds, n=10, method="inclusive")
        return deciles[0], deciles[-1]


def time_once(work: Work, device: torch.device) -> float:
    """Return how many milliseconds `work` takes, what it queues on a GPU included."""
    _wait_for(device)
    start = perf_counter()
    work()
    _wait_for(device)
    return (perf_counter() - start) * 1000


def time_interleaved(works: Mapping[str, Work], repeats: int, warmup: int, device: torch.device) -> dict[str, Timing]:
    """Time several pieces of work in turns: each once, then each again, `repeats` times after `warmup` unmeasured."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(warmup + repeats):
        for name, work in works.items():
            elapsed = time_once(work, device)
            if turn >= warmup:
                times[name].append(elapsed)
    return {name: Timing(values) for name, values in times.items()}


def describe_machine(device: torch.device) -> str:
    """Return on what the times were taken, such as `4 threads, x86_64, 8 processors`, or the GPU's name."""
    if device.type == "cuda":
        return f"GPU {torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    return (
        f"{torch.get_num_threads()} threads, {platform.machine()}, {os.cpu_count()} processors, "
        f"torch {torch.__version__}"
    )


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
