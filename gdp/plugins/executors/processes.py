"""Workers that are processes of this machine, each at the other end of a pipe."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import ModuleType
from typing import Any

from gdp import Executor, ExecutorContext, Work, Worker, WorkerLostError
from gdp.toolbox import processor_cores

_DONE = "done"
_TOLD = "told"
_SPAWNING = multiprocessing.get_context("spawn")
"""A fork would take over a GPU's state and threads' locks."""


class ProcessesExecutor(Executor):
    """Processes of this machine, one a GPU or processor core where the user says no number."""

    def __init__(self, context: ExecutorContext) -> None:
        super().__init__(context)
        self._workers = context.workers or _devices(context.device)

    @property
    def workers(self) -> int:
        """How many processes work at once."""
        return self._workers

    def start(self, work: Work, number: int) -> Worker:
        """Start a process, which opens the work while others are started."""
        ours, theirs = _SPAWNING.Pipe()
        threads = max(1, _devices("cpu") // self._workers)
        arguments = theirs, work, number, threads
        process = _SPAWNING.Process(target=_serve, args=arguments, name=f"worker-{number}", daemon=True)
        with _without_main():
            process.start()
        theirs.close()
        return _ProcessWorker(process, ours)

    def ready(self, workers: Sequence[Worker], seconds: float) -> Sequence[Worker]:
        """Wait for a word, or for the end of a pipe."""
        by_pipe = {worker.pipe: worker for worker in workers if isinstance(worker, _ProcessWorker)}
        return [by_pipe[pipe] for pipe in wait(list(by_pipe), seconds) if isinstance(pipe, Connection)]


@dataclass
class _ProcessWorker(Worker):
    process: SpawnProcess
    pipe: Connection

    def begin(self, piece: Any, attempt: int) -> None:
        try:
            self.pipe.send((piece, attempt))
        except OSError as error:
            raise WorkerLostError(self._end()) from error

    def told(self) -> Any:
        try:
            kind, said = self.pipe.recv()
        except (EOFError, OSError) as error:
            raise WorkerLostError(self._end()) from error
        if kind == _DONE:
            raise StopIteration
        return said

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def _end(self) -> str:
        """Return how the process has ended."""
        self.process.join(5)
        code = self.process.exitcode
        if code is None:
            return "its pipe is closed"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _devices(device: str) -> int:
    """Return how many GPUs, or how many cores of the processor, this process may use."""
    if device.startswith("cuda"):
        import torch

        return max(1, torch.cuda.device_count())
    return processor_cores()


@contextmanager
def _without_main() -> Iterator[None]:
    """Let a process that is spawned not run the user's script again, whose `gdp.run` would start workers of its own."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(pipe: Connection, work: Work, number: int, threads: int) -> None:
    """Do pieces until the other end is gone; in the worker's process, where torch is not imported yet."""
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, signal.SIG_IGN)  # who started this one ends it
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    doing = work(number)
    with suppress(EOFError, BrokenPipeError):
        while True:
            piece, attempt = pipe.recv()
            said: Iterator[Any] = doing(piece, attempt)
            for each in said:
                pipe.send((_TOLD, each))
            pipe.send((_DONE, None))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # amid whatever it does: nobody would take it
