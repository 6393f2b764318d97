"""The files of `gdp apply` divided among the workers of an executor, and what they tell put together again."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gdp.core.progress import Progress, Stopped
from gdp.core.records import Plugins
from gdp.support.devices import device_of_worker
from gdp.support.dispatching import Dispatcher
from gdp.tools.deploy.aligning import AlignedSquares
from gdp.tools.deploy.applying import Applied
from gdp.tools.deploy.depth import Told
from gdp.tools.deploy.files import VIDEOS, Job
from gdp.tools.deploy.translating import Translation
from gdp.tools.deploy.ways import OpenedWay, Way

FILES = 16
"""Pictures of a piece of work at most; a video is one by itself."""


@dataclass(frozen=True)
class _Part:
    """What came of the files of a piece."""

    applied: Applied
    seen: list[Told]
    counts: list[int]
    all_counts: list[int]
    """With those of the frames of videos."""
    unseen: str


@dataclass(frozen=True)
class ApplyWork:
    """Opens a worker that translates files.

    Attributes:
        discover: finds the plugins.
        way: how the files are translated.
        folder: in which relative paths begin.
    """

    discover: Callable[[], Plugins]
    way: Way
    folder: Path

    def __call__(self, number: int) -> Callable[[list[Job], int], Iterator[int | _Part]]:
        """Open student and aligner; what is returned tells of each file or frame that is done, and then of all."""
        os.chdir(self.folder)
        way = replace(self.way, device=device_of_worker(self.way.device, number))
        plugins = self.discover()
        opened = way.open(plugins)

        def translate(jobs: list[Job], attempt: int) -> Iterator[int | _Part]:
            nonlocal opened
            done = yield from _told_meanwhile(lambda progress: opened.translate(jobs, progress))
            everything = list(done.aligned.counts) if done.aligned is not None else []
            yield _Part(done.applied, done.seen, done.counts, everything, done.watch.unseen)
            opened = _afresh(opened)

        return translate


def _afresh(opened: OpenedWay) -> OpenedWay:
    """Forget what was seen: the next piece tells of its own files alone."""
    opened.watch.found.clear()
    if isinstance(opened.transform, AlignedSquares):
        opened.transform.counts.clear()
    return opened


@dataclass
class _ToldProgress:
    """Puts what is told into a queue."""

    told: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    unit: str = ""

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[_ToldProgress]:
        self.unit = unit
        yield self

    def advance(self, amount: int = 1, **status: float | str) -> None:
        self.told.put(amount if self.unit == "picture" else 0)

    def message(self, text: str) -> None:
        """Tell nobody: what is told of many files is told once, in the end."""


def _told_meanwhile(work: Callable[[Progress], Translation]) -> Generator[int, None, Translation]:
    """Do a work in a thread, and yield how many pictures are done as they are; return what it returns.

    For a video 0 is yielded from time to time, which says that it goes on.
    """
    progress = _ToldProgress()
    outcome: list[Translation | BaseException] = []

    def do() -> None:
        try:
            outcome.append(work(progress))
        except BaseException as error:  # noqa: BLE001 # raised below, in the thread that asked
            outcome.append(error)
        progress.told.put(None)

    thread = threading.Thread(target=do, name="translate")
    thread.start()
    while (amount := progress.told.get()) is not None:
        yield amount
    thread.join()
    [result] = outcome
    if isinstance(result, BaseException):
        raise result
    return result


def translate_by_workers(
    jobs: Sequence[Job], opened: OpenedWay, dispatcher: Dispatcher, progress: Progress
) -> Translation:
    """Translate files as `OpenedWay.translate` does, by workers whose work is `ApplyWork`.

    A file that a lost worker had in hand is translated again; where a stop was asked for, what is done is told.

    Args:
        jobs: the files.
        opened: the way; what was seen is gathered in it.
        dispatcher: of the workers.
        progress: reports one unit a file.
    """
    pieces = _pieces(jobs, dispatcher.executor.workers)
    parts: dict[int, _Part] = {}
    done = [0] * len(pieces)
    with progress.task("translate", len(jobs), "pictures") as task:

        def tell(place: int, amount: int) -> None:
            task.advance(max(0, amount - done[place]), **dispatcher.status())
            done[place] = max(done[place], amount)

        try:
            so_far = [0] * len(pieces)
            for place, told in dispatcher.do(pieces, _named, task):
                if isinstance(told, _Part):
                    parts[place] = told
                    tell(place, len(pieces[place]))
                else:
                    so_far[place] = min(so_far[place] + told, len(pieces[place]))
                    tell(place, so_far[place])
        except Stopped:
            pass
    return _together(opened, [parts[place] for place in sorted(parts)])


def _pieces(jobs: Sequence[Job], workers: int) -> list[list[Job]]:
    """Divide files into pieces, in their order, each video by itself."""
    most = max(1, min(FILES, -(-len(jobs) // (4 * workers))))
    pieces: list[list[Job]] = []
    for job in jobs:
        is_video = job.source.suffix.lower() in VIDEOS
        if not pieces or is_video or len(pieces[-1]) >= most or pieces[-1][0].source.suffix.lower() in VIDEOS:
            pieces.append([])
        pieces[-1].append(job)
    return pieces


def _named(piece: list[Job]) -> str:
    first, *more = piece
    return f"{first.source} and {len(more)} more files" if more else str(first.source)


def _together(opened: OpenedWay, parts: Sequence[_Part]) -> Translation:
    """Put what the workers told together, in the order of the files."""
    whole = Applied()
    seen: list[Told] = []
    counts: list[int] = []
    aligned = opened.transform if isinstance(opened.transform, AlignedSquares) else None
    for part in parts:
        whole.written += part.applied.written
        whole.failed += part.applied.failed
        whole.translated += part.applied.translated
        whole.notes |= part.applied.notes
        seen += part.seen
        counts += part.counts
        opened.watch.unseen = opened.watch.unseen or part.unseen
        if aligned is not None:
            aligned.counts += part.all_counts
    return Translation(whole, seen, opened.watch, aligned, counts)
