"""Translate files: read ahead, translate in batches of one size, write behind."""

from __future__ import annotations

import queue
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy

from gdp.core.errors import CorruptFileError, GdpError, MissingResourceError, ShapeError
from gdp.core.interfaces.engines import PictureArray
from gdp.core.progress import Progress
from gdp.tools.deploy.files import VIDEOS, Job, LoadedPicture, load_picture, save_picture
from gdp.tools.deploy.models import Model
from gdp.tools.deploy.tiling import Tiling

READ_AHEAD = 16
"""Picture files that are read while others are translated."""

Transform = Callable[[PictureArray], PictureArray]
"""What is done to pictures of one size, (N, H, W, 3) -> (N, H, W, 3)."""


@dataclass(frozen=True)
class Application:
    """How pictures are translated."""

    transform: Transform
    compare: bool = False
    """Whether the original stands at the left of what is written."""
    batch: int = 8
    """Pictures of one size that go through the network together."""


@dataclass
class Applied:
    """What came of it."""

    written: list[Path] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    """Files that could not be read, with the reason; the others are written all the same."""


def whole_pictures(model: Model, tiling: Tiling) -> Transform:
    """Return the plain way: each picture goes through the student as it is.

    Raises:
        ShapeError: the student takes two pictures at once, which no list of files can give it.
    """
    if model.input_channels != 3:
        raise ShapeError(
            f"this student mixes {model.input_channels // 3} pictures into one; call it from Python: "
            f"gdp.deploy(RUN)(pictures)"
        )
    return lambda pictures: model(pictures, tiling)


def apply_to_pictures(
    jobs: Sequence[Job],
    application: Application,
    progress: Progress,
    stop_requested: Callable[[], bool] = lambda: False,
) -> Applied:
    """Translate picture files; one that cannot be read is told at the end and keeps no other from being written.

    Args:
        jobs: the files.
        application: what is done to them.
        progress: reports one unit a file.
        stop_requested: True ends the work after the files in hand.

    Raises:
        DiskFullError, RunFolderError: a file cannot be written.
    """
    applied = Applied()
    with ThreadPoolExecutor(4) as threads, progress.task("translate", len(jobs), "picture") as task:
        writing: list[Future[None]] = []
        for batch in _batches(_loaded(jobs, threads, applied), application.batch):
            if stop_requested():
                break
            made = application.transform(numpy.stack([picture.levels for _, picture in batch]))
            for (job, picture), levels in zip(batch, made, strict=True):
                shown = numpy.concatenate([picture.levels, levels], axis=1) if application.compare else levels
                original = LoadedPicture(picture.path, picture.levels, None, picture.colour_profile)
                kept = original if application.compare else picture
                writing.append(threads.submit(save_picture, kept, shown, job.target))
                applied.written.append(job.target)
            task.advance(len(batch))
            for future in writing:
                future.result()
            writing.clear()
    return applied


def _loaded(jobs: Sequence[Job], threads: ThreadPoolExecutor, applied: Applied) -> Iterator[tuple[Job, LoadedPicture]]:
    rest = iter(jobs)
    waiting: queue.SimpleQueue[tuple[Job, Future[LoadedPicture]]] = queue.SimpleQueue()
    for job in islice(rest, READ_AHEAD):
        waiting.put((job, threads.submit(load_picture, job.source)))
    while not waiting.empty():
        job, future = waiting.get()
        following = next(rest, None)
        if following is not None:
            waiting.put((following, threads.submit(load_picture, following.source)))
        try:
            yield job, future.result()
        except (CorruptFileError, MissingResourceError) as error:
            applied.failed.append((job.source, str(error)))


def _batches(pictures: Iterator[tuple[Job, LoadedPicture]], size: int) -> Iterator[list[tuple[Job, LoadedPicture]]]:
    """Yield pictures of one size together, `size` at most; those that wait for others of their size come at the end."""
    by_size: dict[tuple[int, ...], list[tuple[Job, LoadedPicture]]] = defaultdict(list)
    waiting = 0
    for job, picture in pictures:
        group = by_size[picture.levels.shape]
        group.append((job, picture))
        waiting += 1
        if len(group) == size:
            waiting -= size
            yield by_size.pop(picture.levels.shape)
        elif waiting >= READ_AHEAD:  # so many sizes that waiting for more of one would fill the memory
            largest = max(by_size, key=lambda shape: len(by_size[shape]))
            waiting -= len(by_size[largest])
            yield by_size.pop(largest)
    yield from by_size.values()


def split_jobs(jobs: Sequence[Job]) -> tuple[list[Job], list[Job]]:
    """Return the picture files and the videos."""
    videos = [job for job in jobs if job.source.suffix.lower() in VIDEOS]
    return [job for job in jobs if job not in videos], videos


def require_readable(applied: Applied) -> None:
    """Tell of the files that could not be read.

    Raises:
        GdpError: there are some.
    """
    if applied.failed:
        told = "; ".join(reason for _, reason in applied.failed[:5])
        more = f"; and {len(applied.failed) - 5} more" if len(applied.failed) > 5 else ""
        raise GdpError(f"{len(applied.failed)} of the inputs could not be read, the others are written: {told}{more}")
