"""Translate video files: one that fails is told at the end and keeps no other from being written. Imports no av."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

import numpy

from gdp.core.errors import (
    CorruptFileError,
    DiskFullError,
    GdpError,
    MissingResourceError,
)
from gdp.core.files import put_in_place
from gdp.core.memory import MemoryBound
from gdp.core.progress import Progress
from gdp.support.half_written import half_written
from gdp.support.interfaces.engines import PictureArray
from gdp.tools.deploy.applying import Application, Applied, Failed, Transform
from gdp.tools.deploy.files import VIDEO_FORMATS, Job
from gdp.tools.deploy.tiling import pictures_together

if TYPE_CHECKING:
    from av import AudioStream, Packet

    from gdp.tools.deploy.videos.reading import Shown, VideoReader


FRAME_BYTES = 75
"""That a pixel of a frame takes at most from its decoder to its encoder, which keeps those before and behind it; twice
that with its original beside it."""
ENOUGH = 2**30
"""Bytes of frames in work beyond which nothing is faster."""


class _NotTranslated(Exception):
    """The student or the aligner failed at a frame."""


def apply_to_videos(
    jobs: Sequence[Job],
    application: Application,
    progress: Progress,
    applied: Applied,
    stop_requested: Callable[[], bool] = lambda: False,
    memory: MemoryBound | None = None,
) -> None:
    """Translate videos to H.264 with the times, the colours and the sound of their originals.

    Args:
        jobs: the videos, and the files to write: .mp4, .m4v, .mov or .mkv.
        application: what is done to batches of frames.
        progress: reports one unit a frame for each video, and what is to be told of it.
        applied: gets what was written, what failed, and what is to be told of each.
        stop_requested: True ends the work; of the video in hand nothing is written then.
        memory: for the frames in work; a share of what is free where none is given.

    Raises:
        MissingResourceError: the package av is not installed.
        DiskFullError: there is no space left for the files.
    """
    if not jobs:
        return
    try:
        import av  # noqa: F401 # said here, once, and not for each video
    except ModuleNotFoundError as error:
        raise MissingResourceError(
            "videos need the package av, which is not installed. Install it with: pip install 'gdp-distill[video]'"
        ) from error
    for job in jobs:
        if stop_requested():
            return
        try:
            finished = _translate(job, application, progress, applied, stop_requested, memory or MemoryBound())
        except DiskFullError:
            raise
        except (CorruptFileError, MissingResourceError) as error:
            applied.failed.append(Failed(job.source, "read", str(error)))
        except _NotTranslated as error:
            applied.failed.append(Failed(job.source, "translated", f"{job.source}: {error}"))
        except GdpError as error:
            applied.failed.append(Failed(job.source, "written", str(error)))
        else:
            applied.written += [job.target] if finished else []


def _translate(
    job: Job,
    application: Application,
    progress: Progress,
    applied: Applied,
    stop_requested: Callable[[], bool],
    memory: MemoryBound,
) -> bool:
    """Translate one video; return whether it was finished."""
    from gdp.tools.deploy.videos.reading import VideoReader
    from gdp.tools.deploy.videos.writing import VideoWriter

    if not job.source.is_file():
        raise MissingResourceError(f"{job.source}: there is no such video")
    transform = _transform(job, application, progress, stop_requested, memory)
    with VideoReader(job.source) as source, half_written(job.target) as made:
        width, height = source.facts.size
        size = (width * 2 if application.compare else width, height)
        with VideoWriter(made, job.target, source, size) as target:
            with progress.task(f"translate {job.source.name}", source.facts.frames, "frame") as task:
                together = _frames_together(source, application, memory, progress.message)
                for shown in _together(source, together, target.take_sound):
                    if stop_requested():
                        return False
                    with _blamed_on_the_student():
                        pictures = transform(_levels(shown))
                    for each, picture in zip(shown, pictures, strict=True):
                        beside = [each.levels, picture] if application.compare else [picture]
                        target.write(numpy.concatenate(beside, axis=1), each)
                    task.advance(len(shown))
            target.finish()
        put_in_place(made, job.target)
        notes = [*_of_the_file(job, source), *source.facts.notes, *source.notes, *target.notes]
    if notes:
        applied.notes[job.target] = notes
        progress.message(f"{job.source}: {'; '.join(notes)}")
    return True


def _transform(
    job: Job, application: Application, progress: Progress, stop_requested: Callable[[], bool], memory: MemoryBound
) -> Transform:
    """Return what is done to a video's frames, after a look at all of them where that asks for one."""
    from gdp.tools.deploy.videos.reading import VideoReader

    if application.follow is None:
        return application.transform
    with (
        VideoReader(job.source) as source,
        progress.task(f"look at {job.source.name}", source.facts.frames, "frame") as task,
    ):

        def frames() -> Iterator[tuple[PictureArray, list[float]]]:
            for shown in _together(source, _frames_together(source, application, memory), lambda packet: None):
                if stop_requested():
                    return
                yield _levels(shown), [float(each.pts * source.facts.time_base) for each in shown]
                task.advance(len(shown))

        with _blamed_on_the_student():
            return application.follow(frames())


@contextmanager
def _blamed_on_the_student() -> Iterator[None]:
    try:
        yield
    except CorruptFileError:
        raise  # of the video, whose frames are read on the way
    except GdpError as error:
        raise _NotTranslated(str(error)) from error


def _together(source: VideoReader, most: int, on_sound: Callable[[Packet[AudioStream]], None]) -> Iterator[list[Shown]]:
    """Yield frames, `most` together, and at the end what is left."""
    frames = source.frames(on_sound)
    while shown := list(islice(frames, most)):
        yield shown


def _frames_together(
    source: VideoReader, application: Application, memory: MemoryBound, tell: Callable[[str], None] | None = None
) -> int:
    """Return how many frames go through the network at once; where not even one keeps to the memory, that is told."""
    width, height = source.facts.size
    return memory.pictures_together(
        (height, width),
        pictures_together(application.batch, height, width),
        bytes_a_pixel=FRAME_BYTES * (2 if application.compare else 1),
        enough=ENOUGH,
        tell=tell,
        what=f"{source.path}: frames",
    )


def _levels(shown: Sequence[Shown]) -> PictureArray:
    return numpy.stack([each.levels for each in shown])


def _of_the_file(job: Job, source: VideoReader) -> list[str]:
    """Return what is to be told of a video's format and of its other tracks."""
    told = []
    if job.source.suffix.lower() not in VIDEO_FORMATS:
        told.append(f"it is written as {job.target.suffix}")
    if others := source.others():
        tracks = ", ".join(f"{others.count(kind)} of {kind}" for kind in dict.fromkeys(others))
        told.append(f"its other tracks are left out ({tracks})")
    return told
