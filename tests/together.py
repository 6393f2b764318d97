"""Trainings in several processes at once, joined by gloo, each with files of its own to compare."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from forked import processes
from torch import Tensor, distributed

from gdp.core.errors import GdpError
from gdp.core.tensor_file import StoredTensors
from gdp.core.training.group import Group, trains_in

_NUMBERS = itertools.count()


@dataclass(frozen=True)
class WritingGroup(Group):
    """Of which each rank writes its files, into a folder of its own."""

    @property
    def leads(self) -> bool:
        return True


def start(
    world: int,
    target: Callable[[Group, Path], None],
    folder: Path,
    meeting: Path,
    kind: Callable[[int, int], Group] = WritingGroup,
) -> list[BaseProcess]:
    """Start `world` processes that call target(group, folder); a gdp error ends one with its name on standard error.

    Args:
        world: how many.
        target: a function of a module, with pickled arguments.
        folder: what it is given.
        meeting: a folder for the file by which they find each other.
        kind: of the group.
    """
    file = meeting / f"meeting-{next(_NUMBERS)}"
    started: list[BaseProcess] = [
        processes.Process(target=_one, args=(kind(rank, world), target, folder, file)) for rank in range(world)
    ]
    for process in started:
        process.start()
    return started


def run_together(
    world: int,
    target: Callable[[Group, Path], None],
    folder: Path,
    meeting: Path,
    kind: Callable[[int, int], Group] = WritingGroup,
) -> None:
    """Do it, and see that all end well."""
    started = start(world, target, folder, meeting, kind)
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0] * world


def _one(group: Group, target: Callable[[Group, Path], None], folder: Path, file: Path) -> None:
    torch.set_num_threads(1)
    if group.world > 1:
        distributed.init_process_group(
            "gloo",
            init_method=f"file://{file}",
            rank=group.rank,
            world_size=group.world,
            timeout=timedelta(minutes=2),
        )
    try:
        with trains_in(group):
            target(group, folder)
    except GdpError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(EXIT_CODES.get(type(error).__name__, 1))
    finally:
        if group.world > 1:
            distributed.destroy_process_group()


EXIT_CODES = {"NonFiniteError": 11, "RankLostError": 12}


def checkpoint_of(folder: Path, step: int) -> dict[str, Tensor]:
    """Read all tensors of a checkpoint but the random state, which is another on each rank."""
    stored = StoredTensors(folder / "checkpoints" / f"step-{step:08d}" / "tensors.safetensors")
    return {name: stored[name].clone() for name in stored if not name.startswith("random/")}


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    """Return the names of the tensors that are not equal to the bit."""
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]
