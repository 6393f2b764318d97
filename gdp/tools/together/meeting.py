"""How the processes of one command find each other before their work: who waits says for whom, and can be stopped."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta

from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from gdp.core.errors import RankLostError
from gdp.core.progress import Stopped
from gdp.tools.together.places import Place

PATIENCE = timedelta(minutes=30)
"""How long one process waits for another, here and within a training: rank 0 may be writing a large checkpoint."""
_SILENT = 10.0
"""Seconds of waiting before it is said for whom: all of them import torch first."""
_SAID_AGAIN = 60.0
"""Seconds after which it is said again."""
_POLL = 0.1
"""Seconds between two looks at who is there."""
_NAMED = 8
"""So many of the missing are named; there may be hundreds."""


def meet(place: Place, stop_requested: Callable[[], bool], tell: Callable[[str], object]) -> Store:
    """Return the store that all processes of a command share, for rank 0 as soon as all of them have come.

    Args:
        place: which one this is.
        stop_requested: whether to wait no longer.
        tell: gets a line that says for whom this process waits, where that takes a while.

    Raises:
        Stopped: so it was asked.
        RankLostError: the others do not come.
    """
    waiting = _Waiting(place, stop_requested, tell)
    connection = _connection(place)
    waiting.until_none(lambda: [] if connection.done() else [0])
    store = PrefixStore(_attempt(place), connection.result())
    store.set(_here(place.rank), "")
    if place.leads:
        missing = set(range(place.world))

        def those_missing() -> Sequence[int]:
            missing.difference_update([rank for rank in missing if store.check([_here(rank)])])
            return sorted(missing)

        waiting.until_none(those_missing)
    return store


def _attempt(place: Place) -> str:
    """Name what begins now: the store is torchrun's, and holds what was said before `--max-restarts` began anew."""
    return f"gdp-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}-of-{place.world}"


def _here(rank: int) -> str:
    return f"here-{rank}"


def _connection(place: Place) -> Future[Store]:
    """Reach for the store from a thread: torch does so deaf to signals, and the address may belong to nobody yet."""
    found: Future[Store] = Future()

    def connect() -> None:
        try:
            # a world of one: here nobody waits for others, who would not be named
            store, _, _ = next(iter(rendezvous("env://", place.rank, 1, timeout=PATIENCE)))
        except Exception as error:  # noqa: BLE001 # told in the thread that waits
            found.set_exception(error)
        else:
            found.set_result(store)

    threading.Thread(target=connect, name="meeting", daemon=True).start()
    return found


class _Waiting:
    """The waiting of one process, from its beginning to the end of its patience."""

    def __init__(self, place: Place, stop_requested: Callable[[], bool], tell: Callable[[str], object]) -> None:
        self._place, self._stop_requested, self._tell = place, stop_requested, tell
        self._began = time.monotonic()
        self._next_word = self._began + _SILENT

    def until_none(self, missing: Callable[[], Sequence[int]]) -> None:
        """Wait until no rank is missing any more."""
        while ranks := missing():
            if self._stop_requested():
                raise Stopped
            now = time.monotonic()
            if now - self._began > PATIENCE.total_seconds():
                raise RankLostError(self._in_vain(ranks))
            if now > self._next_word:
                self._next_word = now + _SAID_AGAIN
                self._tell(f"waiting for {self._named(ranks)}, up to {_minutes()}; Ctrl-C ends it")
            time.sleep(_POLL)

    def _named(self, ranks: Sequence[int]) -> str:
        numbers = ", ".join(map(str, ranks[:_NAMED])) + (f" and {len(ranks) - _NAMED} more" if ranks[_NAMED:] else "")
        return f"rank {numbers} of {self._place.world} (they count from 0) at {_address()}"

    def _in_vain(self, ranks: Sequence[int]) -> str:
        return (
            f"waited {_minutes()} for {self._named(ranks)}, in vain. WORLD_SIZE={self._place.world} says that there "
            f"are so many processes: start the same torchrun command on every machine, look whether all run and reach "
            f"that address, or unset RANK to run alone"
        )


def _minutes() -> str:
    return f"{PATIENCE.total_seconds() / 60:.3g} min"


def _address() -> str:
    return f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"


@contextmanager
def reachable() -> Iterator[None]:
    """Say in gdp's words that processes of a command cannot reach each other."""
    try:
        yield
    except (RuntimeError, ValueError) as error:  # of torch's rendezvous and store
        raise RankLostError(
            f"the processes that are to train together cannot reach each other ({str(error).splitlines()[0]:.200}). "
            f"Look whether all of them run, and whether the machines reach MASTER_ADDR at MASTER_PORT, where nothing "
            f"else may listen."
        ) from error
