"""What executors promise: workers that do their pieces at once and in order, and whose end is told or brought about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from gdp.support.interfaces.executors import Executor, ExecutorContext, Worker, WorkerLostError
from gdp.testing.findings import DoesNotApplyError, fail, require
from gdp.testing.subject import PlainSubject
from gdp.testing.tiny_work import BEGUN, TinyWork

_SHARE = 1 / 6
"""Of the kit's patience that something may take that needs no worker to be started."""
_LARGE = 5_000_000
"""Bytes, more than a pipe holds: pairs on their way to a filter are as many."""
_BACKLOG = 300
"""Words that wait, of a worker that tells faster than it is heard."""
_SILENCE = 1.0
"""Seconds without a sign of life after which a process has ended."""
_PROGRAM = """
import json, sys, time
from pathlib import Path
from gdp.registry import PluginRegistry
from gdp.support.interfaces.executors import ExecutorContext
from gdp.testing.tiny_work import TinyWork
if __name__ == "__main__":
    name, folders, place = json.loads(sys.argv[1])
    registry = PluginRegistry.discover(folders=[Path(folder) for folder in folders])
    executor = registry.load(registry.get("executor", name))(ExecutorContext(1))
    worker = executor.start(TinyWork(), 0)
    worker.begin(("live", place), 1)
    while not executor.ready([worker], 1.0):
        pass
    print(worker.told(), flush=True)
    time.sleep(600)
"""


@contextmanager
def _opened(subject: PlainSubject, workers: int) -> Iterator[tuple[Executor, Callable[..., Worker]]]:
    """Build the executor, and return it with what starts a worker of it; all that were started are ended."""
    started: list[Worker] = []
    with closing(subject.implementation(ExecutorContext(workers))) as executor:

        def start(number: int = 0) -> Worker:
            started.append(executor.start(TinyWork(), number))
            return started[-1]

        try:
            yield executor, start
        finally:
            for worker in started:
                worker.end()


def _hear(subject: PlainSubject, executor: Executor, workers: list[Worker], share: float = 1.0) -> Worker:
    """Wait for a worker that has something to tell."""
    patience = subject.patience * share
    latest = time.monotonic() + patience
    while time.monotonic() < latest:
        for worker in executor.ready(workers, 0.2):
            if any(worker is each for each in workers):
                return worker
            fail("ready returned a worker that it was not asked of", "return those of `workers` that have told")
    fail(f"nothing was told for {patience:g} s", "ready returns whoever has something to tell, among all that it gets")


def _done(subject: PlainSubject, executor: Executor, worker: Worker, piece: tuple[str, Any], attempt: int = 1) -> Any:
    """Let a worker do a piece, and return all that it tells."""
    worker.begin(piece, attempt)
    said = []
    while True:
        _hear(subject, executor, [worker])
        try:
            said.append(worker.told())
        except StopIteration:
            return said


def as_many_work_as_are_asked_for(subject: PlainSubject) -> None:
    """`workers` is the number in the context, and without one at least 1."""
    for asked in (2, None):
        with closing(subject.implementation(ExecutorContext(asked))) as executor:
            found = executor.workers
            fits = isinstance(found, int) and (found == asked if asked else found >= 1)
            require(fits, f"with ExecutorContext(workers={asked}) workers is {found!r}",
                    "return context.workers, or how many there is room for")  # fmt: skip


