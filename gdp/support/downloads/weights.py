"""Download a file of converted weights into the cache, by the machinery of `gdp fetch-data`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from filelock import FileLock

from gdp.core.errors import CorruptFileError, readable_os_errors
from gdp.core.progress import Progress, SilentProgress
from gdp.support.downloads.addresses import show_address
from gdp.support.downloads.download import Patience, download
from gdp.support.downloads.part_file import PartFile
from gdp.support.downloads.transfer import FileKind, Transfer

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
    with FileLock(target.with_name(f".{target.name}.lock")):
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
            part.path.replace(target)
        part.discard()
