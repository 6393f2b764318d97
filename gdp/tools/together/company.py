"""How the processes of one command meet, and how rank 0 calls the others to a training or a measurement."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore

from gdp.core.progress import Stopped
from gdp.core.run.stages import teacher, train
from gdp.core.training.group import Group, trains_in
from gdp.tools.together.meeting import PATIENCE, meet, reachable
from gdp.tools.together.places import Place

LONGEST = timedelta(days=2)
"""How long within a measurement: one may have a picture more to project than another, which may take hours."""
_POLL = 0.1
"""Seconds between two looks at what rank 0 has called for."""
_FAREWELL = 5.0
"""Seconds that rank 0 waits at the end until the others know."""

Work = Callable[[str, Mapping[str, str]], object]
"""What one of the others does when it is called: by what it is called to, and the content keys of the run."""


class ProcessCompany:
    """All processes of a command, as one of them sees it.

    Args:
        place: which one it is.
        stop_requested: whether to wait for the others no longer.
        tell: gets a line that says who is waited for, where that takes a while.

    Raises:
        Stopped: so it was asked while it waited.
        RankLostError: the others do not come.
    """

    def __init__(self, place: Place, stop_requested: Callable[[], bool], tell: Callable[[str], object]) -> None:
        self.place = place
        self._calls = 0
        self._trains = False
        with reachable():
            self._store = meet(place, stop_requested, tell)

    @contextmanager
    def called(self, work: str, keys: Mapping[str, str]) -> Iterator[None]:
        """Call the others to a piece of work, and let the trainings inside be theirs, too; of rank 0."""
        self._say((work, dict(keys)))
        with self._joined(work):
            yield

    def serve(self, work: Work) -> None:
        """Do what rank 0 calls for until it says that all is done; of the others. A stop that was asked for ends it.

        Raises:
            RankLostError: rank 0 has ended without a word.
        """
        while (order := self._heard()) is not None:
            try:
                with self._joined(order[0]):
                    work(*order)
            except Stopped:
                self._trains = False

    def close(self) -> None:
        """Tell the others that all is done, and wait a little until they know; of rank 0."""
        if self._trains:  # it failed amid a training, where nobody listens: its own end ends the others
            return
        with reachable():
            self._say(None)
            latest = time.monotonic() + _FAREWELL
            while self._store.add("left", 0) < self.place.world - 1 and time.monotonic() < latest:
                time.sleep(_POLL)

    def _say(self, order: tuple[str, dict[str, str]] | None) -> None:
        with reachable():
            self._store.set(f"call-{self._calls}", json.dumps(order))

    def _heard(self) -> tuple[str, dict[str, str]] | None:
        key = f"call-{self._calls}"
        with reachable():
            while not self._store.check([key]):
                time.sleep(_POLL)
            order: tuple[str, dict[str, str]] | None = json.loads(self._store.get(key))
            if order is None:
                self._store.add("left", 1)
            return order

    @contextmanager
    def _joined(self, work: str) -> Iterator[None]:
        """Take part in torch.distributed's group of all processes; it is left where that ends well or is stopped."""
        place = self.place
        store = PrefixStore(f"training-{self._calls}", self._store)
        patience = PATIENCE if work in (teacher.WORK, train.WORK) else LONGEST
        self._calls += 1
        self._trains = True
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        with reachable():
            distributed.init_process_group(
                backend, store=store, rank=place.rank, world_size=place.world, timeout=patience
            )
        try:
            with trains_in(Group(place.rank, place.world)), _processor_shared(place.local_world):
                yield
        except Stopped:
            self._leave()
            raise
        self._leave()

    def _leave(self) -> None:
        distributed.destroy_process_group()
        self._trains = False


@contextmanager
def _processor_shared(processes: int) -> Iterator[None]:
    """Compute on this process's share of the processor's threads, unless OMP_NUM_THREADS says how many it has."""
    before = torch.get_num_threads()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, before // processes))
    try:
        yield
    finally:
        torch.set_num_threads(before)
