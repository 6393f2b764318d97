"""A video file that is written: frames as H.264, sound copied or, where the format cannot hold it, as AAC. Imports av.

Nothing is shifted: frames keep their ticks, and none waits for a later one (no B-frames), so that the first needs no
time before its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy
from av import AudioStream, Packet
from av.codec.context import Flags
from av.error import FFmpegError

from gdp.core.errors import GdpError, readable_os_errors
from gdp.support.squares import Levels
from gdp.tools.deploy.files import VIDEO_FORMATS
from gdp.tools.deploy.videos.colour import STORED, FrameConverter, keep_unchanged
from gdp.tools.deploy.videos.reading import Shown, VideoReader

CODEC = "libx264"
QUALITY = "12"
"""x264's constant rate factor: 99 % of what is unchanged comes back within 2 levels."""
NOT_COPIED = {"mp4": ("pcm_", "vorbis", "truehd"), "mov": ("flac", "opus", "truehd")}
"""How the names of sound codecs begin that few phones and browsers play in a format, or that it turns out not to hold
when its head is written."""
SOUND, SOUND_RATE = "aac", 128_000
"""What other sound becomes, and its bits a second for each channel."""
_SOUND_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_SOUND_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
"""By channels."""
_MILLISECOND = Fraction(1, 1000)
_LOOK_AHEAD, _LOOK_AHEAD_PIXELS = (4, 40), 40 * 1280 * 720
"""Frames that the encoder keeps to compare, and most pixels in them."""
_OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder")
"""What a file tells of itself, not of what was filmed."""

MATROSKA = VIDEO_FORMATS[".mkv"]
_FINE = 10_000
"""Ticks a second that times of a whole file have at least."""

_Take = Callable[["Packet[AudioStream]"], None]


