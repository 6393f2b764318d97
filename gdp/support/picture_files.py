"""Picture files and what is seen of them, by one set of rules for training and for use. Imports no torch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
from numpy.typing import NDArray
from PIL import ExifTags, Image

from gdp.core.errors import CorruptFileError, MissingResourceError, OutOfMemoryError
from gdp.core.memory import MemoryBound, describe_bytes
from gdp.support.squares import Levels

_OPENING = threading.Lock()
"""Pillow's limit of pixels is of the whole process, so one thread at a time changes it."""
_TURNS: dict[int, Callable[[NDArray[numpy.uint8]], NDArray[numpy.uint8]]] = {
    2: lambda values: values[:, ::-1],
    3: lambda values: values[::-1, ::-1],
    4: lambda values: values[::-1],
    5: lambda values: values.swapaxes(0, 1),
    6: lambda values: values.swapaxes(0, 1)[:, ::-1],
    7: lambda values: values.swapaxes(0, 1)[::-1, ::-1],
    8: lambda values: values.swapaxes(0, 1)[::-1],
}
"""What turns a picture upright, by its EXIF orientation."""
_SCALED = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
"""Pillow's modes of grey levels beyond 8 bits, which it would clip at 255 instead of scaling them."""
EVERYDAY_PIXELS = 2**26
"""Pictures up to so many pixels, 67 million, are read whatever the memory."""
WORK_BYTES = 12
"""That a pixel of a picture takes at most while the file is read, or the picture translated or written: 4 of the
decoder's or encoder's, 3 of the picture, 3 of what it becomes; with alpha 1 more of each."""
STRIP_PIXELS = 2**20


@dataclass(frozen=True)
class PictureFile:
    """A picture file in memory, upright, in 8 bits.

    Attributes:
        path: Where it was read from.
        levels: (H, W, 3) uint8 RGB, with what hides under transparent parts.
        alpha: (H, W) uint8; None where the file is opaque.
        colour_profile: Its ICC profile, where that is one of RGB.
    """

    path: Path
    levels: Levels
    alpha: NDArray[numpy.uint8] | None = None
    colour_profile: bytes | None = None

    def on_white(self) -> Levels:
        """Return what networks are shown: (H, W, 3) uint8 RGB, transparent parts on white."""
        if self.alpha is None:
            return self.levels
        shown = numpy.empty_like(self.levels, order="C")
        for rows in strips(self.levels.shape):
            coloured = Image.fromarray(numpy.dstack([self.levels[rows], self.alpha[rows]]))
            white = Image.new("RGBA", coloured.size, "white")
            shown[rows] = numpy.asarray(Image.alpha_composite(white, coloured).convert("RGB"))
        return shown


def strips(shape: Sequence[int]) -> Iterator[slice]:
    """Yield slices of a picture's rows, (H, W, ...), so that copies of a strip take little beside the picture."""
    height, width = shape[:2]
    step = max(1, STRIP_PIXELS // max(1, width))
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def read_picture(path: Path, memory: MemoryBound | None = None) -> PictureFile:
    """Read a picture file of any kind that Pillow knows; of an animation the first frame.

    It is turned as its EXIF orientation says, of which no other tag is read; grey levels of 16 bits are scaled to 8; an
    alpha channel is kept apart. Besides the picture itself, in memory is what its decoder holds: 4 bytes a pixel.

    Args:
        path: the file.
        memory: a picture beyond `EVERYDAY_PIXELS` may take half of what is free, or more where this bound allows more;
            a file of a few kilobytes may claim to be larger than any memory.

    Raises:
        MissingResourceError: there is no such file.
        CorruptFileError: it is no picture, or damaged.
        OutOfMemoryError: it is larger than the memory allows.
    """
    if not path.is_file():
        raise MissingResourceError(f"{path}: there is no such picture")
    try:
        with _open(path) as file:
            _check_size(path, file.size, memory or MemoryBound())
            file.load()
            profile = file.info.get("icc_profile")
            turn = _turn(file)
            levels, alpha = _split(file)
    except OutOfMemoryError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"{path}: the memory does not suffice to read this picture; make it smaller") from error
    except Exception as error:  # decoders raise anything on damaged files
        raise CorruptFileError(
            f"{path}: this is no picture that can be read ({error}); repair it or take it away"
        ) from error
    if turn is not None:
        levels, alpha = _turned(levels, turn), None if alpha is None else _turned(alpha, turn)
    is_rgb = isinstance(profile, bytes) and profile[16:20] == b"RGB "
    return PictureFile(path, levels, alpha, profile if is_rgb else None)


