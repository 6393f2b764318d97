"""What the numbers in a video's frames mean as colours: frames as RGB and back. Imports av.

Codes are those of ITU-T H.273 (2021), tables 2 to 4, as FFmpeg has them too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy
from av import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from gdp.core.errors import CorruptFileError
from gdp.support.squares import Levels

RGB, BT709, UNSPECIFIED, RESERVED, FCC, BT470BG, BT601, SMPTE240M, BT2020 = 0, 1, 2, 3, 4, 5, 6, 7, 9
"""Codes of matrices; those of primaries are the same but for the first."""
PQ, HLG = 16, 18
"""Codes of transfer functions: those of HDR."""

STORED = "yuv420p"
"""How frames are written: the only way that every player shows."""

_MATRICES = {
    BT709: "BT.709",
    FCC: "FCC",
    BT470BG: "BT.601",
    BT601: "BT.601",
    SMPTE240M: "SMPTE 240M",
    BT2020: "BT.2020",
}
_HDR = {PQ: "PQ", HLG: "HLG"}
_HIGH = (1280, 576)
"""Pixels of the longer and the shorter side above which an untagged video is taken for HD, as players do."""
_PAL = (288, 576)
"""Pixels of the shorter side of the 625-line systems."""
_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
# A colour sample covers four pixels: repeated and averaged it comes back as it was, which smoother ways would blur.
_TO_RGB, _FROM_RGB = Interpolation.POINT | _EXACT, Interpolation.AREA | _EXACT
_RESIZED = Interpolation.BICUBIC | _EXACT


@dataclass(frozen=True)
class Colours:
    """How a video's numbers mean colours."""

    matrix: int
    full_range: bool
    """Whether 8-bit levels go from 0 to 255, not 16 to 235 (240 of colour differences)."""
    primaries: int
    transfer: int

    @property
    def is_hdr(self) -> bool:
        """Whether levels mean light up to many times that of white paper."""
        return self.transfer in _HDR

    @property
    def written(self) -> Colours:
        """What is written: the same, but for HDR, of which 8 bits can hold only the standard range."""
        return Colours(BT709, False, BT709, BT709) if self.is_hdr else self


