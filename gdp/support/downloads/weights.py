"""Download a file of converted weights into the cache, by the machinery of `gdp fetch-data`.

The hash of an archive: its publisher's where there is one, else the one that its first download had.

`downloads.json` beside the sets holds, for each of them: sha256, bytes, url, fetched_at.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from gdp.core.errors import CorruptFileError, readable_os_errors
from gdp.core.files import write_atomically
from gdp.core.locks import locked
from gdp.core.progress import Progress, SilentProgress
from gdp.core.run_folder import now
from gdp.support.downloads.addresses import show_address
from gdp.support.downloads.download import Patience, download
from gdp.support.downloads.records import DownloadRecord
from gdp.support.downloads.transfer import FileKind, PartFile, Transfer

LEDGER = "downloads.json"


def recorded_hash(record: DownloadRecord, folder: Path) -> str | None:
    """Return the hash that the first download into a folder had; None where there was none.

    Raises:
        CorruptFileError: the folder's record of downloads cannot be read.
    """
    first = _read(folder).get(record.name, {}).get("sha256")
    return first if isinstance(first, str) else None


def check_hash(record: DownloadRecord, archive: Path, first: str | None) -> str:
    """Hash an archive and compare with what its publisher tells, or else with the first download.

    Args:
        first: the hash of the first download; None if this is it.

    Returns:
        The sha256 as hexadecimal digits.

    Raises:
        CorruptFileError: it is not the file that was published, or downloaded the first time.
    """
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if record.sha256 is not None:
        if found != record.sha256:
            raise CorruptFileError(
                f"this is not the archive of {record.name} that its publisher hashed (sha256 {found}, "
                f"expected {record.sha256})"
            )
        return found
    if first not in (None, found):
        raise CorruptFileError(
            f"this is not the archive of {record.name} that was downloaded here the first time (sha256 "
            f"{found}, then {first}). If its publisher has changed it, take {record.name} out of {LEDGER}"
        )
    return found


def remember_hash(record: DownloadRecord, sha256: str, size: int, url: str, folder: Path) -> None:
    """Note the hash of an archive that was good.

    Args:
        size: bytes.
        url: where it came from, as it may be stored.
    """
    with locked(folder / f".{LEDGER}.lock"):  # several sets may be fetched at the same time
        entries = _read(folder)
        entries[record.name] = {"sha256": sha256, "bytes": size, "url": url, "fetched_at": now()}
        write_atomically(folder / LEDGER, json.dumps(entries, indent=2, sort_keys=True).encode())


def _read(folder: Path) -> dict[str, Any]:
    path = folder / LEDGER
    try:
        entries = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CorruptFileError(f"{path}: this record of downloads cannot be read ({error}). Take it away.") from error
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise CorruptFileError(f"{path}: this is no record of downloads. Take it away.")
    return entries


LARGEST = 50 * 2**30
"""Bytes."""


def _begins_as_safetensors(head: bytes) -> bool:
    """Tell by the first bytes: the header's length, then an object in JSON."""
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**27


SAFETENSORS = FileKind("no safetensors file", 9, _begins_as_safetensors, unpacked_share=0.0)


def fetch_weights(
    address: str, sha256: str, target: Path, progress: Progress | None = None, patience: Patience | None = None
) -> None:
    """Download a file, check its hash and put it in place; a broken download goes on where it was.

    Args:
        address: https, or http on this machine.
        sha256: what the file must hash to.
        target: where it is put; what has come so far stands beside it.

    Raises:
        MissingResourceError: no server gives it.
        CorruptFileError: it is no safetensors file, or has another hash; it is removed.
        DiskFullError, RunFolderError: the disk refuses.
    """
    progress = progress or SilentProgress()
    with readable_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.with_name(f".{target.name}.lock")):
        if target.is_file():  # another process has just finished
            return
        part = PartFile(target.with_name(f"{target.name}.part"))
        name = show_address(address).rpartition("/")[2]
        progress.message(f"downloading {name} to {target}")
        advice = f"or put the file here yourself: {target}"
        if not part.complete:
            download([address], Transfer(name, part, LARGEST, progress, SAFETENSORS, advice), patience or Patience())
        with part.path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            part.discard()
            raise CorruptFileError(
                f"{show_address(address)}: the file has the sha256 {found}, and the recipe asks for {sha256}. It has "
                f"been removed: mend the address or its hash."
            )
        with readable_os_errors(target):
            part.move_to(target)
