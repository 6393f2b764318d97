"""Executors: what starts processes that share a work, here or on other machines. Importing this imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from gdp.core.contracts.asking import Asked, Rule, a, a_number, several, shown
from gdp.core.contracts.asking import require as require_that

Doing = Callable[[Any, int], Iterator[Any]]
"""Does a piece of work: from the piece, and which attempt at it this is (from 1), to what it tells, one by one."""

Work = Callable[[int], Doing]
"""Opens a worker, by its number: called once in its process, and pickled on the way there."""


class WorkerLostError(Exception):
    """A worker's process has ended in the middle of its work; the text says how, as far as that is known."""

    def __init__(self, how: str) -> None:
        super().__init__(how)


@dataclass(frozen=True)
class ExecutorContext:
    """The surroundings of an executor; plain data.

    Attributes:
        workers: How many; None leaves it to the executor, which takes one a GPU or processor core.
        device: Where the workers compute: `cpu` or `cuda`.
        address: Of what it works on, a cluster say; None for this machine.
    """

    workers: int | None = None
    device: str = "cpu"
    address: str | None = None


class Worker(ABC):
    """One process that an executor has started."""

    @abstractmethod
    def begin(self, piece: Any, attempt: int) -> None:
        """Give it a piece of work, pickled; it has none in hand.

        Raises:
            WorkerLostError: it has ended.
        """

    @abstractmethod
    def told(self) -> Any:
        """Return the next that its work tells; `Executor.ready` has said that there is something.

        Raises:
            StopIteration: the piece is done.
            WorkerLostError: it has ended.
        """

    @abstractmethod
    def end(self) -> None:
        """End its process at once, however busy it is or whether it hangs."""


def _of_those_asked(answer: Any, asked: Asked) -> Any:
    found = several(Worker, "those of the workers that have something to tell")(answer, asked)
    those = {id(worker) for worker in asked.arguments[0]}
    strangers = [worker for worker in found if id(worker) not in those]
    require_that(not strangers, f"must return workers that it was asked of, and {shown(strangers[:1])} was not")
    return found


class Executor(ABC):
    """Starts workers and listens to them; gdp hands out the work, replaces workers that are lost, and gathers.

    Registered by `gdp_register_executors`, chosen by `--executor`. Workers end when the process that started them does,
    however that ends.
    """

    _contract: ClassVar[Mapping[str, Rule]] = {
        "workers": a_number(1, "how many workers work at once, 1 or more"),
        "start": a(Worker, "a gdp.Worker"),
        "ready": _of_those_asked,
    }

    def __init__(self, context: ExecutorContext) -> None:
        self.context = context

    @property
    @abstractmethod
    def workers(self) -> int:
        """How many workers work at once, at least 1.

        Raises:
            GdpError: what it works on cannot be reached, or has not as many; the message says how many it has.
        """

    @abstractmethod
    def start(self, work: Work, number: int) -> Worker:
        """Start a worker: in its process `work(number)` is called once, and what it returns does the pieces.

        Args:
            work: pickled on the way.
            number: of the worker, from 0; one that is replaced has the number of the lost.
        """

    @abstractmethod
    def ready(self, workers: Sequence[Worker], seconds: float) -> Sequence[Worker]:
        """Return those workers of which `told` has something, or that are lost; wait up to so many seconds for one."""

    def close(self) -> None:  # noqa: B027 # most hold nothing but their workers
        """Let go of what the executor holds; its workers have ended. By default nothing is to be done."""
