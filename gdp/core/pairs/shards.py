"""Tar shards with WebDataset names, written so that a kill at any moment leaves what was committed readable.

A shard always ends in the two zero blocks of a whole archive: an append overwrites them with its members and two new
ones. What the manifest does not know of (an append that was cut) is dropped when the store is opened again. So the
bytes of a shard depend on its pairs alone, not on how often or where the writing was interrupted.
"""

from __future__ import annotations

import os
import re
import shlex
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from gdp.core.errors import CorruptFileError, readable_os_errors
from gdp.core.files import sync_folder

BLOCK = tarfile.BLOCKSIZE
END_OF_ARCHIVE = bytes(2 * BLOCK)
HEADER_TEMPLATE = tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT)
SHARD_NAME = re.compile(r"shard-(\d{6,})\.tar")


def shard_path(folder: Path, shard: int) -> Path:
    """Return where a shard is."""
    return folder / f"shard-{shard:06d}.tar"


def shard_files(folder: Path) -> Iterator[tuple[int, Path]]:
    """Yield number and path of every shard file in the folder."""
    for path in folder.iterdir():
        if match := SHARD_NAME.fullmatch(path.name):
            yield int(match.group(1)), path


def member_header(name: str, size: int) -> bytes:
    """Return the 512-byte ustar header (POSIX.1-1988) of a member; its time, user and mode are constants.

    The same as tarfile's own, at a tenth of its time.
    """
    header = bytearray(HEADER_TEMPLATE)
    header[: len(name)] = name.encode("ascii")
    header[124:136] = b"%011o\0" % size
    header[148:156] = b" " * 8  # the checksum counts its own field as spaces
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def padding(size: int) -> bytes:
    """Return the zeros that fill a member's last block."""
    return bytes(-size % BLOCK)


def append_to_shard(path: Path, end: int, pieces: Iterable[bytes]) -> None:
    """Write members at `end`, close the archive after them, and wait until the disk has it all.

    Raises:
        DiskFullError: no space is left; the shard is as it was before.
        RunFolderError: the system refused; likewise.
    """
    with readable_os_errors(path):
        try:
            with path.open("r+b" if end else "wb") as file:
                file.seek(end)
                file.writelines(pieces)
                file.write(END_OF_ARCHIVE)
                file.truncate()
                os.fsync(file.fileno())
            if not end:
                sync_folder(path.parent)
        except OSError:
            end_shard_at(path, end)
            raise


def end_shard_at(path: Path, end: int) -> None:
    """Drop whatever a shard holds beyond `end` and close the archive there; touch nothing if it is so already.

    Raises:
        CorruptFileError: the shard is missing or shorter than `end`.
        DiskFullError: no space is left.
    """
    if end == 0:
        path.unlink(missing_ok=True)
        return
    closed = end + len(END_OF_ARCHIVE)
    size = check_shard_reaches(path, end)
    with readable_os_errors(path), path.open("r+b", buffering=0) as file:
        file.seek(end)
        if size == closed and file.read(len(END_OF_ARCHIVE)) == END_OF_ARCHIVE:
            return
        # Blocks that the file has already are overwritten rather than freed, so that this works on a full disk.
        file.truncate(min(size, closed))
        file.seek(end)
        file.write(END_OF_ARCHIVE)
        os.fsync(file.fileno())


def check_shard_reaches(path: Path, end: int) -> int:
    """Return a shard's size in bytes.

    Raises:
        CorruptFileError: the shard is missing or shorter than the `end` that the manifest knows of.
    """
    size = path.stat().st_size if path.exists() else 0
    if size < end:
        problem = f"it has {size} of {end} bytes" if path.exists() else "it is missing"
        raise CorruptFileError(
            f"{path}: this shard of the pair store was damaged from outside: {problem}. {how_to_mend(path.parent)}"
        )
    return size


def how_to_mend(folder: Path) -> str:
    """Say what to do about a damaged shard."""
    return (
        f"Restore it from a copy, or forget the lost pairs, so that the same command makes them again, with: "
        f"gdp pairs {shlex.quote(str(folder.parent.parent))} --repair"
    )
