"""How fast this machine is, and how busy others keep it while it is asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, median

import torch
from torch.nn import functional

from gdp.core.training.precision import half_type
from gdp.support.measuring import Work, time_once
from gdp.tools.estimate.works import Speeds

CHANNELS, SIDE = 512, 32
"""Of the convolution that multiplications are timed with, one of those that pix2pixHD is made of: 2.4 GMAC."""
LAYER_MACS = CHANNELS * CHANNELS * 9 * SIDE * SIDE
FLOATS = 8 * 2**20
"""Of the sum that memory is timed with; it reads two and writes one of that size."""
SMALL = 400
"""Additions to one number, which time what an operator costs that computes nothing."""
REPEATS = 3
Choose = Callable[[Sequence[float]], float]
UNSEEN = 0.1
"""What a few seconds cannot show of a machine (heat, other inputs, caches): to either side, as a share."""


@torch.no_grad()
def measure_speeds(device: torch.device, choose: Choose = median) -> Speeds:
    """Time a convolution in float32 and in 16 bits, a sum that memory bounds, and operators that do next to nothing.

    Args:
        device: where networks run.
        choose: of a few times the one that counts; the least is that of a machine that nobody else uses.
    """
    full = _layer_seconds(device, torch.float32, choose)
    kind = half_type(device)
    half = full if kind == torch.float32 else _layer_seconds(device, kind, choose)
    left, right = (torch.zeros(FLOATS, device=device) for _ in range(2))
    moving = _timed(lambda: torch.add(left, right, out=left), device, choose)
    small = torch.zeros(1, device=device)

    def tiny() -> None:
        for _ in range(SMALL):
            small.add_(1.0)

    return Speeds(
        macs=LAYER_MACS / full,
        half_macs=LAYER_MACS / half,
        bytes=3 * 4 * FLOATS / moving,
        kernel=_timed(tiny, device, choose) / SMALL,
        overlaps=device.type != "cpu",
    )


def _layer_seconds(device: torch.device, kind: torch.dtype, choose: Choose = median) -> float:
    picture = torch.randn(1, CHANNELS, SIDE, SIDE, device=device).to(kind, memory_format=torch.channels_last)
    weight = torch.randn(CHANNELS, CHANNELS, 3, 3, device=device).to(kind, memory_format=torch.channels_last)
    return _timed(lambda: functional.conv2d(picture, weight, padding=1), device, choose)


def _timed(work: Work, device: torch.device, choose: Choose) -> float:
    times = [time_once(work, device) / 1000 for _ in range(REPEATS + 1)]
    return choose(times[1:])


class Noise:
    """How much the machine's own pace varies while an estimate is made, and how long this process waits for it.

    Args:
        device: where networks run.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pulses: list[float] = []
        self._began = _scheduled()
        self.pulse()

    @torch.no_grad()
    def pulse(self) -> None:
        """Time the same small work once more; called between the parts of a probe."""
        self._pulses.append(_layer_seconds(self._device, torch.float32))

    @property
    def waited(self) -> float:
        """Share of the time in which this process could have run and had to wait for a processor, in [0, 1)."""
        ran, waited = (now - then for now, then in zip(_scheduled(), self._began, strict=True))
        return waited / (ran + waited) if min(ran, waited) > 0 else 0.0

    def bounds(self) -> tuple[float, float]:
        """Return by which factors a time that was measured meanwhile may be too long or too short for the run.

        Down to a machine that nobody else uses, and to the fastest moment seen; up to twice as much company, to that
        of the last quarter of an hour, and to the slowest moment seen; and `UNSEEN` to either side.
        """
        mean = fmean(self._pulses)
        slowed = 1 / (1 - min(self.waited, 0.95))
        before = max(1.0, os.getloadavg()[2] / (os.cpu_count() or 1)) if hasattr(os, "getloadavg") else 1.0
        low = min(1 / slowed, min(self._pulses) / mean)
        high = max((2 * slowed - 1) / slowed, before / slowed, max(self._pulses) / mean)
        return low * (1 - UNSEEN), high * (1 + UNSEEN)

    @property
    def drift(self) -> float:
        """Pace of the whole time beside that of its beginning: below 1 where the machine became busier."""
        return self._pulses[0] / fmean(self._pulses)


def _scheduled() -> tuple[float, float]:
    """Return the nanoseconds that this process's threads have run and waited to run; zeros where nobody tells."""
    ran = waited = 0
    for task in Path("/proc/self/task").glob("*/schedstat"):
        try:
            on, queued, *_ = task.read_text().split()
        except (OSError, ValueError):  # the thread has ended, or this system writes no such file
            continue
        ran, waited = ran + int(on), waited + int(queued)
    return float(ran), float(waited)