def picture_pixels(path: Path) -> int:
    """Return how many pixels a picture file has by its head; 0 where that cannot be told, which reading it explains."""
    try:
        with _open(path) as file:
            return int(file.width * file.height)
    except Exception:  # noqa: BLE001 # the same as above, and told when the file is read
        return 0


def _check_size(path: Path, size: tuple[int, int], memory: MemoryBound) -> None:
    pixels = size[0] * size[1]
    if pixels <= EVERYDAY_PIXELS:
        return
    takes, largest = pixels * WORK_BYTES, memory.largest
    if takes > largest:
        raise OutOfMemoryError(
            f"{path}: a picture of {size[0]} x {size[1]} px takes about {describe_bytes(takes)} to work on, and one "
            f"picture may take {describe_bytes(largest)} here. Make it smaller, or allow more with --memory, or memory "
            f"in [limits] of a recipe"
        )


def shown_levels(image: Image.Image) -> Levels:
    """Return what networks are shown of an image in memory: (H, W, 3) uint8 RGB, as of a file; it is not turned."""
    return PictureFile(Path(), *_split(image)).on_white()


def _open(path: Path) -> Image.Image:
    with _OPENING:
        # Pillow's own limit, in pixels, is of the whole process; ours is by memory.
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _turn(file: Image.Image) -> int | None:
    """Return the EXIF orientation of a picture that is not upright."""
    try:
        orientation = file.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 # a damaged block of tags; the pixels are whole
        return None
    return orientation if orientation in _TURNS else None


def _turned(values: NDArray[numpy.uint8], orientation: int) -> NDArray[numpy.uint8]:
    """Return levels (H, W, ...) upright, by their EXIF orientation."""
    return numpy.ascontiguousarray(_TURNS[orientation](values))


def _split(image: Image.Image) -> tuple[Levels, NDArray[numpy.uint8] | None]:
    """Return levels (H, W, 3) and alpha (H, W)."""
    shape = (image.height, image.width)
    levels = numpy.empty((*shape, 3), numpy.uint8)
    alpha = numpy.empty(shape, numpy.uint8) if image.mode not in _SCALED and image.has_transparency_data else None
    if image.mode in _SCALED:
        values = numpy.asarray(image)
        largest = max(float(_finite(values[rows]).max()) for rows in strips(shape)) if values.dtype.kind == "f" else 0.0
        for rows in strips(shape):
            levels[rows] = _deep(values[rows], largest)[..., None]
        return levels, None
    for rows in strips(shape):  # the whole picture would be copied several times
        strip = image.crop((0, rows.start, image.width, rows.stop))
        if alpha is None:
            levels[rows] = numpy.asarray(strip.convert("RGB"))
        else:
            whole = numpy.asarray(strip.convert("RGBA"))
            levels[rows], alpha[rows] = whole[..., :3], whole[..., 3]
    return levels, alpha


def _deep(values: NDArray[numpy.generic], largest: float) -> NDArray[numpy.uint8]:
    """Return 8 bits of 16; floats are shares where the largest is at most 1, else levels up to 255, else of 16 bits."""
    if values.dtype.kind != "f":
        return (values.astype(numpy.int64) >> 8).clip(0, 255).astype(numpy.uint8)
    finite = _finite(values)
    scaled = numpy.rint(finite * 255) if largest <= 1 else finite if largest <= 255 else finite / 256
    levels: NDArray[numpy.uint8] = scaled.clip(0, 255).astype(numpy.uint8)
    return levels


def _finite(values: NDArray[numpy.generic]) -> NDArray[numpy.float64]:
    finite: NDArray[numpy.float64] = numpy.nan_to_num(values, posinf=2.0**16).astype(numpy.float64)
    return finite
