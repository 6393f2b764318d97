"""Translate files: read ahead, translate, write behind.

What is in memory at once, of pictures that are read, wait, are translated or written, is bounded in bytes; one picture
may exceed the bound by itself, and then nothing else is in memory.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy

from gdp.core.errors import (
    CorruptFileError,
    DiskFullError,
    GdpError,
    MissingResourceError,
    OutOfMemoryError,
    ShapeError,
)
from gdp.core.memory import MemoryBound, readable_memory_errors
from gdp.core.progress import Progress
from gdp.support.interfaces.engines import PictureArray
from gdp.support.picture_files import WORK_BYTES, PictureFile, picture_pixels, read_picture
from gdp.support.squares import Levels
from gdp.tools.deploy.files import OPAQUE, VIDEOS, Job, save_picture, under_alpha
from gdp.tools.deploy.models import Model
from gdp.tools.deploy.tiling import Tiling, pictures_together

MOST_IN_WORK = 32
"""Picture files that are read, translated or written at once."""
ENOUGH = 2**30
"""Bytes of pictures in work beyond which nothing is faster: three photos of 24 megapixels."""
THREADS = 4
"""That read and write files."""
OUT_OF_MEMORY = "Lower --tile or --memory, or close what else takes memory."
ONE_OF_MANY = "of its frames or pages the first is translated; save others as files of their own, or as a video"

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

    def left(self, jobs: Sequence[Job]) -> list[Path]:
        """Return the inputs of which nothing was written because the work was stopped before them."""
        written, failed = set(self.written), {failed.path for failed in self.failed}
        return [job.source for job in jobs if job.target not in written and job.source not in failed]

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
    memory: MemoryBound | None = None,
) -> Applied:
    """Translate picture files; one that fails is told at the end and keeps no other from being written.

    Args:
        jobs: the files.
        application: what is done to them.
        progress: reports one unit a file.
        stop_requested: True ends the work after the files in hand.
        memory: for pictures in work; a share of what is free where none is given. No picture depends on it.

    Raises:
        DiskFullError: there is no space left for the files.
    """
    applied = Applied()
    memory = memory or MemoryBound()
    with ThreadPoolExecutor(THREADS) as threads, progress.task("translate", len(jobs), "pictures") as task:
        work = _Work(jobs, threads, memory, application, applied, progress.message)
        for batch in work.batches():
            if stop_requested():
                break
            work.write(batch, _translated(batch, application, applied))
            task.advance(len(batch))
            batch.clear()  # nobody needs the originals while the next ones are waited for
        work.settle_all()
        if applied.notes:
            first, *more = (path.name for path in applied.notes)
            progress.message(f"{first}{f' and {len(more)} more files' if more else ''}: {ONE_OF_MANY}")
    return applied


@dataclass(frozen=True)
class _Read:
    job: Job
    picture: PictureFile
    bytes: int
    """That it takes while it is in work."""


@dataclass(frozen=True)
class _Made:
    job: Job
    picture: PictureFile
    levels: Levels
    bytes: int


class _Work:
    """What is in memory: files being read, pictures that wait for others of their size, and files being written."""

    def __init__(
        self,
        jobs: Sequence[Job],
        threads: ThreadPoolExecutor,
        memory: MemoryBound,
        application: Application,
        applied: Applied,
        tell: Callable[[str], None],
    ) -> None:
        self._rest, self._threads, self._applied, self._tell = deque(jobs), threads, applied, tell
        self._application, self._memory = application, memory
        self._left = memory.share(enough=ENOUGH)
        self._told = False
        self._reading: deque[tuple[Job, int, Future[PictureFile]]] = deque()
        self._waiting: dict[tuple[int, ...], list[_Read]] = defaultdict(list)
        self._writing: deque[tuple[Job, int, Future[None]]] = deque()

    def batches(self) -> Iterator[list[_Read]]:
        """Yield pictures of one size together; those that wait for others of theirs come when the memory is needed."""
        while self._rest or self._reading or self._waiting:
            self._read_ahead()
            if self._reading:
                full = self._next_picture()
                if full is not None:
                    yield self._waiting.pop(full)
            elif self._rest and self._writing:
                self._settle()  # the memory of what is written is needed for what is read next
            else:
                yield self._waiting.pop(max(self._waiting, key=lambda shape: len(self._waiting[shape])))

    def write(self, batch: Sequence[_Read], made: Sequence[_Made]) -> None:
        """Begin to write what was made of a batch; what was written before is settled as far as it is done."""
        self._left += sum(one.bytes for one in batch) - sum(one.bytes for one in made)
        for one in made:
            future = self._threads.submit(_write, one, self._application.compare)
            self._writing.append((one.job, one.bytes, future))
        while self._writing and self._writing[0][2].done():
            self._settle()

    def settle_all(self) -> None:
        """Wait until all files are written."""
        while self._writing:
            self._settle()

    def _read_ahead(self) -> None:
        """Begin to read files in their order, as long as there is memory; one where nothing else is in work."""
        while self._rest and self._in_work < MOST_IN_WORK:
            shown = 2 if self._application.compare else 1
            takes = picture_pixels(self._rest[0].source) * WORK_BYTES * shown
            if takes > self._left and self._in_work:
                return
            job = self._rest.popleft()
            if not self._told and takes > self._memory.bytes:
                self._told = True
                self._tell(self._memory.excess(f"pictures as large as {job.source}", takes))
            self._left -= takes
            self._reading.append((job, takes, self._threads.submit(read_picture, job.source, self._memory)))

    def _next_picture(self) -> tuple[int, ...] | None:
        """Take over the next file that is read; return its size where enough of that size are there."""
        job, takes, future = self._reading.popleft()
        try:
            picture = future.result()
        except (CorruptFileError, MissingResourceError, OutOfMemoryError) as error:
            self._applied.failed.append(Failed(job.source, "read", str(error)))
            self._left += takes
            return None
        shape = picture.levels.shape
        self._waiting[shape].append(_Read(job, picture, takes))
        enough = pictures_together(self._application.batch, *shape[:2])
        return shape if len(self._waiting[shape]) >= enough else None

    def _settle(self) -> None:
        """Wait until the file is written that was begun first."""
        job, takes, future = self._writing.popleft()
        try:
            future.result()
            self._applied.written.append(job.target)
        except DiskFullError:
            raise
        except GdpError as error:
            self._applied.failed.append(Failed(job.source, "written", str(error)))
        self._left += takes

    @property
    def _in_work(self) -> int:
        return len(self._reading) + sum(map(len, self._waiting.values())) + len(self._writing)


def _translated(batch: Sequence[_Read], application: Application, applied: Applied) -> list[_Made]:
    """Translate a batch; where that fails, each picture by itself, so that one keeps no other from being translated."""
    shown = [one.picture.on_white() for one in batch]
    height, width = shown[0].shape[:2]
    try:
        with readable_memory_errors(f"{batch[0].job.source}: a picture of {width} x {height} px", OUT_OF_MEMORY):
            made = application.transform(shown[0][None] if len(shown) == 1 else numpy.stack(shown))
    except GdpError as error:
        if len(batch) > 1:
            return [done for one in batch for done in _translated([one], application, applied)]
        source = batch[0].job.source
        told = str(error)
        applied.failed.append(
            Failed(source, "translated", told if told.startswith(str(source)) else f"{source}: {told}")
        )
        return []
    applied.translated += [one.job.target for one in batch]
    applied.notes |= {one.job.target: [ONE_OF_MANY] for one in batch if one.picture.animated}
    originals = [one.picture if application.compare else _still_needed(one.picture) for one in batch]
    return [
        _Made(one.job, picture, levels, one.bytes) for one, picture, levels in zip(batch, originals, made, strict=True)
    ]


def _still_needed(picture: PictureFile) -> PictureFile:
    """Return what is to be known of a picture when it is written: of an opaque one not its pixels."""
    return picture if picture.alpha is not None else replace(picture, levels=numpy.empty((0, 0, 3), numpy.uint8))


def _write(made: _Made, compare: bool) -> None:
    """Write a translated picture under the alpha of its original, or beside what was seen of that."""
    job, picture, levels = made.job, made.picture, made.levels
    with readable_memory_errors(f"{job.source}: writing it", OUT_OF_MEMORY):
        if compare:
            shown = numpy.concatenate([picture.on_white(), levels], axis=1)
            save_picture(PictureFile(picture.path, shown, None, picture.colour_profile), shown, job.target)
        else:
            opaque = job.target.suffix.lower() in OPAQUE
            save_picture(picture, levels if opaque else under_alpha(picture, levels), job.target)


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
        others = "the others are written" if applied.written else "nothing is written"
        told = [failed.reason for failed in applied.failed[:5]]
        more = [f"and {len(applied.failed) - 5} more"] if len(applied.failed) > 5 else []
        between = " " if len(told) == 1 else "\n  "
        raise GdpError(
            between.join([f"{len(applied.failed)} of the inputs could not be {what}, {others}:", *told, *more])
        )
