"""Pieces of work are done once, whatever becomes of the workers that do them."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_work import Squares

from gdp.core.errors import MissingResourceError, WorkersError
from gdp.core.progress import Stopped
from gdp.plugins.executors.processes import ProcessesExecutor
from gdp.support.dispatching import ATTEMPTS, Dispatcher
from gdp.support.interfaces.executors import ExecutorContext

pytestmark = pytest.mark.process


class Told:
    """What was told of lost workers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.stop = False

    def dispatcher(self, work: Squares, workers: int = 2, patience: float = 60.0) -> Dispatcher:
        executor = ProcessesExecutor(ExecutorContext(workers))
        return Dispatcher(executor, work, self.lines.append, lambda: self.stop, patience)


@pytest.fixture
def told() -> Iterator[Told]:
    yield Told()
    assert multiprocessing.active_children() == []


class Shown:
    """What was shown of the workers."""

    def __init__(self) -> None:
        self.figures: list[dict[str, float | str]] = []

    def advance(self, amount: int = 1, **status: float | str) -> None:
        self.figures.append(status)


def squares(dispatcher: Dispatcher, pieces: range, shown: Shown | None = None) -> dict[int, int]:
    """Do the pieces, and return the square of each, which must be told once."""
    found: dict[int, int] = {}
    for place, (kind, value) in dispatcher.do(pieces, lambda piece: f"number {piece}", shown):
        if kind == "square":
            assert place not in found
            found[pieces[place]] = value
            dispatcher.settle(place)
    return found


def test_pieces_of_killed_and_hanging_workers_are_done_by_others(told: Told) -> None:
    dispatcher = told.dispatcher(Squares(dies_at=(2, 5), hangs_at=4, dies_behind=6), patience=4.0)
    shown = Shown()
    assert squares(dispatcher, range(8), shown) == {number: number**2 for number in range(8)}
    assert dispatcher.lost == 4
    assert shown.figures[0] == {"workers": "0/2"}
    assert {"workers": "1/2"} in shown.figures
    assert shown.figures[-1]["lost"] == 4
    assert sum("was lost (SIGKILL)" in line for line in told.lines) == 3
    assert any("done with number 6" in line for line in told.lines)  # and is not begun again
    assert any("has said nothing for 4 s" in line and "begins again with number 4" in line for line in told.lines)
    assert squares(dispatcher, range(10, 13)) == {number: number**2 for number in range(10, 13)}  # by the same workers
    dispatcher.close()


def test_workers_do_not_run_the_script_that_started_them(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "script.py"
    script.write_text("raise SystemExit('a script without a guard was run again')")
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__spec__", None)
    monkeypatch.setattr(main, "__file__", str(script), raising=False)
    dispatcher = told.dispatcher(Squares(), workers=1)
    assert squares(dispatcher, range(2)) == {0: 0, 1: 1}
    assert sys.modules["__main__"] is main
    assert told.lines == []
    dispatcher.close()


def test_a_piece_that_ends_every_worker_ends_the_work_with_its_name(told: Told) -> None:
    dispatcher = told.dispatcher(Squares(always_dies_at=1), workers=1)
    with pytest.raises(WorkersError, match=f"number 1 ended {ATTEMPTS} workers; the last one was lost .SIGKILL."):
        squares(dispatcher, range(3))


def test_an_error_of_a_worker_is_raised_as_what_it_is_and_ends_the_others(told: Told) -> None:
    with pytest.raises(MissingResourceError, match="there is no seventh number"):
        squares(told.dispatcher(Squares(fails_at=1)), range(3))
    with pytest.raises(RuntimeError, match="ZeroDivisionError: of the toy"):
        squares(told.dispatcher(Squares(breaks_at=1), workers=1), range(3))


def test_a_stop_ends_the_workers_with_what_they_have_in_hand(told: Told) -> None:
    dispatcher = told.dispatcher(Squares(hangs_at=0), workers=1)
    work = dispatcher.do(range(3), str)
    assert next(work) == (0, ("begun", 0))
    told.stop = True
    with pytest.raises(Stopped):
        next(work)