def a_worker_is_opened_once_and_tells_all_in_order(subject: PlainSubject) -> None:
    """A worker opens its work once, with its number, and tells of each piece what is told, in order, however large."""
    with _opened(subject, 2) as (executor, start):
        worker = start(1)
        [(number, attempt, name)] = _done(subject, executor, worker, ("who", None), attempt=3)
        require((number, attempt) == (1, 3), f"worker 1 was opened as {number}, and attempt 3 told as {attempt}",
                "call work(number) once, and what it returns with (piece, attempt)")  # fmt: skip
        counted = _done(subject, executor, worker, ("count", 50))
        require(counted == list(range(50)), f"of the numbers 0 to 49 came {counted}",
                "tell all, once, in order, and raise StopIteration behind the last")  # fmt: skip
        large = bytes(range(250)) * (_LARGE // 250)
        require(_done(subject, executor, worker, ("echo", large)) == [large], "a large piece came back otherwise",
                "send pieces and what is told whole")  # fmt: skip
        [(_, _, again)] = _done(subject, executor, worker, ("who", None))
        require(again == name, "the work was opened again for another piece",
                "call work(number) when the process starts: it loads networks")  # fmt: skip


def workers_work_at_once(subject: PlainSubject) -> None:
    """While one worker is busy others do their pieces, and their words are heard."""
    with _opened(subject, 2) as (executor, start), tempfile.TemporaryDirectory() as folder:
        busy, other = start(0), start(1)
        _done(subject, executor, other, ("count", 1))
        _live(subject, executor, busy, Path(folder))
        other.begin(("count", 1), 1)
        heard = _hear(subject, executor, [busy, other], _SHARE)
        require(heard is other, "a worker that has nothing to tell was returned by ready",
                "return only those of which `told` does not wait")  # fmt: skip


def words_wait_until_they_are_heard(subject: PlainSubject) -> None:
    """What two workers tell while nobody listens is all there afterwards, each worker's in order."""
    with _opened(subject, 2) as (executor, start):
        workers = [start(number) for number in range(2)]
        for worker in workers:
            worker.begin(("count", _BACKLOG), 1)
        _hear(subject, executor, workers)
        time.sleep(_SILENCE)
        said: dict[int, list[Any]] = {id(worker): [] for worker in workers}
        busy = list(workers)
        while busy:
            worker = _hear(subject, executor, busy)
            try:
                said[id(worker)].append(worker.told())
            except StopIteration:
                busy.remove(worker)
        for number, told in enumerate(said.values()):
            lost = sorted(set(range(_BACKLOG)) - set(told))
            require(told == list(range(_BACKLOG)),
                    f"of {_BACKLOG} words that worker {number} told while nobody listened "
                    + (f"{len(lost)} were lost, number {lost[0]} first" if lost else "some came twice or in disorder"),
                    "keep what is told until it is asked for, or let the worker wait")  # fmt: skip


def waiting_for_a_word_ends(subject: PlainSubject) -> None:
    """`ready` returns nothing when nobody tells anything for so many seconds: a stop is looked for meanwhile."""
    with _opened(subject, 1) as (executor, start), tempfile.TemporaryDirectory() as folder:
        worker = start()
        _live(subject, executor, worker, Path(folder))
        began = time.monotonic()
        found = executor.ready([worker], 0.2)
        waited = time.monotonic() - began
        require(not found, "a worker that has nothing to tell was returned by ready", "return those that have told")
        require(waited < subject.patience * _SHARE, f"ready([worker], 0.2) took {waited:.1f} s",
                "hand `seconds` to what waits")  # fmt: skip


def the_end_of_a_worker_is_told(subject: PlainSubject) -> None:
    """Of a worker whose process ends `told` or `begin` raises `WorkerLostError`, which says how; another can start."""
    with _opened(subject, 1) as (executor, start):
        worker = start()
        worker.begin(("end", None), 1)
        said: list[Any] = []
        try:
            while len(said) < 3:
                _hear(subject, executor, [worker])
                said.append(worker.told())
        except WorkerLostError as lost:
            require(bool(str(lost).strip()), "WorkerLostError says nothing", "say by which signal or exit code")
        except StopIteration:
            fail("a worker that has ended was told to be done", "raise gdp.WorkerLostError unless the piece is done")
        else:
            fail(f"a worker that has ended told {said}", "raise gdp.WorkerLostError")
        worker.end()
        _done(subject, executor, start(), ("count", 1))


def a_busy_worker_can_be_ended(subject: PlainSubject) -> None:
    """`end` ends the process of a worker that is busy or hangs."""
    with _opened(subject, 1) as (executor, start), tempfile.TemporaryDirectory() as folder:
        worker = start()
        signs = _live(subject, executor, worker, Path(folder))
        worker.end()
        _require_silence(subject, signs, "end() was called, and the worker went on", "kill its process")


def workers_end_with_who_started_them(subject: PlainSubject) -> None:
    """When the process that started them is killed workers end too, and hold no GPU any longer."""
    place = Path(subject.row.package)
    folders = [str(place.parent)] if subject.row.package == subject.row.entry_point else []
    with tempfile.TemporaryDirectory() as folder:
        signs = Path(folder) / "signs"
        command = [sys.executable, "-c", _PROGRAM, json.dumps([subject.name, folders, str(signs)])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603 # our own program
            assert process.stdout is not None
            word = process.stdout.readline().strip()
            process.kill()
        require(word == BEGUN, f"in a process of its own a worker told {word!r}", "see what stands above")
        _require_signs(signs)
        _require_silence(subject, signs, "its process was killed, and the worker went on",
                         "let workers watch a pipe, or whatever ends with who started them")  # fmt: skip


def _live(subject: PlainSubject, executor: Executor, worker: Worker, folder: Path) -> Path:
    """Let a worker be busy; return the file that gets its signs of life."""
    signs = folder / "signs"
    worker.begin(("live", str(signs)), 1)
    _hear(subject, executor, [worker])
    said = worker.told()
    require(said == BEGUN, f"a worker that has begun told {said!r}", "tell what the work tells")
    return signs


def _require_signs(signs: Path) -> None:
    if not signs.is_file():
        raise DoesNotApplyError("its workers are on other machines, where the kit cannot look")


def _require_silence(subject: PlainSubject, signs: Path, what: str, mend: str) -> None:
    _require_signs(signs)
    latest = time.monotonic() + max(2 * _SILENCE, subject.patience * _SHARE)
    size, since = -1, time.monotonic()
    while time.monotonic() - since < _SILENCE:
        if (now := signs.stat().st_size) != size:
            size, since = now, time.monotonic()
        require(time.monotonic() < latest, what, mend)
        time.sleep(0.05)


PROPERTIES = (
    as_many_work_as_are_asked_for,
    a_worker_is_opened_once_and_tells_all_in_order,
    workers_work_at_once,
    words_wait_until_they_are_heard,
    waiting_for_a_word_ends,
    the_end_of_a_worker_is_told,
    a_busy_worker_can_be_ended,
    workers_end_with_who_started_them,
)
