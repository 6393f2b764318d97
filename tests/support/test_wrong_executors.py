"""Whatever an executor does wrong is told in its name, and nothing is taken for done that was not told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from toy_work import Squares

from gdp.api.workers import open_executor
from gdp.core.errors import GdpError, PluginError
from gdp.registry import PluginRegistry
from gdp.support.dispatching import Dispatcher
from gdp.support.interfaces.executors import Executor, ExecutorContext, Work, Worker
from gdp.tools.crew.request import WorkersRequest

_PLUGIN = """
import sys
import gdp

class Wrong(gdp.Executor):
    {members}

@gdp.hookimpl
def gdp_register_executors(register):
    register("wrong", implementation="wrong_one:Wrong", summary="Wrong in a test")
"""
_SOUND = {
    "workers": "workers = 1",
    "start": "def start(self, work, number): return Silent()",
    "ready": "def ready(self, workers, seconds): return []",
}


class Here(Worker):
    """Works in this very process; `words` is what becomes of what it tells."""

    def __init__(self, work: Work, number: int) -> None:
        self.doing = work(number)
        self.told_next: Iterator[Any] = iter(())

    def words(self, told: list[Any]) -> list[Any]:
        return told

    def begin(self, piece: Any, attempt: int) -> None:
        self.told_next = iter(self.words(list(self.doing(piece, attempt))))

    def told(self) -> Any:
        return next(self.told_next)

    def end(self) -> None:
        pass


class InThisProcess(Executor):
    """Starts workers of one class, which are no processes."""

    kind: type[Here] = Here

    @property
    def workers(self) -> int:
        return 2

    def start(self, work: Work, number: int) -> Worker:
        return self.kind(work, number)

    def ready(self, workers: Sequence[Worker], seconds: float) -> Sequence[Worker]:
        return workers


class Loses(Here):
    def words(self, told: list[Any]) -> list[Any]:
        return told[:1] + told[2:]


class EndsEarly(Here):
    def words(self, told: list[Any]) -> list[Any]:
        return told[:-2]


class TellsNothing(Here):
    def words(self, told: list[Any]) -> list[Any]:
        return []


class TellsTwice(Here):
    def words(self, told: list[Any]) -> list[Any]:
        return [word for word in told for _ in range(2)]


class TurnsRound(Here):
    def words(self, told: list[Any]) -> list[Any]:
        return told[::-1]


class TellsOfBefore(Here):
    kept: list[Any] | None = None

    def words(self, told: list[Any]) -> list[Any]:
        before, self.kept = self.kept, told
        return before or told


class ToldNone(Here):
    def words(self, told: list[Any]) -> list[Any]:
        return [None]


class Exits(Here):
    def told(self) -> Any:
        raise SystemExit(0)


class CannotEnd(Here):
    ended = 0

    def end(self) -> None:
        CannotEnd.ended += 1
        raise OSError("it is gone")


class CannotBegin(Here):
    def begin(self, piece: Any, attempt: int) -> None:
        raise TypeError("this cannot be pickled")


def squares(kind: type[Here]) -> list[int]:
    executor = InThisProcess(ExecutorContext(2))
    executor.kind = kind
    dispatcher = Dispatcher(executor, Squares(), print, lambda: False)
    try:
        return [value for _, (what, value) in dispatcher.do(range(5), str) if what == "square"]
    finally:
        dispatcher.close()


def test_a_sound_one_does_all() -> None:
    assert sorted(squares(Here)) == [0, 1, 4, 9, 16]


@pytest.mark.parametrize("kind", [Loses, TellsTwice, TurnsRound, TellsOfBefore, ToldNone])
def test_words_that_are_lost_repeated_or_mixed_up_are_told(kind: type[Here]) -> None:
    with pytest.raises(PluginError, match="InThisProcess: hands over something else than what a worker told next of "):
        squares(kind)


@pytest.mark.parametrize("kind", [EndsEarly, TellsNothing])
def test_what_was_not_told_is_not_taken_for_done(kind: type[Here]) -> None:
    with pytest.raises(PluginError, match="InThisProcess: takes 0 for done before all of it is told"):
        squares(kind)


@pytest.mark.parametrize(
    ("kind", "what"),
    [(Exits, "SystemExit: 0"), (CannotEnd, "OSError: it is gone"), (CannotBegin, "TypeError: this cannot be pickled")],
)
def test_what_a_worker_raises_is_told_in_the_executors_name(kind: type[Here], what: str) -> None:
    with pytest.raises(PluginError, match=f"InThisProcess: failed with {what}"):
        squares(kind)


def test_all_workers_are_ended_where_ending_one_fails() -> None:
    before = CannotEnd.ended
    with pytest.raises(PluginError):
        squares(CannotEnd)
    assert CannotEnd.ended == before + 2


def opened(folder: Path, **members: str) -> Executor:
    lines = {**_SOUND, **members}
    head = "import gdp\n\nclass Silent(gdp.Worker):\n    begin = told = end = lambda self, *given: None\n"
    (folder / "wrong_one.py").write_text(head + _PLUGIN.format(members="\n    ".join(lines.values())))
    return open_executor(PluginRegistry.discover(folders=[folder]), WorkersRequest("wrong", 1), "cpu")


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ({"workers": "workers = 0"}, "workers must be how many workers work at once, 1 or more, and is int 0"),
        ({"workers": "workers = '2'"}, "workers must be how many workers work at once"),
        ({"workers": "workers = property(lambda self: 1 // 0)"}, "failed with ZeroDivisionError"),
        ({"start": "def start(self, work, number): return None"}, "start must be a gdp.Worker, and is None"),
        ({"start": "def start(self, work, number): sys.exit(0)"}, "failed with SystemExit: 0"),
        ({"ready": "def ready(self, workers, seconds): return None"}, "ready must return those of the workers"),
        ({"ready": "def ready(self, workers, seconds): return [Silent()]"}, "ready must return workers that it was"),
        ({"close": "def close(self): raise RuntimeError('it is shut')"}, "failed with RuntimeError: it is shut"),
    ],
)
def test_what_an_executor_answers_and_raises_is_watched(members: dict[str, str], what: str, tmp_path: Path) -> None:
    executor = opened(tmp_path, **members)
    with pytest.raises(GdpError) as failed:
        number = executor.workers
        worker = executor.start(Squares(), number)
        executor.ready([worker], 0.1)
        executor.close()
    assert f"executor wrong ({tmp_path / 'wrong_one.py'}): {what}" in str(failed.value)
