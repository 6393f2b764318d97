"""Progress on a terminal and in plain lines: figures are shown whole, and no time is told of what has not begun."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from gdp.console import progress
from gdp.console.progress import PlainProgress, TerminalProgress


def last_line(screen: io.StringIO) -> str:
    """Return the last line that a terminal shows."""
    return re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", screen.getvalue()).replace("\r", "\n").strip().splitlines()[-1]


def test_all_of_a_narrow_terminals_line_can_be_read() -> None:
    screen = io.StringIO()
    shown = TerminalProgress(Console(file=screen, width=80, force_terminal=True, color_system=None))
    with shown.task("filter face-attributes", 10_000, "pair") as task:
        task.advance(10_000, workers="3/4", lost=12)
    last = last_line(screen)
    assert "…" not in last
    assert re.search(r"filter face-attributes .*10000/10000 took 0:00:00 workers 3/4  lost 12", last)


@pytest.mark.parametrize(
    ("total", "done", "width", "ends"),
    [
        (0, 0, 80, r"0/0"),  # nothing to do
        (4, 4, 80, r"4/4"),  # done before
        (4, 0, 80, r"4/4 took 0:00:00"),
        (4, 0, 120, r"4/4 pictures 0:00:00"),
    ],
)
def test_of_work_that_is_done_no_time_is_left(total: int, done: int, width: int, ends: str) -> None:
    screen = io.StringIO()
    shown = TerminalProgress(Console(file=screen, width=width, force_terminal=True, color_system=None))
    with shown.task("translate", total, "pictures", done=done) as task:
        for _ in range(total - done):
            task.advance()
    assert re.search(rf" {ends}$", last_line(screen).rstrip())


def test_of_work_that_is_not_done_the_time_left_is_told() -> None:
    screen = io.StringIO()
    shown = TerminalProgress(Console(file=screen, width=80, force_terminal=True, color_system=None))
    with shown.task("translate", 4, "pictures") as task:
        task.advance()
    assert re.search(r" 1/4 left \S+$", last_line(screen).rstrip())


def test_a_plain_line_tells_time_once_there_is_a_pace_and_keeps_the_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PLAIN_INTERVAL", 0.0)
    with PlainProgress().task("pairs", 200, "pair", done=100) as task:
        task.advance(0, workers="0/2")
        task.advance(50)
    waiting, working = capsys.readouterr().err.splitlines()
    assert waiting == "pairs: 100/200 pair  workers 0/2"
    assert re.fullmatch(r"pairs: 150/200 pair, \d+:\d\d left  workers 0/2", working)
