"""Read picture files of any kind as square RGB pictures of one size."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy
from PIL import Image
from torch import Tensor

from gdp import CorruptFileError, MissingResourceError
from gdp.toolbox import find_pictures, from_array, read_picture

File = TypeVar("File")
Item = TypeVar("Item")

NAMED = 20
"""So many files are named in a message; of more, only the count."""


def picture_files(folder: Path, *, recursive: bool = False) -> list[Path]:
    """List the picture files of a folder in the order of their paths; hidden ones do not count.

    Raises:
        MissingResourceError: there is no such folder.
    """
    if not folder.is_dir():
        raise MissingResourceError(f"{folder}: there is no such folder of pictures.")
    return find_pictures(folder, recursive=recursive)


def as_text(name: str) -> str:
    """Return a file's name as text that a store keeps: bytes of it that are no UTF-8 as `\\xe9`."""
    return os.fsencode(name).decode(errors="backslashreplace")


def open_picture(path: Path) -> Image.Image:
    """Read one picture as RGB, upright by its EXIF orientation, transparent parts on white.

    Raises:
        MissingResourceError: there is no such file.
        CorruptFileError: the file is no whole picture.
    """
    return Image.fromarray(read_picture(path).on_white())


def square(picture: Image.Image, resolution: int) -> Tensor:
    """Crop to the central square and resize (bicubic, antialiased) to (3, resolution, resolution) uint8 RGB."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    # Not resize(box=...), whose filter reaches beyond the box.
    cropped = picture.crop((left, top, left + side, top + side))
    resized = cropped.resize((resolution, resolution), Image.Resampling.BICUBIC)
    return from_array(numpy.asarray(resized)).contiguous()


def read_all(files: Sequence[File], read: Callable[[File], Item], *, threads: int = 1) -> list[Item]:
    """Read every file (or couple of files), and only then complain of those that cannot be read.

    Args:
        files: what to read.
        read: reads one; where several threads read, they call it at the same time.
        threads: how many read beside each other.

    Raises:
        CorruptFileError: some are no whole pictures, or gone; the message names them.
    """

    def attempt(file: File) -> Item | CorruptFileError | MissingResourceError:
        try:
            return read(file)
        except (CorruptFileError, MissingResourceError) as error:
            return error

    if threads > 1 and len(files) > 1:
        with ThreadPoolExecutor(min(threads, len(files)), "pictures") as executor:
            found = list(executor.map(attempt, files))
    else:
        found = [attempt(file) for file in files]
    items: list[Item] = []
    broken: list[str] = []
    for item in found:
        if isinstance(item, CorruptFileError | MissingResourceError):
            broken.append(str(item))
        else:
            items.append(item)
    if broken:
        raise CorruptFileError("\n".join(shorten(broken)))
    return items


def shorten(lines: Sequence[str]) -> list[str]:
    """Return the first lines and, where there are more, how many."""
    more = len(lines) - NAMED
    return [*lines[:NAMED], f"... and {more} more"] if more > 0 else list(lines)
