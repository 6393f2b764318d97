"""Devices, pipes and what links lead to: written through, never replaced by a file."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

_STANDARD_OUTPUT = 1


def followed(path: Path) -> Path:
    """Return the file that a link leads to, be it there or not; any other path as it is.

    Raises:
        OSError: links lead in a circle.
    """
    return path.resolve(strict=path.exists()) if path.is_symlink() else path


def is_special(path: Path) -> bool:
    """Say whether what is there, links followed, can only be written through: a device, a pipe, an open file's number.

    Raises:
        OSError: links lead in a circle, or the system does not let us look.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(found.st_mode):
        return False
    return not stat.S_ISREG(found.st_mode) or _is_standard_output(found)


def write_through(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Write into what `is_special`.

    Raises:
        OSError: it cannot be written; what was written before is gone with it.
    """
    with _opened(path) as file:
        file.writelines(pieces)


def _opened(path: Path) -> BinaryIO:
    if _is_standard_output(path.stat()):  # by its number it goes on where it stands, and sockets have no other way
        sys.stdout.flush()
        return os.fdopen(os.dup(_STANDARD_OUTPUT), "wb")
    return path.open("wb")


def _is_standard_output(found: os.stat_result) -> bool:
    try:
        return os.path.samestat(found, os.fstat(_STANDARD_OUTPUT))
    except OSError:  # it is closed
        return False
