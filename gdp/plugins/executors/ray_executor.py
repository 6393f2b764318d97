"""Workers that are actors of Ray (https://docs.ray.io), on this machine or on the machines of a cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "^A worker died or was killed")  # which gdp tells in a line
# isort: split
import ray
from ray.exceptions import RayActorError, RayError

from gdp import Executor, ExecutorContext, GdpError, Work, Worker, WorkerLostError

SHARE = {"cpu": {"num_cpus": 1, "num_gpus": 0}, "cuda": {"num_cpus": 1, "num_gpus": 1}}
"""What of a cluster a worker takes."""


class RayExecutor(Executor):
    """Workers of Ray: of the cluster at the context's address, or of one that is started here and ends with us.

    On a cluster, every machine needs the same gdp and plugins, and the files that the recipe names at the same paths.
    """

    def __init__(self, context: ExecutorContext) -> None:
        super().__init__(context)
        self._started = False

    @cached_property
    def workers(self) -> int:
        """How many actors work at once: as many as the cluster has room for, where the user says no number."""
        self._connect()
        there = ray.cluster_resources()  # type: ignore[no-untyped-call] # so it is in Ray
        room = int(there.get("GPU" if self.context.device == "cuda" else "CPU", 0))
        wanted = self.context.workers
        if room < (wanted or 1):
            what = "GPUs" if self.context.device == "cuda" else "processor cores"
            raise GdpError(
                f"Ray has {room} {what} for {wanted or 1} workers, each of which takes one: choose --workers {room}, "
                f"or add machines to the cluster"
                if room
                else f"Ray has no {what}: start its machines with some, or choose another --device"
            )
        return wanted or room

    def start(self, work: Work, number: int) -> Worker:
        """Start an actor; Ray chooses its machine."""
        self._connect()
        actor = ray.remote(_Actor).options(**SHARE[self.context.device]).remote(work, number)
        return _RayWorker(actor)

    def ready(self, workers: Sequence[Worker], seconds: float) -> Sequence[Worker]:
        """Ask Ray which actors have yielded something, or have ended."""
        streams = {worker.stream: worker for worker in workers if isinstance(worker, _RayWorker)}
        found, _ = ray.wait(list(streams), num_returns=len(streams), timeout=0, fetch_local=False)
        if not found:
            found, _ = ray.wait(list(streams), num_returns=1, timeout=seconds, fetch_local=False)
        return [streams[stream] for stream in found]

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        if self._started:
            ray.shutdown()
            self._started = False

    def _connect(self) -> None:
        if self._started:
            return
        # Nothing is reported to Ray's makers unless the user asks for that.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        address, wanted = self.context.address, self.context.workers
        here: dict[str, Any] = {} if address else {"num_cpus": wanted, "include_dashboard": False}
        try:
            ray.init(address=address or "local", logging_level=logging.ERROR, log_to_driver=False, **here)
        except (RayError, OSError, RuntimeError, ValueError, ConnectionError) as error:
            where = f"--ray-address {address}" if address else "Ray on this machine"
            raise GdpError(
                f"{where}: cannot be reached or started ({str(error).strip().splitlines()[0]:.300}). "
                f"`ray status` tells whether a cluster runs."
            ) from error
        self._started = True


class _Actor:
    """A worker; its process is Ray's."""

    def __init__(self, work: Work, number: int) -> None:
        self._doing = work(number)

    def do(self, piece: Any, attempt: int) -> Iterator[Any]:
        for said in self._doing(piece, attempt):  # noqa: UP028 # Ray sends into it, which not every iterator takes
            yield said


@dataclass(eq=False)
class _RayWorker(Worker):
    actor: Any
    stream: Any = None
    """Of what the piece in hand yields, as Ray's ObjectRefGenerator."""

    def begin(self, piece: Any, attempt: int) -> None:
        self.stream = self.actor.do.options(num_returns="streaming").remote(piece, attempt)

    def told(self) -> Any:
        try:
            return ray.get(next(self.stream))
        except RayActorError as error:
            raise WorkerLostError(str(error).strip().splitlines()[0][:200].rstrip(".")) from error

    def end(self) -> None:
        ray.kill(self.actor, no_restart=True)
