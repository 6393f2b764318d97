"""A video as upright RGB frames with their times, and the packets of its sound on the way. Imports av."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from heapq import heappop, heappush
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import av
from av import AudioStream, Packet, VideoCodecContext, VideoFrame, VideoStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition, Stream

from gdp.core.errors import CorruptFileError
from gdp.support.squares import Levels
from gdp.tools.deploy.videos.colour import Colours, FrameConverter, Planes, read_colours, told_of
from gdp.tools.deploy.videos.orientation import Turn, read_turn

SLACK = 0.05
"""Share of its length that a video may end before the time that it tells, and is whole."""
_FRAMES_OF_SLACK = 3
_MICROSECONDS = 1_000_000
_SEES_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""What decodes the transparency of a .webm too; FFmpeg's own decoders leave it out."""
_CLOCK = re.compile(r"(\d+):(\d+):([\d.]+)")
_REPAIR = "repair it, or keep what is there: ffmpeg -i IN OUT.mp4"


@dataclass(frozen=True)
class Shown:
    """A frame."""

    levels: Levels
    """(H, W, 3), upright."""
    pts: int
    """When it is shown, in ticks of the video's time base."""
    duration: int
    """Ticks that it says it lasts; 0 where it does not say."""
    stored: Planes | None
    """The same as it is stored, upright; None where it is stored in another way than it is written."""


@dataclass(frozen=True)
class Facts:
    """What a video is."""

    size: tuple[int, int]
    """(width, height) upright, in pixels."""
    stored_size: tuple[int, int]
    turn: Turn
    pixel_aspect: Fraction | None
    """Width of an upright pixel in its heights; None where it does not say."""
    time_base: Fraction
    """Seconds of a tick."""
    rate: Fraction
    """Frames a second on average."""
    frames: int
    """About how many there are."""
    colours: Colours
    notes: tuple[str, ...]
    """What is to be told, each a sentence without its full stop."""


class VideoReader:
    """A video file.

    Args:
        path: the file.

    Raises:
        CorruptFileError: it is no video, is damaged, has no pictures, or its colours cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        """What is found on the way, see `Facts.notes`."""
        self.facts = self._look()
        self._converter = FrameConverter(self.facts.colours)
        with self._readable():
            self._container = _opened(path)
        self._last_pts: int | None = None
        self._slots: list[int] | None = None
        """Of a .avi the times of frames that are still to come, the earliest first: it tells them in the order in which
        frames are stored, not shown."""

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    @property
    def pictures(self) -> VideoStream:
        """The track that is shown."""
        return self._track(self._container)

    @property
    def sounds(self) -> list[AudioStream]:
        """The tracks of sound."""
        return list(self._container.streams.audio)

    @property
    def metadata(self) -> dict[str, str]:
        """Title, date and the like."""
        return self._container.metadata

    def others(self) -> list[str]:
        """Return the kinds of all tracks that are neither `pictures` nor `sounds`."""
        shown = (self.pictures.index, *(sound.index for sound in self.sounds))
        return [_kind(track) for track in self._container.streams if track.index not in shown]

    def frames(self, on_sound: Callable[[Packet[AudioStream]], None]) -> Iterator[Shown]:
        """Yield the frames in their order.

        Args:
            on_sound: is given the packets of `sounds` as they come.

        Raises:
            CorruptFileError: it is damaged, or ends before its end.
        """
        track = self.pictures
        extent = _Extent(self._container, track, self.facts)
        decode, _ = _decoder(track)
        self._slots = [] if self._container.format.name == "avi" else None
        with self._readable():
            for packet in self._container.demux(track, *self.sounds):
                extent.add(packet)
                if self._slots is not None and packet.stream is track and packet.size:
                    heappush(self._slots, packet.pts if packet.pts is not None else packet.dts or 0)
                if isinstance(packet.stream, AudioStream):
                    on_sound(cast("Packet[AudioStream]", packet))
                    continue
                for frame in decode(cast("Packet[VideoStream]", packet)):
                    yield self._shown(frame)
        if extent.is_cut_off():
            raise CorruptFileError(f"{self.path}: this video breaks off {self._where()}; {_REPAIR}")

    def _shown(self, frame: VideoFrame) -> Shown:
        facts = self.facts
        resized = (frame.width, frame.height) != facts.stored_size
        if resized:
            before, now = (_times(size) for size in (facts.stored_size, (frame.width, frame.height)))
            self._note(f"its pictures change from {before} to {now} pixels; all are brought to the first size")
        if frame.interlaced_frame:
            self._note(
                "it is interlaced: every frame is translated with both its fields; for a better picture deinterlace it "
                "before (ffmpeg -i IN -vf bwdif OUT.mp4)"
            )
        if frame.is_corrupt:
            self._note("parts of some frames are damaged, and were translated as the decoder made them up")
        levels = self._converter.levels(frame, facts.stored_size if resized else None)
        planes = None if resized else self._converter.stored(frame)
        upright = None if planes is None else tuple(facts.turn.turned(plane) for plane in planes)
        return Shown(facts.turn.turned(levels), self._pts(frame), frame.duration or 0, upright)

    def _pts(self, frame: VideoFrame) -> int:
        told = heappop(self._slots) if self._slots else frame.pts if frame.pts is not None else frame.dts
        last = self._last_pts
        if told is None or (last is not None and told <= last):
            self._note("some of its frames have no time or an earlier one than those before; they follow these")
            usual = max(1, round(1 / (self.facts.rate * self.facts.time_base)))
            told = 0 if last is None else last + (usual if told is None else 1)
        self._last_pts = told
        return told

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _where(self) -> str:
        if self._last_pts is None:
            return "before its first frame"
        return f"at {float(self._last_pts * self.facts.time_base):.2f} s"

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except FFmpegError as error:
            if isinstance(error, EOFError):
                said = "there is no frame in this video"
            elif self._last_pts is None:
                said = f"this is no video that can be read ({error.strerror}); repair it or take it away"
            else:
                said = f"this video is damaged {self._where()} ({error.strerror}); {_REPAIR}"
            raise CorruptFileError(f"{self.path}: {said}") from error

    def _track(self, container: InputContainer) -> VideoStream:
        tracks = [track for track in container.streams.video if not track.disposition & Disposition.attached_pic]
        if not tracks:
            raise CorruptFileError(f"{self.path}: there is no picture track in this file")
        return tracks[0]

    def _look(self) -> Facts:
        """Return what the file's head and its first frame tell."""
        self._last_pts = None
        with self._readable(), _opened(self.path) as container:
            track = self._track(container)
            decode, unseen = _decoder(track)
            frame = next((frame for packet in container.demux(track) for frame in decode(packet)), None)
            if frame is None:
                raise CorruptFileError(f"{self.path}: there is no frame in this video")
            try:
                colours, said = read_colours(frame)
            except CorruptFileError as error:
                raise CorruptFileError(f"{self.path}: {error}") from error
            turn, slant = read_turn(_display_matrix(frame))
            stored = (frame.width, frame.height)
            aspect = track.sample_aspect_ratio
            rate = track.average_rate or track.guessed_rate or Fraction(25)
            notes = [text for text in (said, slant, unseen) if text is not None] + told_of(frame, colours)
            return Facts(
                turn.size(*stored), stored, turn,
                None if not aspect else 1 / aspect if turn.across else aspect,
                track.time_base or 1 / rate, rate, _about_how_many(container, track, rate), colours, tuple(notes),
            )  # fmt: skip


