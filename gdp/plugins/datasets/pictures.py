"""Read picture files of any kind as square RGB pictures of one size."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy
from PIL import Image, ImageOps
from torch import Tensor

from gdp import (
    CorruptFileError,
    MissingResourceError,
)
from gdp.toolbox import (
    find_pictures,
    from_array,
)

File = TypeVar("File")
Item = TypeVar("Item")

NAMED = 20
"""So many files are named in a message; of more, only the count."""

_DECODING_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    TypeError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow's decoders raise on files that are damaged or no pictures."""


def picture_files(folder: Path, *, recursive: bool = False) -> list[Path]:
    """List the picture files of a folder in the order of their paths; hidden ones do not count.

    Raises:
        MissingResourceError: there is no such folder.
    """
    if not folder.is_dir():
        raise MissingResourceError(f"{folder}: there is no such folder of pictures.")
    return find_pictures(folder, recursive=recursive)


def open_picture(path: Path) -> Image.Image:
    """Read one picture as RGB, upright by its EXIF orientation, transparent parts on white.

    Raises:
        CorruptFileError: the file is no whole picture.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of huge pictures; they are handled like any other.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                file.load()
                return _rgb(ImageOps.exif_transpose(file))
    except _DECODING_ERRORS as error:
        raise CorruptFileError(f"{path}: this picture cannot be read ({error}). Repair it or take it away.") from error


def square(picture: Image.Image, resolution: int) -> Tensor:
    """Crop to the central square and resize (bicubic, antialiased) to (3, resolution, resolution) uint8 RGB."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    # Not resize(box=...), whose filter reaches beyond the box.
    cropped = picture.crop((left, top, left + side, top + side))
    resized = cropped.resize((resolution, resolution), Image.Resampling.BICUBIC)
    return from_array(numpy.asarray(resized)).contiguous()


def read_all(files: Sequence[File], read: Callable[[File], Item]) -> list[Item]:
    """Read every file (or couple of files), and only then complain of those that cannot be read.

    Raises:
        CorruptFileError: some are no whole pictures; the message names them.
    """
    items: list[Item] = []
    broken: list[str] = []
    for file in files:
        try:
            items.append(read(file))
        except CorruptFileError as error:
            broken.append(str(error))
    if broken:
        raise CorruptFileError("\n".join(shorten(broken)))
    return items


def shorten(lines: Sequence[str]) -> list[str]:
    """Return the first lines and, where there are more, how many."""
    more = len(lines) - NAMED
    return [*lines[:NAMED], f"... and {more} more"] if more > 0 else list(lines)


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode in ("I;16", "I;16B", "I;16L", "I"):
        # Pillow would clip 16-bit grey at 255 instead of scaling it.
        levels = numpy.asarray(picture).astype(numpy.int64) >> 8
        return Image.fromarray(levels.clip(0, 255).astype(numpy.uint8)).convert("RGB")
    if picture.has_transparency_data:
        coloured = picture.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    return picture.convert("RGB")
