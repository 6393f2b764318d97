"""Translate a whole video, frame by frame; the sound is copied."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

from gdp.core.errors import CorruptFileError, GdpError, MissingResourceError, readable_os_errors
from gdp.core.progress import Progress
from gdp.tools.deploy.applying import Application
from gdp.tools.deploy.files import Job
from gdp.tools.deploy.tiling import pictures_together

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

CODEC = "libx264"
QUALITY = "16"
"""x264's constant rate factor: visually without loss."""


def apply_to_video(
    job: Job, application: Application, progress: Progress, stop_requested: Callable[[], bool] = lambda: False
) -> bool:
    """Translate a video to H.264 with the frame rate, the time stamps and the sound of its original.

    Odd heights and widths lose a row or a column, for the codec takes none.

    Args:
        job: the video, and the file to write (.mp4, .mov or .mkv).
        application: what is done to batches of frames.
        progress: reports one unit a frame.
        stop_requested: True ends the work; nothing is written then.

    Returns:
        Whether it was finished.

    Raises:
        MissingResourceError: the package av is not installed, or there is no such file.
        CorruptFileError: it is no video, or is damaged.
        GdpError: it cannot be written in this format.
    """
    try:
        import av
    except ModuleNotFoundError as error:
        raise MissingResourceError(
            "videos need the package av, which is not installed. Install it with: pip install 'gdp-distill[video]'"
        ) from error
    if not job.source.is_file():
        raise MissingResourceError(f"{job.source}: there is no such video")
    with readable_os_errors(job.target):
        job.target.parent.mkdir(parents=True, exist_ok=True)
        # Written beside its place and moved there when it is whole: a killed call leaves no half video.
        with tempfile.TemporaryDirectory(dir=job.target.parent, prefix=".video-") as folder:
            made = Path(folder) / job.target.name
            try:
                with av.open(str(job.source)) as source, av.open(str(made), "w") as target:
                    finished = _translate(source, target, job, application, progress, stop_requested)
            except av.error.FFmpegError as error:
                raise CorruptFileError(f"{job.source}: this video cannot be read or written ({error})") from error
            except ValueError as error:
                raise GdpError(f"{job.target}: a video cannot be written so ({error}); name an .mp4 file") from error
            if finished:
                made.replace(job.target)
    return finished


def _translate(
    source: InputContainer,
    target: OutputContainer,
    job: Job,
    application: Application,
    progress: Progress,
    stop_requested: Callable[[], bool],
) -> bool:
    if not source.streams.video:
        raise CorruptFileError(f"{job.source}: there is no picture track in this file")
    pictures = source.streams.video[0]
    rate = pictures.average_rate or Fraction(25)
    output: Any = target.add_stream(CODEC, rate=rate, options={"crf": QUALITY})
    output.pix_fmt = "yuv420p"
    # Told before anything is written: the first packet of sound opens the codec of the pictures, too.
    output.height = pictures.height // 2 * 2
    output.width = pictures.width * (2 if application.compare else 1) // 2 * 2
    sounds = {sound: target.add_stream_from_template(sound) for sound in source.streams.audio}
    frames = pictures.frames or round(float((source.duration or 0) / 1_000_000 * rate))
    with progress.task(f"translate {job.source.name}", max(frames, 1), "frame") as task:
        together = pictures_together(application.batch, pictures.height, pictures.width)
        for batch in _packets(source, pictures, sounds, target, together):
            if stop_requested():
                return False
            _encode(batch, output, target, application)
            task.advance(len(batch))
    for packet in output.encode():
        target.mux(packet)
    return True


def _packets(
    source: InputContainer, pictures: Any, sounds: dict[Any, Any], target: OutputContainer, size: int
) -> Iterator[list[Any]]:
    """Yield frames in batches, and copy the sound on the way."""
    batch: list[Any] = []
    for packet in source.demux(pictures, *sounds):
        if packet.stream is not pictures:
            if packet.dts is not None:
                packet.stream = sounds[packet.stream]
                target.mux(packet)
            continue
        for frame in packet.decode():
            batch.append(frame)
            if len(batch) == size:
                yield batch
                batch = []
    if batch:
        yield batch


def _encode(batch: list[Any], output: Any, target: OutputContainer, application: Application) -> None:
    import av

    levels = numpy.stack([frame.to_ndarray(format="rgb24") for frame in batch])
    made = application.transform(levels)
    shown = numpy.concatenate([levels, made], axis=2) if application.compare else made
    shown = shown[:, : output.height, : output.width]
    for frame, picture in zip(batch, shown, strict=True):
        translated = av.VideoFrame.from_ndarray(numpy.ascontiguousarray(picture), format="rgb24")
        translated.pts, translated.time_base = frame.pts, frame.time_base
        for packet in output.encode(translated):
            target.mux(packet)