class _Extent:
    """How much of a file has come, and whether that is all."""

    def __init__(self, container: InputContainer, track: VideoStream, facts: Facts) -> None:
        self._container, self._track, self._facts = container, track, facts
        # Of a .mp4 or .mov the index at its head tells every packet; those of other formats are sparse, or grow.
        self._expected = len(track.index_entries) if "mp4" in container.format.name else 0
        self._packets, self._end, self._broken = 0, 0.0, False

    def add(self, packet: Packet[Stream]) -> None:
        """Count a packet."""
        self._broken |= packet.is_corrupt
        self._packets += packet.stream.index == self._track.index and packet.size > 0
        if packet.pts is not None:
            self._end = max(self._end, float((packet.pts + (packet.duration or 0)) * packet.time_base))

    def is_cut_off(self) -> bool:
        """Return whether less has come than the file says that it holds."""
        if self._broken or self._packets < self._expected:
            return True
        told = _told_end(self._container, self._track)
        slack = max(SLACK * told, _FRAMES_OF_SLACK / float(self._facts.rate))
        return not self._expected and self._end < told - slack


def _told_end(container: InputContainer, track: VideoStream) -> float:
    """Return the seconds when a video is to end by what its file says; 0 where it does not."""
    if track.duration is not None and track.time_base is not None:
        return float(((track.start_time or 0) + track.duration) * track.time_base)
    if tag := _CLOCK.match(track.metadata.get("DURATION", "")):  # of Matroska
        hours, minutes, seconds = map(float, tag.groups())
        return 3600 * hours + 60 * minutes + seconds
    # The file's own length is that of its longest track, which subtitles may be.
    only = all(isinstance(each, VideoStream | AudioStream) for each in container.streams)
    return (container.duration or 0) / _MICROSECONDS if only else 0.0


def _opened(path: Path) -> InputContainer:
    return av.open(str(path))


def _decoder(track: VideoStream) -> tuple[Callable[[Packet[VideoStream]], Sequence[VideoFrame]], str | None]:
    """Return what makes frames of a track's packets, and what is to be told of that."""
    usual = track.codec_context
    name = _SEES_ALPHA.get(usual.codec.canonical_name)
    if name is None or track.metadata.get("alpha_mode") != "1":  # as Matroska has it
        return usual.decode, None
    if name not in av.codecs_available:
        return (
            usual.decode,
            f"what is transparent is shown opaque: this build of FFmpeg has no {name}, which decodes it",
        )
    sees = VideoCodecContext.create(name, "r")
    assert isinstance(sees, VideoCodecContext)  # a factory, which says less
    return sees.decode, None


def _display_matrix(frame: VideoFrame) -> bytes | None:
    found: Any = frame.side_data.get("DISPLAYMATRIX")
    return None if found is None else bytes(found)


def _about_how_many(container: InputContainer, track: VideoStream, rate: Fraction) -> int:
    seconds = Fraction(container.duration or 0, _MICROSECONDS)
    return max(1, track.frames or round(seconds * rate))


def _kind(track: Stream) -> str:
    if track.type == "subtitle":
        return "subtitles"
    return "pictures" if track.type == "video" else track.type


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
