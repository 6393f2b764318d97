"""Which of several processes this one is, by the environment: as torchrun and `gdp.tools.together.launching` set it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from gdp.core.errors import GdpError, UsageError
from gdp.support.devices import resolve_device

LAUNCHED = "GDP_LAUNCHED"
"""Environment variable: 1 in the processes that gdp itself started, whose standard input ends when it does."""


@dataclass(frozen=True)
class Place:
    """This process among those of one command."""

    rank: int
    world: int
    """How many there are."""
    local_rank: int
    """Number among those of this machine: that of its GPU."""
    local_world: int
    """How many this machine has."""

    @property
    def leads(self) -> bool:
        """Whether this is the process that does the whole command and writes all files."""
        return self.rank == 0


_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def place_in_environment(variables: Mapping[str, str] = os.environ) -> Place | None:
    """Return this process's place; None where it is alone.

    Raises:
        GdpError: a variable holds no number, or RANK is none of so many processes.
    """
    if not all(variables.get(name) for name in _NEEDED):
        return None
    try:
        rank, world = int(variables["RANK"]), int(variables["WORLD_SIZE"])
        local_rank, local_world = (
            int(variables.get("LOCAL_RANK", rank)),
            int(variables.get("LOCAL_WORLD_SIZE", world)),
        )
    except ValueError as error:
        raise GdpError(
            f"the environment variables RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE say which of several "
            f"processes this one is, as torchrun sets them, and one is no number ({error}): unset RANK to run alone"
        ) from error
    if world <= 1:
        return None
    if not (0 <= rank < world and 0 <= local_rank < local_world):
        raise GdpError(
            f"the environment says that this is process RANK={rank} of WORLD_SIZE={world}, on its machine "
            f"LOCAL_RANK={local_rank} of LOCAL_WORLD_SIZE={local_world}; ranks count from 0, and there is no such "
            f"process: unset RANK to run alone"
        )
    return Place(rank, world, local_rank, local_world)


def was_launched() -> bool:
    """Say whether gdp itself has started this process beside others."""
    return os.environ.get(LAUNCHED) == "1"


def end_with_launcher() -> None:
    """Let this process stop as by SIGTERM when gdp, which started it, is no longer there: however that has ended."""
    if was_launched():
        threading.Thread(target=_watch_launcher, name="launcher", daemon=True).start()


def _watch_launcher() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_LONGEST_END)
    os.kill(os.getpid(), signal.SIGKILL)  # it waits for another that is gone as well, or hangs


_LONGEST_END = 300.0
"""Seconds that a process has for its last checkpoint when the one that started it is gone."""


def device_of(place: Place, name: str) -> str:
    """Return the device of one of several processes, `cpu` or `cuda:N`, and let torch take it for its present one.

    Args:
        place: the process's.
        name: `auto`, `cpu` or `cuda`.

    Raises:
        GdpError: the machine has fewer GPUs than processes, or one GPU is named for all.
    """
    kind, _, number = resolve_device(name).partition(":")
    if kind == "cpu":
        return "cpu"
    if number:
        raise UsageError(f"--device {name} is one GPU, and {place.world} processes need one each: leave the number out")
    import torch

    count = torch.cuda.device_count()
    if place.local_world > count:
        raise GdpError(
            f"{place.local_world} processes need a GPU each, and torch finds {count} here: --devices {count}, or "
            f"--device cpu to share the processor"
        )
    torch.cuda.set_device(place.local_rank)  # what "cuda" means in a recipe
    return f"cuda:{place.local_rank}"
