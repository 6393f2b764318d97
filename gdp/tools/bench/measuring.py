"""The measuring itself: everything that is compared works in turns, so that a busy moment falls on all alike."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy
import torch

from gdp.core.errors import GdpError
from gdp.core.progress import Progress
from gdp.core.run.versions import machine, versions
from gdp.core.run_folder import now
from gdp.support.wording import counted
from gdp.tools.bench.preparing import Prepared, prepare
from gdp.tools.bench.processes import in_a_process_of_its_own
from gdp.tools.bench.request import REPEATS, SLOW_STEPS, Request
from gdp.tools.bench.tasks import Bench, Row, Task
from gdp.tools.bench.worker import OpenPlugins, Worker
from gdp.tools.deploy.pictures import difference

PROTOCOL = (
    "each row in a process of its own; rows of one size and thread count in turns, one picture at a time, after two "
    "unmeasured ones; ratios are medians over the turns in which both were measured; the slow route is extrapolated: "
    "setup + total steps x a measured step + edit and synthesis; memory is the largest resident memory of the process "
    "while it runs, its libraries included"
)


def bench(request: Request, open_plugins: OpenPlugins, progress: Progress) -> Bench:
    """Measure what a user asks for.

    Args:
        request: what to measure.
        open_plugins: makes the registry; it is called in every measuring process.
        progress: where to report.

    Raises:
        GdpError: there is no student, or nothing could be measured.
    """
    repeats = REPEATS if request.repeats is None else request.repeats
    slow_steps = SLOW_STEPS if request.slow_steps is None else request.slow_steps
    request = replace(request, repeats=repeats, slow_steps=slow_steps)
    with tempfile.TemporaryDirectory(prefix="gdp-bench-") as folder:
        progress.message("preparing pictures, and exported files where there are none yet")
        prepared = in_a_process_of_its_own(_prepare, open_plugins, request, Path(folder))
        groups: dict[tuple[int, int | None], list[Task]] = {}
        for task in prepared.tasks:
            groups.setdefault((task.size, task.threads), []).append(task)
        rows: list[Row] = []
        for group in groups.values():
            rows += _measure(group, request, open_plugins, progress)
    for row in rows:
        if row.task.kind == "student" and not row.failure:
            row.facts |= prepared.counts.get(row.task.size, {})
    if all(row.failure for row in rows):
        reasons = [(row.task.name, row.failure) for row in rows] + list(prepared.left_out.items())
        raise GdpError("nothing could be measured: " + "; ".join(f"{name}: {reason}" for name, reason in reasons))
    return Bench({**_about(request), "left_out": prepared.left_out}, rows)


def _prepare(open_plugins: OpenPlugins, request: Request, folder: Path) -> Prepared:
    return prepare(open_plugins(), request, folder)


def _about(request: Request) -> dict[str, Any]:
    return {
        "model": str(request.model),
        "measured_at": now(),
        "machine": machine(request.device, torch.get_num_threads()),
        "versions": versions(),
        "protocol": PROTOCOL,
        "repeats": request.repeats,
        "slow_route_steps_measured": request.slow_steps,
    }


def _measure(tasks: Sequence[Task], request: Request, open_plugins: OpenPlugins, progress: Progress) -> list[Row]:
    """Open the processes one after another, let them work in turns, and close them."""
    rows = [Row(task) for task in tasks]
    workers: dict[int, Worker] = {}
    size, threads = tasks[0].size, tasks[0].threads
    title = f"{size} px" + ("" if threads is None else f", {counted(threads, 'thread')}")
    try:
        for number, row in enumerate(rows):
            progress.message(f"{title}: opening {row.task.name}")
            workers[number] = Worker(open_plugins, row.task)
            _try(row, workers, number, workers[number].opened)
        turns = {number: _turns(rows[number].task, request) for number in workers}
        with progress.task(title, sum(turns.values()), "runs") as task:
            for turn in range(max(turns.values(), default=0)):
                for number in [number for number in workers if turn < turns[number]]:
                    elapsed = _try(rows[number], workers, number, workers[number].turn)
                    if elapsed is not None and not math.isnan(elapsed):
                        rows[number].milliseconds.append(elapsed)
                        rows[number].turns.append(turn)
                    task.advance(1, row=rows[number].task.name)
        for number in list(workers):
            rows[number].facts = _try(rows[number], workers, number, workers[number].conclude) or {}
    finally:
        for worker in workers.values():
            worker.close()
    for row in rows:
        _settle(row)
        _compare(row)
    return rows


def _turns(task: Task, request: Request) -> int:
    """Return how often a row works; a slow route's first turn sets up."""
    assert request.repeats is not None
    assert request.slow_steps is not None
    return request.slow_steps + 1 if task.kind == "slow route" else request.repeats


def _try(row: Row, workers: dict[int, Worker], number: int, work: Any) -> Any:
    """Do something with a process; where it fails, note it in the row and go on without that process."""
    try:
        return work()
    except GdpError as error:
        row.failure = str(error)
        del workers[number]
        return None


def _settle(row: Row) -> None:
    """Take the setup out of a slow route's times."""
    if row.failure or row.task.kind != "slow route":
        return
    first, *steps = row.milliseconds
    row.milliseconds, row.turns = steps, row.turns[1:]
    row.facts["setup_ms"] = max(0.0, first - median(steps))
    row.facts["measured_steps"] = len(steps)


def _compare(row: Row) -> None:
    """Hold what an engine made against what torch makes in float32."""
    made = row.facts.pop("made", None)
    if made is not None and row.task.expected is not None:
        expected = numpy.load(row.task.expected)
        row.facts["difference"] = asdict(difference(made, expected))
