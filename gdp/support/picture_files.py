"""Picture files and what is seen of them, by one set of rules for training and for use. Imports no torch."""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy
from numpy.typing import NDArray
from PIL import ExifTags, Image

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.support.squares import Levels

_OPENING = threading.Lock()
"""Python's filters of warnings are of the whole process, so one thread at a time changes them."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture upright, by its EXIF orientation."""
_DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I")
"""Pillow's modes of grey levels 0 to 65535."""


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
        coloured = Image.fromarray(numpy.dstack([self.levels, self.alpha]))
        white = Image.new("RGBA", coloured.size, "white")
        return numpy.asarray(Image.alpha_composite(white, coloured).convert("RGB"))


def read_picture(path: Path) -> PictureFile:
    """Read a picture file of any kind that Pillow knows; of an animation the first frame.

    It is turned as its EXIF orientation says, of which no other tag is read; grey levels of 16 bits are scaled to 8; an
    alpha channel is kept apart.

    Raises:
        MissingResourceError: there is no such file.
        CorruptFileError: it is no picture, or damaged.
    """
    if not path.is_file():
        raise MissingResourceError(f"{path}: there is no such picture")
    try:
        with _open(path) as file:
            file.load()
            profile = file.info.get("icc_profile")
            levels, alpha = _split(_upright(file))
    except Exception as error:  # decoders raise anything on damaged files
        raise CorruptFileError(
            f"{path}: this is no picture that can be read ({error}); repair it or take it away"
        ) from error
    is_rgb = isinstance(profile, bytes) and profile[16:20] == b"RGB "
    return PictureFile(path, levels, alpha, profile if is_rgb else None)


def picture_pixels(path: Path) -> int:
    """Return how many pixels a picture file has by its head; 0 where that cannot be told, which reading it explains."""
    try:
        with _open(path) as file:
            return int(file.width * file.height)
    except Exception:  # noqa: BLE001 # the same as above, and told when the file is read
        return 0


def shown_levels(image: Image.Image) -> Levels:
    """Return what networks are shown of an image in memory: (H, W, 3) uint8 RGB, as of a file; it is not turned."""
    return PictureFile(Path(), *_split(image)).on_white()


def _open(path: Path) -> Image.Image:
    with _OPENING, warnings.catch_warnings():
        # Pillow warns of huge pictures; they are handled like any other up to its limit.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(path)


def _upright(file: Image.Image) -> Image.Image:
    try:
        orientation = file.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 # a damaged block of tags; the pixels are whole
        return file
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return file if turn is None else file.transpose(turn)


def _split(image: Image.Image) -> tuple[Levels, NDArray[numpy.uint8] | None]:
    """Return levels (H, W, 3) and alpha (H, W)."""
    if image.mode in _DEEP or image.mode == "F":  # which Pillow would clip at 255 instead of scaling it
        grey = _deep(numpy.asarray(image))
        return numpy.repeat(grey[..., None], 3, axis=2), None
    if image.has_transparency_data:
        whole = numpy.asarray(image.convert("RGBA"))
        return whole[..., :3], whole[..., 3]
    return numpy.asarray(image.convert("RGB")), None


def _deep(values: NDArray[numpy.generic]) -> NDArray[numpy.uint8]:
    """Return 8 bits of 16; floats are shares up to 1, else levels up to 255, else of 16 bits."""
    if values.dtype.kind != "f":
        return (values.astype(numpy.int64) >> 8).clip(0, 255).astype(numpy.uint8)
    finite = numpy.nan_to_num(values, posinf=2.0**16).astype(numpy.float64)
    largest = float(finite.max())
    scaled = numpy.rint(finite * 255) if largest <= 1 else finite if largest <= 255 else finite / 256
    levels: NDArray[numpy.uint8] = scaled.clip(0, 255).astype(numpy.uint8)
    return levels
