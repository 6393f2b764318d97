"""`gdp watch`. Imports no torch: it looks at files alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.cli.common import EXIT_STOPPED, short_path
from gdp.cli.completion import complete_run
from gdp.console import encodable, format_seconds, print_json, print_line
from gdp.console.printing import folded, rich_console
from gdp.core.run_folder import find_run
from gdp.tools.watch import Sight, look, newest_run

if TYPE_CHECKING:
    from gdp.core.run_folder import RunFolder

HANGING = 11
"""Blanks before what a narrow terminal shows of a line on further ones: below what stands there, not its name."""
_LINES_EVERY = 10.0
"""Seconds between two tellings where there is no terminal, as long as the run is at the same stage."""
_SUMS = ("generator", "discriminator", "learning_rate", "images_per_s")
"""Numbers of the training that are shown first; its terms, with a dot in their names, have a line of their own."""


def watch(
    run: Annotated[
        Path | None,
        typer.Argument(
            help="The run folder, or the name of a run in runs/. Default: the one at work there, or the last.",
            show_default=False,
            autocompletion=complete_run,
        ),
    ] = None,
    root: Annotated[Path, typer.Option("--root", help="Folder that holds the run folders.")] = Path("runs"),
    interval: Annotated[float, typer.Option("--interval", min=0.2, help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Look once, and print what is seen as JSON.")] = False,
) -> None:
    """Watch a run from another terminal: stage, step, time left, newest losses and sample grid.

    It ends when the run does, with 0 where that has finished, 3 where it was stopped, and else 1. It only reads.

    Example: gdp watch stylegan-age
    """
    folder = newest_run(root) if run is None else find_run(run)
    sight = look(folder)
    if json_:
        print_json(sight.to_data())
        return
    if once:
        _print(_lines(sight))
        return
    console = rich_console(sys.stdout)
    sight = _follow_in_lines(folder, interval) if console is None else _follow_live(folder, interval)
    codes = {"finished": 0, "stopped": EXIT_STOPPED}
    raise typer.Exit(codes.get(sight.state, 1))


def describe_work(sight: Sight) -> str:
    """Return what a working run is at, in a few words: `train 43 %, 5:12 left`; nothing of one that does not work."""
    if not sight.work:
        return sight.stage
    work = sight.work[-1]
    name = work.name if work.name.startswith(sight.stage) else f"{sight.stage}, {work.name}"
    left = "" if work.seconds_left is None else f", {format_seconds(work.seconds_left)} left"
    return f"{name} {100 * work.share:.0f} %{left}"


def _looks(folder: RunFolder, interval: float) -> Iterator[Sight]:
    """Look at a run until it ends."""
    while True:
        sight = look(folder)
        yield sight
        if sight.state != "running":
            return
        time.sleep(interval)


def _follow_live(folder: RunFolder, interval: float) -> Sight:
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False, transient=False) as live:
        for sight in _looks(folder, interval):
            lines = (folded(line, live.console.width, HANGING) for line in _lines(sight))
            live.update(Text(encodable("\n".join(lines), sys.stdout.encoding)), refresh=True)
    return sight


def _follow_in_lines(folder: RunFolder, interval: float) -> Sight:
    told, moment = None, 0.0
    for sight in _looks(folder, interval):
        place = (sight.state, sight.stage, sight.stages)
        if place != told or time.monotonic() - moment >= _LINES_EVERY:
            told, moment = place, time.monotonic()
            _print([*_lines(sight), ""])
    return sight


def _print(lines: list[str]) -> None:
    for line in lines:
        print_line(line, HANGING)
    sys.stdout.flush()


def _lines(sight: Sight) -> list[str]:
    """Return what is seen of a run, a line each: the shortest words first, long numbers where there is room."""
    lines = [f"{sight.name}: {sight.state}" + (f" at {sight.stage}" if sight.stage else "")]
    lines += [f"  error    {sight.error}"] if sight.error and sight.state == "failed" else []
    lines += [f"  done     {', '.join(sight.stages) or 'nothing yet'} ({format_seconds(sight.seconds)})"]
    for work in sight.work:
        left = "time left unknown" if work.seconds_left is None else f"{format_seconds(work.seconds_left)} left"
        lines.append(f"  {work.name:8} {work.done:,}/{work.total:,} {work.unit} ({100 * work.share:.0f} %), {left}")
    if sight.statistics:
        lines += _figures(sight)
    if sight.samples is not None:
        lines.append(f"  samples  {short_path(sight.samples)}")
    lines += [f"  tracker  {name}: {told}" for name, told in sight.trackers.items()]
    if sight.state == "finished":
        lines.append(f"  report   {short_path(sight.folder / 'report.html')}")
    return lines


def _figures(sight: Sight) -> list[str]:
    """Return two lines of the training's newest numbers: the sums and the pace, and the terms by themselves."""
    numbers = {name: value for name, value in sight.statistics.items() if isinstance(value, int | float)}
    terms = [name for name in numbers if "." in name and not name.endswith("gradient_norm")]
    sums, parts = (
        "  ".join(f"{name} {numbers[name]:.4g}" for name in names if name in numbers) for names in (_SUMS, terms)
    )
    lines = [f"  step     {numbers.get('step', 0):,}: {sums}"]
    return [*lines, f"  terms    {parts}"] if parts else lines
