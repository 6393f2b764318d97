"""Translate files: read ahead, translate in batches of one size, write behind.

What is in memory at once is bounded in pixels: `READ_AHEAD_PIXELS` that were read, `BATCH_PIXELS` that are translated
and as many that are written, each of which one picture may exceed by itself.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy

from gdp.core.errors import CorruptFileError, DiskFullError, GdpError, MissingResourceError, ShapeError
from gdp.core.progress import Progress
from gdp.support.interfaces.engines import PictureArray
from gdp.support.picture_files import PictureFile, picture_pixels, read_picture
from gdp.support.squares import Levels
from gdp.tools.deploy.files import OPAQUE, VIDEOS, Job, save_picture, under_alpha
from gdp.tools.deploy.models import Model
from gdp.tools.deploy.tiling import BATCH_PIXELS, Tiling, pictures_together

READ_AHEAD, READ_AHEAD_PIXELS = 16, 32 * 2**20
"""Picture files, and pixels in them, that are read while others are translated."""
THREADS = 4
"""That read and write files."""

Transform = Callable[[PictureArray], PictureArray]
"""What is done to pictures of one size, (N, H, W, 3) -> (N, H, W, 3)."""
Frames = Iterable[tuple[PictureArray, Sequence[float]]]
"""All frames of a video, some at a time: (N, H, W, 3), and the N seconds when each is shown."""


@dataclass(frozen=True)
class Application:
    """How pictures are translated."""

    transform: Transform
    compare: bool = False
    """Whether the original stands at the left of what is written."""
    batch: int = 8
    """Pictures of one size that go through the network together, fewer where they are large: see `BATCH_PIXELS`."""
    follow: Callable[[Frames], Transform] | None = None
    """Looks at a whole video first, and returns what is done to its frames, which it is given in the same order then;
    None where each is translated by itself."""


@dataclass(frozen=True)
class Failed:
    """A file of which nothing was written."""

    path: Path
    """Of the input."""
    what: Literal["read", "translated", "written"]
    """What could not be done."""
    reason: str


@dataclass
class Applied:
    """What came of it."""

    written: list[Path] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    """The others are written all the same."""
    translated: list[Path] = field(default_factory=list)
    """Of all pictures that were translated the files to write, in the order in which they were."""
    notes: dict[Path, list[str]] = field(default_factory=dict)
    """What is to be told of files that were written, each a sentence without its full stop."""

    def to_data(self) -> dict[str, Any]:
        """Return what was written, what failed and what is told as plain data for JSON."""
        failed = [{"file": str(failed.path), "reason": failed.reason} for failed in self.failed]
        notes = {str(path): told for path, told in self.notes.items()}
        return {"written": [str(path) for path in self.written], "failed": failed, "notes": notes}


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
    """Translate picture files; one that fails is told at the end and keeps no other from being written.

    Args:
        jobs: the files.
        application: what is done to them.
        progress: reports one unit a file.
        stop_requested: True ends the work after the files in hand.

    Raises:
        DiskFullError: there is no space left for the files.
    """
    applied = Applied()
    with ThreadPoolExecutor(THREADS) as threads, progress.task("translate", len(jobs), "picture") as task:
        behind: list[tuple[Job, Future[None]]] = []
        for batch in _batches(_loaded(jobs, threads, applied), application.batch):
            if stop_requested():
                break
            made = _translated(batch, application.transform, applied)
            _settle(behind, applied)  # written while this batch was translated
            behind = [(one.job, threads.submit(_write, one, application.compare)) for one in made]
            task.advance(len(batch))
        _settle(behind, applied)
    return applied


_Read = tuple[Job, PictureFile]


@dataclass(frozen=True)
class _Made:
    job: Job
    picture: PictureFile
    levels: Levels


def _translated(batch: Sequence[_Read], transform: Transform, applied: Applied) -> list[_Made]:
    """Translate a batch; where that fails, each picture by itself, so that one keeps no other from being translated."""
    try:
        made = transform(numpy.stack([picture.on_white() for _, picture in batch]))
    except GdpError as error:
        if len(batch) > 1:
            return [done for one in batch for done in _translated([one], transform, applied)]
        source = batch[0][0].source
        told = str(error)
        applied.failed.append(
            Failed(source, "translated", told if told.startswith(str(source)) else f"{source}: {told}")
        )
        return []
    applied.translated += [job.target for job, _ in batch]
    return [_Made(job, picture, levels) for (job, picture), levels in zip(batch, made, strict=True)]


def _write(made: _Made, compare: bool) -> None:
    """Write a translated picture under the alpha of its original, or beside what was seen of that."""
    job, picture, levels = made.job, made.picture, made.levels
    if compare:
        shown = numpy.concatenate([picture.on_white(), levels], axis=1)
        save_picture(PictureFile(picture.path, shown, None, picture.colour_profile), shown, job.target)
    else:
        opaque = job.target.suffix.lower() in OPAQUE
        save_picture(picture, levels if opaque else under_alpha(picture, levels), job.target)


def _settle(behind: Sequence[tuple[Job, Future[None]]], applied: Applied) -> None:
    """Wait until files are written."""
    for job, future in behind:
        try:
            future.result()
            applied.written.append(job.target)
        except DiskFullError:
            raise
        except GdpError as error:
            applied.failed.append(Failed(job.source, "written", str(error)))


def _loaded(jobs: Sequence[Job], threads: ThreadPoolExecutor, applied: Applied) -> Iterator[_Read]:
    """Yield pictures in the order of their files, reading the next ones meanwhile."""
    rest = deque(jobs)
    waiting: deque[tuple[Job, int, Future[PictureFile]]] = deque()
    ahead = 0
    while rest or waiting:
        while rest and len(waiting) < READ_AHEAD:
            pixels = picture_pixels(rest[0].source)
            if waiting and ahead + pixels > READ_AHEAD_PIXELS:
                break
            job, ahead = rest.popleft(), ahead + pixels
            waiting.append((job, pixels, threads.submit(read_picture, job.source)))
        job, pixels, future = waiting.popleft()
        ahead -= pixels
        try:
            yield job, future.result()
        except (CorruptFileError, MissingResourceError) as error:
            applied.failed.append(Failed(job.source, "read", str(error)))


def _batches(pictures: Iterator[_Read], most: int) -> Iterator[list[_Read]]:
    """Yield pictures of one size together, `most` at most; those that wait for others of their size come at the end."""
    by_size: dict[tuple[int, ...], list[_Read]] = defaultdict(list)
    waiting = pixels = 0
    for job, picture in pictures:
        shape = picture.levels.shape
        group = by_size[shape]
        group.append((job, picture))
        waiting, pixels = waiting + 1, pixels + shape[0] * shape[1]
        if len(group) < pictures_together(most, *shape[:2]):
            if waiting < READ_AHEAD and pixels < BATCH_PIXELS:
                continue
            # So many sizes that waiting for more of one would fill the memory.
            shape = max(by_size, key=lambda shape: len(by_size[shape]))
        group = by_size.pop(shape)
        waiting, pixels = waiting - len(group), pixels - len(group) * shape[0] * shape[1]
        yield group
    yield from by_size.values()


def split_jobs(jobs: Sequence[Job]) -> tuple[list[Job], list[Job]]:
    """Return the picture files and the videos."""
    videos = [job for job in jobs if job.source.suffix.lower() in VIDEOS]
    return [job for job in jobs if job not in videos], videos


def require_all(applied: Applied) -> None:
    """Tell of the files of which nothing was written.

    Raises:
        GdpError: there are some.
    """
    if applied.failed:
        what = " or ".join(dict.fromkeys(failed.what for failed in applied.failed))
        told = "; ".join(failed.reason for failed in applied.failed[:5])
        more = f"; and {len(applied.failed) - 5} more" if len(applied.failed) > 5 else ""
        raise GdpError(f"{len(applied.failed)} of the inputs could not be {what}, the others are written: {told}{more}")
