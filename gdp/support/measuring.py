"""Times of networks, taken in turns so that a busy moment falls on all alike, and the memory of this process.

Imports no torch.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import TYPE_CHECKING

from gdp.support.wording import counted

if TYPE_CHECKING:
    import torch


Work = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Times of one piece of work, in milliseconds.

    Attributes:
        milliseconds: Of each measured call.
    """

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
    import torch

    if device.type == "cuda":
        return f"GPU {torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    threads, processors = counted(torch.get_num_threads(), "thread"), counted(os.cpu_count() or 1, "processor")
    return f"{threads}, {platform.machine()}, {processors}, torch {torch.__version__}"


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)


_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"


def peak_bytes() -> int | None:
    """Return the largest resident memory of this process since it began, or since `forget_peak`; None if unknown.

    Linux keeps it for the program itself; what `getrusage` tells of a child counts its parent's memory, too.
    """
    value = _status("VmHWM")
    if value is None and sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return value


def present_bytes() -> int | None:
    """Return the resident memory of this process at this moment; None where the system does not tell."""
    return _status("VmRSS")


def forget_peak() -> bool:
    """Let the peak begin anew at the present memory; False where the system does not allow it."""
    try:
        _CLEAR.write_text(_FORGET_PEAK)
    except OSError:
        return False
    return True


def _status(name: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024  # the file says kB and means KiB
    return None


def process_seconds() -> float | None:
    """Return how long ago this process was started; None where the system does not tell."""
    try:
        began = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        return float(Path("/proc/uptime").read_text().split()[0]) - began
    except (OSError, ValueError, IndexError):
        return None
