"""The unfinished archive on disk, and what must be known to go on with it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from gdp.core.errors import readable_os_errors
from gdp.core.run_folder import write_atomically


@dataclass(frozen=True)
class Origin:
    """Which file, of which server, the bytes belong to."""

    url: str
    """As it may be stored: without keys."""
    etag: str = ""
    last_modified: str = ""
    size: int | None = None
    """Bytes of the whole file; None where the server does not tell."""

    @property
    def validator(self) -> str:
        """What If-Range may carry (RFC 9110, section 13.1.5): a strong ETag, else Last-Modified; or empty."""
        return self.etag if self.etag.startswith('"') else self.last_modified


class PartFile:
    """`NAME.zip.part`, and `NAME.zip.part.json` beside it, which tells where the bytes are from.

    The bytes always belong to one version of one file: any other version starts over.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._memory = path.with_name(f"{path.name}.json")

    @property
    def received(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def complete(self) -> bool:
        """Whether every byte is there."""
        origin = self.origin()
        return origin is not None and origin.size is not None and self.received == origin.size

    def origin(self) -> Origin | None:
        """Return where the bytes are from; None where nobody knows, and nothing can be gone on with."""
        try:
            origin = Origin(**json.loads(self._memory.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
        texts = (origin.url, origin.etag, origin.last_modified)
        good = all(isinstance(text, str) for text in texts) and isinstance(origin.size, int | None)
        return origin if good else None

    def resumable(self, url: str) -> Origin | None:
        """Return the origin if a download from this address can go on with the bytes that are there."""
        origin = self.origin()
        if origin is None or origin.url != url or not origin.validator or not self.received:
            return None
        return origin if origin.size is None or self.received < origin.size else None

    def begin(self, origin: Origin) -> None:
        """Throw away what is there and start another file.

        Raises:
            DiskFullError, RunFolderError: the system refuses to write.
        """
        with readable_os_errors(self.path):
            self.path.unlink(missing_ok=True)
        self._remember(origin)

    def append(self, chunks: Iterable[bytes]) -> None:
        """Write bytes behind those that are there.

        Raises:
            DiskFullError, RunFolderError: the system refuses to write.
        """
        with readable_os_errors(self.path), self.path.open("ab") as file:
            for chunk in chunks:
                file.write(chunk)

    def finish(self, origin: Origin) -> None:
        """Note that every byte is there."""
        if origin.size is None:
            self._remember(Origin(origin.url, origin.etag, origin.last_modified, self.received))

    def discard(self) -> None:
        """Remove both files."""
        self.path.unlink(missing_ok=True)
        self._memory.unlink(missing_ok=True)

    def _remember(self, origin: Origin) -> None:
        write_atomically(self._memory, json.dumps(asdict(origin), indent=2).encode())
