"""Unpack a zip archive that nobody vouches for: everything is checked before the first byte is written.

The layout of a set on disk: a folder of pictures for each of its parts.
"""

from __future__ import annotations

import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from gdp.core.errors import CorruptFileError, DiskFullError, readable_os_errors
from gdp.core.progress import Progress
from gdp.support.picture_finding import find_pictures, is_hidden, picture_endings


def count_pictures(folder: Path, parts: Iterable[str]) -> dict[str, int]:
    """Count the pictures of each part, those in folders in it included; 0 where there is no such folder."""
    return {
        part: len(find_pictures(folder / part, recursive=True)) if (folder / part).is_dir() else 0 for part in parts
    }


MAX_FILES = 200_000
MAX_BYTES = 50 * 2**30
MAX_RATIO = 100
"""Bytes that come out for each byte of the archive; pictures hardly shrink in one."""

_FREE_OF_RATIO = 16 * 2**20
"""Bytes that may come out of any archive, however small it is."""
_MAX_NAME = 255
_CHUNK = 2**20
_TEXT_SUFFIXES = frozenset({".txt", ".md"})
_TEXT_NAMES = frozenset({"readme", "license", "licence"})
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]|^/|^[A-Za-z]:")
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError, NotImplementedError, OSError)
"""What zipfile raises on damaged archives."""


def unpack_pictures(
    archive: Path, target: Path, *, folder: str, parts: Sequence[str], name: str, progress: Progress
) -> int:
    """Unpack the parts of a set, pictures and plain texts only.

    Args:
        archive: the zip file.
        target: the folder to make; its parent exists. It appears in one piece or not at all.
        folder: the folder in the archive that holds the parts; empty for its top.
        parts: the folders to unpack.
        name: of the set, for messages.

    Returns:
        How many other files were left in the archive.

    Raises:
        CorruptFileError: the archive is damaged, or made to do harm, or lacks a part.
        DiskFullError, RunFolderError: the disk refuses.
    """
    temporary = target.with_name(f"{target.name}.unpacking")
    with _damage(name), zipfile.ZipFile(archive) as opened:
        members = [member for member in opened.infolist() if not member.is_dir()]
        _check_members(opened.infolist(), archive.stat().st_size)
        chosen = _choose(members, PurePosixPath(folder), parts)
        _check_room(chosen, target)
        with readable_os_errors(temporary):
            shutil.rmtree(temporary, ignore_errors=True)  # of a killed process
            temporary.mkdir()
        try:
            _write(opened, chosen, temporary, name, progress)
            with readable_os_errors(target):
                temporary.rename(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return len(members) - len(chosen)


@contextmanager
def _damage(name: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise CorruptFileError(f"the archive of {name} is damaged ({error})") from error


def _check_members(members: Sequence[zipfile.ZipInfo], archive_size: int) -> None:
    if len(members) > MAX_FILES:
        raise CorruptFileError(f"the archive holds {len(members):,} files; {MAX_FILES:,} are the most that is unpacked")
    total = sum(member.file_size for member in members)
    if total > min(MAX_BYTES, max(_FREE_OF_RATIO, MAX_RATIO * archive_size)):
        raise CorruptFileError(
            f"the archive of {archive_size:,} bytes would unpack to {total:,}: it is made to fill the disk"
        )
    for member in members:
        _check_member(member)
    files = [PurePosixPath(member.filename) for member in members if not member.is_dir()]
    distinct = set(files)
    if len(distinct) < len(files) or any(parent in distinct for file in distinct for parent in file.parents):
        raise CorruptFileError("the archive holds several files of one name")


def _check_member(member: zipfile.ZipInfo) -> None:
    """Refuse what could be written elsewhere than it seems, or is no plain file."""
    named = f"the archive holds {member.orig_filename[:_MAX_NAME]!r}"
    path = PurePosixPath(member.orig_filename)
    if _UNSAFE.search(member.orig_filename) or ".." in path.parts or not path.parts:
        raise CorruptFileError(f"{named}, which points out of its folder: it is made to do harm")
    if any(len(part.encode("utf-8", "replace")) > _MAX_NAME for part in path.parts):
        raise CorruptFileError(f"{named}, a name that is too long")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise CorruptFileError(f"{named}, a link or a device: it is made to do harm")
    if member.flag_bits & _ENCRYPTED or member.compress_type not in _COMPRESSIONS:
        raise CorruptFileError(f"{named}, which is encrypted or packed in an unusual way")


def _choose(
    members: Sequence[zipfile.ZipInfo], folder: PurePosixPath, parts: Sequence[str]
) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """Pick what is unpacked, with its path in the target."""
    chosen = []
    for member in members:
        path = PurePosixPath(member.filename)
        if not path.is_relative_to(folder) or is_hidden(path):
            continue
        inner = path.relative_to(folder)
        picture = inner.parts[0] in parts and len(inner.parts) > 1 and path.suffix.lower() in picture_endings()
        text = path.suffix.lower() in _TEXT_SUFFIXES or path.name.lower() in _TEXT_NAMES
        if picture or (text and (len(inner.parts) == 1 or inner.parts[0] in parts)):
            chosen.append((member, inner))
    pictured = {inner.parts[0] for _, inner in chosen if inner.suffix.lower() in picture_endings()}
    missing = [str(folder / part) for part in parts if part not in pictured]
    if missing:
        there = sorted({str(PurePosixPath(member.filename).parent) for member in members})[:10]
        raise CorruptFileError(
            f"the archive holds no pictures in {', '.join(missing)}; its folders are {', '.join(there) or 'none'}"
        )
    return chosen


def _check_room(chosen: Sequence[tuple[zipfile.ZipInfo, PurePosixPath]], target: Path) -> None:
    needed, free = sum(member.file_size for member, _ in chosen), shutil.disk_usage(target.parent).free
    if needed > free:
        raise DiskFullError(
            f"{target}: {needed / 1e6:,.0f} MB are needed to unpack it and {free / 1e6:,.0f} MB are free. Free some "
            f"space and run the same command again; the archive is kept."
        )


def _write(
    opened: zipfile.ZipFile,
    chosen: Sequence[tuple[zipfile.ZipInfo, PurePosixPath]],
    folder: Path,
    name: str,
    progress: Progress,
) -> None:
    with progress.task(f"unpacking {name}", len(chosen), "files") as task:
        for member, inner in chosen:
            place = folder / inner
            with readable_os_errors(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("xb") as copy:  # mode x: nothing that is there is ever written over
                    copy.writelines(_read(opened, member))
            task.advance()


def _read(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a file's bytes; at its end zipfile compares their checksum."""
    try:
        with opened.open(member) as source:
            while chunk := source.read(_CHUNK):
                yield chunk
    except OSError as error:  # a place that is not in the archive; not to be taken for an error of the writing
        raise zipfile.BadZipFile(str(error)) from error
