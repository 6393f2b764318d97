"""Videos made by the tests, and what they show, by PyAV alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy
from av.video.reformatter import Interpolation

TICKS = Fraction(1, 90_000)
EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP


def picture(width: int = 64, height: int = 48) -> numpy.ndarray:
    """Flat fields of even size, a different one in each quarter, and a white corner."""
    made = numpy.empty((height, width, 3), numpy.uint8)
    made[:] = (200, 60, 30)
    made[height // 2 :] = (40, 90, 190)
    made[:, width // 2 :] = (220, 200, 180)
    made[height // 2 :, width // 2 :] = (60, 180, 70)
    made[:8, :8] = 255
    return made


def write_video(
    path: Path,
    pts: Sequence[int],
    pictures: Sequence[numpy.ndarray] | None = None,
    *,
    time_base: Fraction = TICKS,
    codec: str = "libx264",
    stored: str = "yuv420p",
    matrix: int | None = None,
    full: bool = False,
    transfer: int | None = None,
    aspect: Fraction | None = None,
    turn: tuple[Any, ...] | None = None,
    sound: str | None = None,
    layout: str = "mono",
) -> Path:
    """Write a video whose frames are shown at `pts`, with a tone of a second where it has sound."""
    shown = list(pictures) if pictures is not None else [picture()] * len(pts)
    height, width = shown[0].shape[:2]
    with av.open(str(path), "w") as container:
        track: Any = container.add_stream(codec, rate=30, options={"crf": "4"} if codec == "libx264" else {})
        track.width, track.height, track.pix_fmt = width, height, stored
        context = track.codec_context
        context.time_base, context.max_b_frames = time_base, 0
        if aspect is not None:
            context.sample_aspect_ratio = aspect
        if matrix is not None:
            context.colorspace, context.color_range = matrix, 2 if full else 1
            context.color_primaries, context.color_trc = matrix, matrix if transfer is None else transfer
        if turn is not None:
            track.set_display_rotation(*turn)
        tone: Any = None
        if sound is not None:
            tone = container.add_stream(sound, rate=48_000)
            tone.layout = layout
        for number, levels in zip(pts, shown, strict=True):
            frame = av.VideoFrame.from_ndarray(levels, format="rgb24")
            frame.color_range = 2
            frame = frame.reformat(
                format=stored,
                dst_colorspace={None: None, 6: 5}.get(matrix, matrix),
                dst_color_range=2 if full else 1,
                interpolation=Interpolation.AREA | EXACT,
            )
            frame.pts, frame.time_base = number, time_base
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
        if tone is not None:
            wave = numpy.sin(numpy.arange(48_000) * 0.05).astype(numpy.float32)
            samples = av.AudioFrame.from_ndarray(
                numpy.stack([wave] * tone.layout.nb_channels), format="fltp", layout=layout
            )
            samples.sample_rate, samples.pts = 48_000, 0
            container.mux(tone.encode(samples))
            container.mux(tone.encode(None))
    return path


@dataclass(frozen=True)
class Video:
    """What a file holds."""

    seconds: list[Fraction]
    lasts: Fraction
    """Seconds of the last frame."""
    pictures: list[numpy.ndarray]
    tags: tuple[int, int, int, int]
    """Matrix, range, primaries, transfer."""
    aspect: Fraction | None
    turned: bool
    sounds: list[tuple[str, int, int]]
    """Codec, rate and channels of each track."""


def read_video(path: Path, untagged: int = 6) -> Video:
    """Read a file, each frame as its own tags say; matrix `untagged` where they do not."""
    with av.open(str(path)) as container:
        track = container.streams.video[0]
        frames = list(container.decode(track))
        first = frames[0]
        tags = (first.colorspace, first.color_range, first.color_primaries, first.color_trc)
        sounds = [
            (sound.codec_context.codec.canonical_name, sound.rate, sound.layout.nb_channels)
            for sound in container.streams.audio
        ]
        pictures = [_shown(frame, untagged) for frame in frames]
        aspect = track.sample_aspect_ratio
    seconds = sorted(Fraction(frame.pts) * frame.time_base for frame in frames if frame.pts is not None)
    lasts = frames[-1].duration * (frames[-1].time_base or Fraction(0))
    turned = first.side_data.get("DISPLAYMATRIX") is not None
    return Video(seconds, lasts, pictures, tags, aspect, turned, sounds)


def _shown(frame: av.VideoFrame, untagged: int) -> numpy.ndarray:
    if frame.colorspace == 2:
        frame.colorspace = untagged
    made: numpy.ndarray = frame.reformat(
        format="rgb24", interpolation=Interpolation.BILINEAR, dst_color_range=2
    ).to_ndarray()
    return made
