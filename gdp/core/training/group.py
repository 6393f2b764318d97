"""The processes that train together, each on a part of every batch and on a device of its own (torch.distributed).

A training of one process has the group `ALONE`, which does nothing and costs nothing. Every method that talks to the
other processes must be called by all of them, in the same order: it waits for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor, distributed

from gdp.core.errors import RankLostError, TrainingError

Items = TypeVar("Items", Tensor, Sequence[int], range)


@dataclass(frozen=True)
class Group:
    """The processes of one training, joined by torch.distributed's default process group.

    Attributes:
        rank: Number of this process, from 0.
        world: How many there are.
    """

    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the files and tells how far the training is; the others only compute."""
        return self.rank == 0

    def part(self, whole: Items) -> Items:
        """Return this process's part of a batch: of N items the N / world that follow those of the rank before."""
        count = len(whole) // self.world
        return whole[self.rank * count : (self.rank + 1) * count]

    def require_parts(self, batch: int, setting: str = "train.batch") -> None:
        """Make sure that a batch can be divided.

        Args:
            batch: how many pictures or pairs.
            setting: the setting that says so, for the message.

        Raises:
            TrainingError: it is no multiple of the number of processes.
        """
        if batch % self.world:
            near = batch + -batch % self.world
            raise TrainingError(
                f"{setting} = {batch} is the whole batch, and it cannot be divided into equal parts for {self.world} "
                f"processes: choose a multiple of {self.world} (--set {setting}={near}), or another number of devices"
            )

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors, floats of one type and device, by their means over the processes, in one collective."""
        if self.world == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _reachable():
            distributed.all_reduce(flat)
        _give_back(flat / self.world, tensors)

    @torch.no_grad()
    def share(self, tensors: Sequence[Tensor]) -> None:
        """Replace floating-point tensors of one device by those of rank 0."""
        if self.world == 1:
            return
        for kind in sorted({tensor.dtype for tensor in tensors}, key=str):
            those = [tensor for tensor in tensors if tensor.dtype == kind]
            flat = torch.cat([tensor.reshape(-1) for tensor in those])
            with _reachable():
                distributed.broadcast(flat, 0)
            _give_back(flat, those)

    @torch.no_grad()
    def gather(self, part: Tensor) -> Tensor:
        """Put the parts (N, ...) of all processes together, (world * N, ...) in the order of the ranks."""
        if self.world == 1:
            return part
        parts = [torch.empty_like(part, memory_format=torch.contiguous_format) for _ in range(self.world)]
        with _reachable():
            distributed.all_gather(parts, part.contiguous())
        return torch.cat([each.to(memory_format=_memory_format(part)) for each in parts])

    def agree(self, wish: bool) -> bool:
        """Say whether any of the processes wishes it; it is asked on the processor, so that no GPU is waited for."""
        if self.world == 1:
            return wish
        wishes = torch.tensor(int(wish))
        with _reachable():
            distributed.all_reduce(wishes)
        return bool(wishes)

    def require_same(self, number: int, what: str) -> None:
        """Make sure that all processes have the same number.

        Raises:
            TrainingError: they have not; they do not see the same files.
        """
        numbers = self.gather(torch.tensor([number])).tolist()
        if len(set(numbers)) > 1:
            listed = ", ".join(map(str, numbers))
            raise TrainingError(
                f"the processes of this training see different {what} ({listed}): the run folder must be the same for "
                f"all, on a disk that all machines share"
            )

    def meet(self) -> None:
        """Wait until all processes are here."""
        self.agree(False)


ALONE = Group()
"""The group of a training of one process."""

_GROUP: ContextVar[Group] = ContextVar("group", default=ALONE)


def training_group() -> Group:
    """Return the group that trains together here; outside of `trains_in`, whatever torch.distributed says, `ALONE`."""
    return _GROUP.get()


@contextmanager
def trains_in(group: Group) -> Iterator[None]:
    """Let the trainings inside be those of a group, each process of which enters here."""
    token = _GROUP.set(group)
    try:
        yield
    finally:
        _GROUP.reset(token)


class Company(Protocol):
    """The processes of a command, which may be called to a training: `gdp.tools.together` brings them."""

    def called(self, work: str, keys: Mapping[str, str]) -> AbstractContextManager[None]:
        """Call all to a piece of work, by its name and the content keys of the run: those inside train together."""


class Nobody:
    """The company of a process that is alone."""

    def called(self, work: str, keys: Mapping[str, str]) -> AbstractContextManager[None]:
        """Call nobody."""
        return nullcontext()


def _give_back(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view(tensor.shape))


def _memory_format(tensor: Tensor) -> torch.memory_format:
    lies_by_channels = tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if lies_by_channels else torch.contiguous_format


@contextmanager
def _reachable() -> Iterator[None]:
    """Turn what torch says where another process is gone into an error that says what to do."""
    try:
        yield
    except RuntimeError as error:
        raise RankLostError(
            "another process of this training has ended or cannot be reached any more, so this one ends, too. What was "
            "trained is kept as far as the last checkpoint: the same command goes on from there, on any number of "
            "devices."
        ) from error
