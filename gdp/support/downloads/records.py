"""Public sets of pictures: what is known of one before it is downloaded. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from gdp.core.records import Needs


@dataclass(frozen=True)
class DownloadRecord:
    """One public set of pictures that `gdp fetch-data` can download as a zip archive."""

    kind: ClassVar[Literal["download"]] = "download"
    needs: ClassVar[Needs] = Needs(network=True)
    images_leave_machine: ClassVar[bool] = False

    name: str
    summary: str
    urls: tuple[str, ...]
    """Addresses of the archive, tried in this order."""
    size: int
    """Bytes of the archive, about."""
    parts: Mapping[str, int]
    """Folders of pictures that the set consists of, each with its number of pictures."""
    archive_folder: str
    """Folder in the archive that holds the parts; empty for its top."""
    licence: str
    """Who made the set, and what its pictures may be used for."""
    sha256: str | None = None
    """Hash of the archive; None where its publisher gives none: then the first download's is recorded."""
    package: str = ""
    version: str = ""


class RegisterDownload(Protocol):
    """The callback that `gdp_register_downloads` receives; call it once for each set."""

    def __call__(
        self,
        name: str,
        *,
        urls: Sequence[str],
        size: int,
        parts: Mapping[str, int],
        summary: str,
        licence: str,
        archive_folder: str = ...,
        sha256: str | None = ...,
    ) -> None:
        """Register one public set of pictures.

        Args:
            name: lower-case letters, digits, hyphens and underscores; the folder that the set gets.
            urls: https addresses of one and the same zip archive, tried in this order.
            size: bytes of the archive, about; a download that is many times larger is refused.
            parts: folders of pictures, such as trainA, each with its number of pictures.
            summary: one line for `gdp fetch-data --list`.
            licence: who made the set, and what its pictures may be used for.
            archive_folder: folder in the archive that holds the parts; empty for its top.
            sha256: hash of the archive in hexadecimal digits; None where its publisher gives none.
        """