class VideoWriter:
    """A video that is written beside its final place.

    Args:
        path: the file to write.
        target: its final place, as messages name it; its suffix is one of `VIDEO_FORMATS`.
        source: the video that it is made of.
        size: (width, height) of the pictures; odd ones lose a column or a row.

    Raises:
        GdpError: it cannot be written so.
        DiskFullError, RunFolderError: the system refuses to write.
    """

    def __init__(self, path: Path, target: Path, source: VideoReader, size: tuple[int, int]) -> None:
        self.target = target
        self.notes: list[str] = []
        """What is to be told, each a sentence without its full stop."""
        facts = source.facts
        self._format = VIDEO_FORMATS[target.suffix.lower()]
        self._width, self._height = (pixels // 2 * 2 for pixels in size)
        if min(self._width, self._height) < 2:
            raise GdpError(f"{target}: {size[0]} x {size[1]} pixels are too few for a video")
        if (self._width, self._height) != size:
            self.notes.append(
                f"{size[0]} x {size[1]} pixels are written as {self._width} x {self._height}: H.264 takes even numbers"
            )
        self._converter = FrameConverter(facts.colours)
        with self._writable():
            self._file = path.open("wb")
            options = {"avoid_negative_ts": "disabled"}
            if self._format != MATROSKA:
                options["movie_timescale"] = str(_fine(facts.time_base))
            self._container = av.open(self._file, "w", format=self._format, container_options=options)
            self._container.metadata.update(
                {name: text for name, text in source.metadata.items() if name not in _OF_THE_FILE}
            )
            self._pictures = self._add_pictures(source)
            self._encoders: list[AudioStream] = []
            self._sounds = {sound.index: self._add_sound(sound) for sound in source.sounds}

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # an unfinished file is not wanted, nor what is still to be written of it
            self._file.close()

    def take_sound(self, packet: Packet[AudioStream]) -> None:
        """Write a packet of one of the source's tracks of sound."""
        self._sounds[packet.stream.index](packet)

    def write(self, levels: Levels, shown: Shown) -> None:
        """Write a frame (H, W, 3), or two beside each other, at the time of the one that it was made of."""
        frame = self._converter.frame(levels[: self._height, : self._width])
        if shown.stored is not None:
            beside = levels.shape[1] // shown.levels.shape[1]
            original = numpy.concatenate([shown.levels] * beside, axis=1)
            stored = tuple(numpy.concatenate([plane] * beside, axis=1) for plane in shown.stored)
            red, green, blue = numpy.moveaxis(levels != original, 2, 0)
            keep_unchanged(frame, stored, red | green | blue)
        frame.pts, frame.time_base, frame.duration = shown.pts, self._pictures.codec_context.time_base, shown.duration
        with self._writable():
            self._container.mux(self._pictures.encode(frame))

    def finish(self) -> None:
        """Write all that is still held back; the file is whole then, and on the disk."""
        with self._writable():
            self._container.mux(self._pictures.encode(None))
            for encoder in self._encoders:
                self._container.mux(encoder.encode(None))
            self._container.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    @contextmanager
    def _writable(self) -> Iterator[None]:
        with readable_os_errors(self.target):
            try:
                yield
            except FFmpegError as error:
                raise GdpError(f"{self.target}: this video cannot be written ({error.strerror})") from error

    def _add_pictures(self, source: VideoReader) -> Any:
        facts, colours = source.facts, source.facts.colours.written
        fewest, most = _LOOK_AHEAD
        ahead = max(fewest, min(most, _LOOK_AHEAD_PIXELS // (self._width * self._height)))
        options = {"crf": QUALITY, "bf": "0", "rc-lookahead": str(ahead)}
        track: Any = self._container.add_stream(CODEC, rate=facts.rate, options=options)
        context = track.codec_context
        context.width, context.height, context.pix_fmt = self._width, self._height, STORED
        context.time_base = facts.time_base
        context.flags |= Flags.frame_duration  # or the last frame would last as long as one does on average
        if facts.pixel_aspect is not None:
            context.sample_aspect_ratio = facts.pixel_aspect
        context.colorspace, context.color_range = colours.matrix, 2 if colours.full_range else 1
        context.color_primaries, context.color_trc = colours.primaries, colours.transfer
        if self._format == MATROSKA and (facts.time_base / _MILLISECOND).denominator > 1:
            self.notes.append("a .mkv file holds times in milliseconds, so its frames move by half of one at most")
        return track

    def _add_sound(self, sound: AudioStream) -> _Take:
        known = getattr(sound.codec_context, "codec", None)  # a track that nobody can read has no such context
        if known is None:
            self.notes.append("a track of sound of unknown kind is left out")
            return lambda packet: None
        codec = str(known.canonical_name)
        if not codec.startswith(NOT_COPIED.get(self._format, ())):
            try:
                copied = self._container.add_stream_from_template(sound)
            except ValueError:  # the format holds no such sound
                return self._encoded(sound, codec)
            copied.metadata.update(sound.metadata)
            return lambda packet: self._copy(packet, copied)
        return self._encoded(sound, codec)

    def _copy(self, packet: Packet[AudioStream], track: AudioStream) -> None:
        if packet.dts is None:  # the one that ends a track holds nothing
            return
        packet.stream = track
        with self._writable():
            self._container.mux(packet)

    def _encoded(self, sound: AudioStream, codec: str) -> _Take:
        self.notes.append(f"its sound ({codec}) becomes AAC, which every player of {self.target.suffix} knows")
        rate = sound.rate if sound.rate in _SOUND_RATES else 48000
        track: Any = self._container.add_stream(SOUND, rate=rate)
        track.layout = _SOUND_LAYOUTS.get(sound.layout.nb_channels, "stereo")
        track.bit_rate = SOUND_RATE * track.layout.nb_channels
        track.metadata.update(sound.metadata)
        self._encoders.append(track)

        def encode(packet: Packet[AudioStream]) -> None:
            frames = packet.decode()  # what fails here fails to be read
            with self._writable():
                for frame in frames:
                    self._container.mux(track.encode(frame))

        return encode


def _fine(time_base: Fraction) -> int:
    """Return ticks a second in which a video's times are whole: a file tells in these when each track begins."""
    ticks = time_base.denominator
    return ticks * -(-_FINE // ticks)
