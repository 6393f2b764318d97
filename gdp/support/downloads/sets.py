"""Get a public set of pictures: use the folder that is there, or download, check and unpack its archive."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from gdp.core.errors import CorruptFileError, MissingResourceError, RunLockedError, readable_os_errors
from gdp.core.locks import locked
from gdp.core.progress import Progress, SilentProgress
from gdp.support.downloads.addresses import MIRROR_VARIABLE, archive_addresses
from gdp.support.downloads.download import Patience, download
from gdp.support.downloads.records import DownloadRecord
from gdp.support.downloads.transfer import PartFile, Transfer
from gdp.support.downloads.unpacking import count_pictures, unpack_pictures
from gdp.support.downloads.weights import check_hash, recorded_hash, remember_hash

_GIVEN = "its folder"
"""Stands for the address of an archive that somebody has put there."""

_PLAUSIBLE = 4
"""A download may be so many times as large as the set's record says."""


@dataclass(frozen=True)
class FetchedSet:
    """A set that is in place."""

    name: str
    folder: Path
    pictures: Mapping[str, int]
    """Number of pictures of each part."""
    fetched: bool
    """False where the folder was in place and nothing was done."""
    sha256: str | None = None
    """Hash of the archive; None where none was needed."""


def fetch_set(
    record: DownloadRecord,
    folder: Path,
    *,
    mirror: str | None = None,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> FetchedSet:
    """Put a set in place as `folder/NAME`; one whose parts all hold pictures is used as it is.

    An archive that somebody has put into the folder as `NAME.zip` is taken instead of a download, and is left there.

    Args:
        folder: holds the sets, the unfinished downloads and their record, `downloads.json`.
        mirror: base address of a server that has NAME.zip; None asks the environment variable GDP_MIRROR, and where
            there is none the set's publisher.

    Raises:
        MissingResourceError: no server gives it, or another thing is in its place.
        CorruptFileError: what came is not the set, or is made to do harm; it is removed.
        DiskFullError, RunFolderError: the disk is, or would become, full, or refuses to write.
        RunLockedError: another process fetches it.
    """
    progress = progress or SilentProgress()
    target = folder / record.name
    in_place, begun = _in_place(record, target), PartFile(folder / f"{record.name}.zip.part")
    if in_place is not None and not begun.is_there:
        return in_place
    addresses = archive_addresses(record, mirror or os.environ.get(MIRROR_VARIABLE))
    with readable_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _locked(record, folder):
        in_place = _in_place(record, target)  # another process may just have finished
        if in_place is not None:
            _finish(record, begun, folder)
            return in_place
        first = recorded_hash(record, folder)
        archive, url = _archive(record, begun, addresses, folder, progress, patience or Patience())
        sha256 = _unpack(record, archive, url, target, first, progress)
    pictures = count_pictures(target, record.parts)
    for part, count in record.parts.items():
        if pictures[part] != count:
            progress.message(f"{record.name}: {part} has {pictures[part]} pictures, {count} were expected")
    return FetchedSet(record.name, target, pictures, fetched=True, sha256=sha256)


def _in_place(record: DownloadRecord, target: Path) -> FetchedSet | None:
    pictures = count_pictures(target, record.parts)
    if all(pictures.values()):
        return FetchedSet(record.name, target, pictures, fetched=False)
    if target.is_dir() and not any(target.iterdir()):
        return None
    if target.exists() or target.is_symlink():
        missing = ", ".join(part for part, count in pictures.items() if not count)
        raise MissingResourceError(
            f"{target} is there and is not the whole set: there are no pictures in {missing}. Complete it, move it "
            f"away, or choose another folder with --folder."
        )
    return None


@contextmanager
def _locked(record: DownloadRecord, folder: Path) -> Iterator[None]:
    with ExitStack() as stack:
        with readable_os_errors(folder):
            try:
                stack.enter_context(locked(folder / f".{record.name}.lock", timeout=0))
            except Timeout as error:
                raise RunLockedError(
                    f"{folder / record.name}: another process is fetching this set. Wait for it, or stop it."
                ) from error
        yield


def _finish(record: DownloadRecord, part: PartFile, folder: Path) -> None:
    """Do what is left of a download whose set is in place: its process was killed just then."""
    origin = part.origin()
    if origin is not None and part.complete:
        with part.path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        remember_hash(record, sha256, part.received, origin.url, folder)
    part.discard()


def _archive(
    record: DownloadRecord, part: PartFile, addresses: list[str], folder: Path, progress: Progress, patience: Patience
) -> tuple[Path, str]:
    """Return the archive and where it is from: put there by somebody, downloaded before a kill, or downloaded now."""
    given = folder / f"{record.name}.zip"
    if given.is_file():
        return given, _GIVEN
    origin = part.origin()
    if origin is not None and part.complete:
        return part.path, origin.url
    job = Transfer(record.name, part, _PLAUSIBLE * record.size, progress)
    return part.path, download(addresses, job, patience)


def _unpack(
    record: DownloadRecord, archive: Path, url: str, target: Path, first: str | None, progress: Progress
) -> str:
    """Check an archive and unpack it; a downloaded one is removed then, good or bad."""
    parts = tuple(record.parts)
    try:
        sha256 = check_hash(record, archive, first)
        left = unpack_pictures(
            archive, target, folder=record.archive_folder, parts=parts, name=record.name, progress=progress
        )
    except CorruptFileError as error:
        if url == _GIVEN:
            raise CorruptFileError(f"{archive}: {error}. Take it away, or put the right one there.") from error
        PartFile(archive).discard()
        raise CorruptFileError(
            f"{record.name}: {error}. It came from {url} and has been removed: run the same command again, or name "
            f"another server with --mirror."
        ) from error
    if left:
        progress.message(f"{record.name}: {left} other files were left in the archive")
    remember_hash(record, sha256, archive.stat().st_size, url, target.parent)
    if url != _GIVEN:
        PartFile(archive).discard()
    return sha256