def read_colours(frame: VideoFrame) -> tuple[Colours, str | None]:
    """Return what a frame says of its colours, gaps filled as players fill them, and what is to be told of that.

    Raises:
        CorruptFileError: its matrix is one that cannot be read.
    """
    matrix, primaries, transfer = frame.colorspace, frame.color_primaries, frame.color_trc
    full_range = _has_matrix(frame) and (frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj"))
    said = None
    if not _has_matrix(frame) or matrix in (RGB, UNSPECIFIED, RESERVED):
        matrix = primaries if primaries in _MATRICES else _usual_matrix(frame.width, frame.height)
        if primaries in (UNSPECIFIED, RESERVED) and transfer in (UNSPECIFIED, RESERVED):
            primaries, transfer = matrix, BT601 if matrix == BT470BG else matrix
            if _has_matrix(frame):
                said = (
                    f"its colours are not tagged: taken for {_MATRICES[matrix]}, as players do at its size, and tagged"
                )
    if matrix not in _MATRICES:
        raise CorruptFileError(
            f"its colours are stored in a way that cannot be read (matrix {matrix} of H.273); convert it first: "
            f"ffmpeg -i IN -vf scale=out_color_matrix=bt709 -colorspace bt709 OUT.mp4"
        )
    return Colours(matrix, full_range, primaries, transfer), said


def _has_matrix(frame: VideoFrame) -> bool:
    """Return whether it is stored as brightness and differences of colour."""
    kind = frame.format
    return not (kind.is_rgb or kind.has_palette or kind.name.startswith(("mono", "xyz")))


def _usual_matrix(width: int, height: int) -> int:
    longer, shorter = max(width, height), min(width, height)
    if longer >= _HIGH[0] or shorter > _HIGH[1]:
        return BT709
    return BT470BG if shorter in _PAL else BT601


def told_of(frame: VideoFrame, colours: Colours) -> list[str]:
    """Return what becomes of more than 8 bits, transparency and HDR, each a sentence without its full stop."""
    told = []
    if colours.is_hdr:
        told.append(
            f"HDR ({_HDR[colours.transfer]}) is brought to the standard range (BT.709): what is brighter than white is "
            f"cut off. For another look convert it before, or record without HDR"
        )
    elif (bits := max(component.bits for component in frame.format.components)) > 8:
        told.append(f"its {bits} bits become 8")
    if _has_alpha(frame):
        told.append("what is transparent is shown on white, and is opaque in the result")
    return told


def _has_alpha(frame: VideoFrame) -> bool:
    return any(component.is_alpha for component in frame.format.components)


Planes = tuple[NDArray[numpy.uint8], ...]
"""A frame as it is stored: brightness (H, W) and two differences of colour (H / 2, W / 2)."""


class FrameConverter:
    """Frames as RGB and back. It keeps what is costly to set up, so one serves a whole video."""

    def __init__(self, colours: Colours) -> None:
        self.colours = colours
        self._to_rgb, self._from_rgb = VideoReformatter(), VideoReformatter()

    def levels(self, frame: VideoFrame, size: tuple[int, int] | None = None) -> Levels:
        """Return what a frame shows: (H, W, 3).

        Args:
            frame: of the video.
            size: (width, height) to bring it to; None leaves it.
        """
        if _has_matrix(frame):
            frame = _copy(frame)
            frame.colorspace = self.colours.matrix
            frame.color_range = ColorRange.JPEG if self.colours.full_range else ColorRange.MPEG
            frame.color_primaries, frame.color_trc = self.colours.primaries, self.colours.transfer
        width, height = size or (frame.width, frame.height)
        alpha = _has_alpha(frame)
        made: Any = self._to_rgb.reformat(
            frame,
            width,
            height,
            format="rgba" if alpha else "rgb24",
            interpolation=_TO_RGB if size is None else _RESIZED,
            dst_color_range=ColorRange.JPEG,
            **(_STANDARD if self.colours.is_hdr else {}),
        )
        shown: Levels = made.to_ndarray()
        return _on_white(shown) if alpha else shown

    def frame(self, levels: Levels) -> VideoFrame:
        """Return levels (H, W, 3), of even height and width, as a frame to be written."""
        written = self.colours.written
        shown = VideoFrame.from_ndarray(numpy.ascontiguousarray(levels), format="rgb24")
        shown.color_range = ColorRange.JPEG
        made = self._from_rgb.reformat(
            shown,
            format=STORED,
            interpolation=_FROM_RGB,
            dst_colorspace=BT470BG
            if written.matrix == BT601
            else written.matrix,  # the same numbers, as swscale has it
            dst_color_range=ColorRange.JPEG if written.full_range else ColorRange.MPEG,
        )
        made.colorspace, made.color_primaries, made.color_trc = written.matrix, written.primaries, written.transfer
        return made

    def stored(self, frame: VideoFrame) -> Planes | None:
        """Return a frame as it would be written unchanged; None where it is stored in another way."""
        even = frame.width % 2 == frame.height % 2 == 0
        if frame.format.name not in (STORED, "yuvj420p") or not even or self.colours.is_hdr:
            return None
        return tuple(plane.copy() for plane in _planes(frame))


def keep_unchanged(frame: VideoFrame, stored: Planes, changed: NDArray[numpy.bool_]) -> None:
    """Put the numbers of the original back where nothing was changed.

    What is stored is not always a colour that RGB has, beside sharp edges above all: through RGB it would be another.

    Args:
        frame: as it is to be written.
        stored: its original, of the same size.
        changed: (H, W) where its colours differ from the original's.
    """
    rows = changed[0::2] | changed[1::2]
    blocks = rows[:, 0::2] | rows[:, 1::2]  # pixels that share a sample of colour
    for plane, original in zip(_planes(frame), stored, strict=True):
        whole = original.shape == changed.shape
        numpy.copyto(plane, original, where=~(blocks.repeat(2, 0).repeat(2, 1) if whole else blocks))


def _planes(frame: VideoFrame) -> Planes:
    """Return views of the planes of a frame of 8 bits."""
    return tuple(rows[: plane.height, : plane.width] for rows, plane in zip(_rows(frame), frame.planes, strict=True))


def _rows(frame: VideoFrame) -> Planes:
    """Return views of the bytes of a frame's rows, plane by plane."""
    return tuple(_bytes(plane).reshape(-1, plane.line_size) for plane in frame.planes)


def _bytes(plane: Any) -> NDArray[numpy.uint8]:
    return numpy.frombuffer(plane, numpy.uint8)


def _copy(frame: VideoFrame) -> VideoFrame:
    """Return a frame of the same pixels that does not say where between them its colours were sampled.

    Else libswscale gives every second pixel the colour of the next sample, and no way back undoes that.
    """
    made = VideoFrame(frame.width, frame.height, frame.format.name)
    for rows, original in zip(_rows(made), _rows(frame), strict=True):
        width = min(rows.shape[1], original.shape[1])  # what is behind the last pixel of a row differs
        rows[:, :width] = original[: len(rows), :width]
    return made


_STANDARD = {"dst_colorspace": BT709, "dst_color_primaries": BT709, "dst_color_trc": BT709}
"""Asks libswscale for the light of HDR in the standard range, white paper (203 cd/m2, ITU-R BT.2408) being white."""


def _on_white(shown: numpy.ndarray) -> Levels:
    coloured = Image.fromarray(shown)
    white = Image.new("RGBA", coloured.size, "white")
    return numpy.asarray(Image.alpha_composite(white, coloured).convert("RGB"))
