"""One request for an archive: goes on where the last one broke off, or starts over if it must.

The unfinished archive on disk, and what must be known to go on with it.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import httpx

from gdp.core.errors import CorruptFileError, DiskFullError, MissingResourceError, readable_os_errors
from gdp.core.files import write_atomically
from gdp.core.progress import Progress
from gdp.support.downloads.addresses import Chain, is_local, show_address


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
    def is_there(self) -> bool:
        """Whether a download has begun, or has not been tidied away."""
        return self.path.exists() or self._memory.exists()

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

    def move_to(self, target: Path) -> None:
        """Put the file in its place; a kill meanwhile leaves nothing that is not looked for again.

        Raises:
            OSError: the system refuses.
        """
        self._memory.unlink(missing_ok=True)
        self.path.replace(target)

    def discard(self) -> None:
        """Remove both files."""
        self.path.unlink(missing_ok=True)
        self._memory.unlink(missing_ok=True)

    def _remember(self, origin: Origin) -> None:
        write_atomically(self._memory, json.dumps(asdict(origin), indent=2).encode())


MEGABYTE = 1_000_000

_REDIRECTIONS = 5
_BUSY = frozenset({408, 425, 429})
_OF_A_RANGE = (httpx.codes.PARTIAL_CONTENT, httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_TIMEOUT = httpx.Timeout(30.0, read=60.0)
"""Seconds to wait for a connection, and for the next bytes."""


class TransientError(Exception):
    """Something that may go away by itself: a broken line, a busy server, a file that changed on the way."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds that the server asks to wait."""


@dataclass(frozen=True)
class FileKind:
    """What sort of file is downloaded, told by its first bytes: an error page is not worth its download."""

    otherwise: str
    """What anything else is, such as `no zip archive`."""
    head: int
    """How many bytes tell it."""
    begins: Callable[[bytes], bool]
    """Tells by them."""
    unpacked_share: float
    """Room that is needed beside the file, in files."""


ZIP_ARCHIVE = FileKind("no zip archive", 4, lambda head: head[:4] == b"PK\x03\x04", unpacked_share=1.2)
"""Pictures hardly shrink in a zip archive."""


@dataclass(frozen=True)
class Transfer:
    """What is downloaded, and to where."""

    name: str
    part: PartFile
    largest: int
    """Bytes; a file that is larger cannot be the one that is meant."""
    progress: Progress
    kind: FileKind = ZIP_ARCHIVE
    advice: str = ""
    """What a user can do where no server gives it; empty for the advice on sets of pictures."""


def new_client(url: str) -> httpx.Client:
    """Make a client for an address; proxies of the environment are not asked for addresses of this machine.

    It keeps no connection, so that `Chain` sees each of them begin.
    """
    headers = {"User-Agent": "gdp-distill", "Accept-Encoding": "identity"}
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(timeout=_TIMEOUT, headers=headers, limits=limits, trust_env=not is_local(url))


def transfer_once(client: httpx.Client, url: str, job: Transfer) -> None:
    """Ask an address for the bytes that are not there yet and append them to the part file.

    Raises:
        TransientError: worth another try; what came is kept where it can be gone on with.
        MissingResourceError: the server has no such file, or the address is refused.
        CorruptFileError: what the server sends is another kind of file, or a much larger one.
        DiskFullError, RunFolderError: the disk is, or would become, full, or refuses to write.
    """
    known = job.part.resumable(show_address(url))
    headers = {}
    if known is not None:
        headers = {"Range": f"bytes={job.part.received}-", "If-Range": known.validator}
    with _transport_errors(), _follow(client, url, headers) as response:
        _check_status(response)
        if known is not None and response.status_code != httpx.codes.OK:
            origin = _continued(response, job, known)
            chunks = response.iter_raw()
        else:
            origin = _started(response, show_address(url))
            _check_size(origin.size, job)
            chunks = _of_kind(response, job.kind)
            job.part.begin(origin)  # not before the first bytes look right: what another server sent is lost now
        _check_room(origin.size, job)
        job.part.append(_watch(chunks, job, origin.size))
    if origin.size is not None and job.part.received != origin.size:
        raise TransientError(f"{job.part.received} of {origin.size} bytes came")
    job.part.finish(origin)


@contextmanager
def _transport_errors() -> Iterator[None]:
    try:
        yield
    except httpx.InvalidURL as error:  # httpx looks where an answer sends on to, before anybody can ask
        raise _no_address(error) from error
    except httpx.TransportError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise MissingResourceError(f"the server's certificate is not trusted ({error})") from error
            cause = cause.__cause__ or cause.__context__
        raise TransientError(str(error) or type(error).__name__) from error


@contextmanager
def _follow(client: httpx.Client, url: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
    """Send a request and follow redirections, each of which is checked before anything is sent there."""
    place, chain = url, Chain(url)
    for _ in range(_REDIRECTIONS + 1):
        with chain.ask(client, place, headers) as response:
            if not response.has_redirect_location:
                yield response
                return
            place = _redirected(response)
    raise MissingResourceError(f"the server redirects more than {_REDIRECTIONS} times")


def _redirected(response: httpx.Response) -> str:
    """Return where an answer sends on to.

    Raises:
        MissingResourceError: that is no address.
    """
    try:
        return str(response.url.join(response.headers["Location"]))
    except (httpx.InvalidURL, ValueError) as error:
        raise _no_address(error) from error


def _no_address(error: Exception) -> MissingResourceError:
    return MissingResourceError(f"the server redirects to what is no address ({error})")


def _check_status(response: httpx.Response) -> None:
    code = response.status_code
    status = f"the server answers {code} {response.reason_phrase}".rstrip()
    if code in _BUSY or code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise TransientError(status, _seconds(response.headers.get("Retry-After", "")))
    if code not in (httpx.codes.OK, *_OF_A_RANGE):
        raise MissingResourceError(status)


def _continued(response: httpx.Response, job: Transfer, known: Origin) -> Origin:
    """Return the origin of an answer to a request for the rest; the part file is of no use if it does not fit."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    etag = response.headers.get("ETag", known.etag)
    if found is None or int(found[1]) != job.part.received or (known.etag and etag != known.etag):
        job.part.discard()
        raise TransientError("the file on the server is another one now")
    size = known.size if found[2] == "*" else int(found[2])
    if known.size is not None and size != known.size:
        job.part.discard()
        raise TransientError("the file on the server has another size now")
    return replace(known, size=size)


def _started(response: httpx.Response, url: str) -> Origin:
    """Return the origin of an answer that holds the whole file."""
    if response.status_code != httpx.codes.OK:
        raise MissingResourceError(f"the server answers {response.status_code}, which was not asked for")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise CorruptFileError("the server sends the file in another encoding than was asked for")
    length = response.headers.get("Content-Length", "")
    size = int(length) if length.isascii() and length.isdigit() else None
    return Origin(url, response.headers.get("ETag", ""), response.headers.get("Last-Modified", ""), size)


def _of_kind(response: httpx.Response, kind: FileKind) -> Iterator[bytes]:
    """Return the body if it begins as it should."""
    chunks = response.iter_raw()
    head = b""
    while len(head) < kind.head and (chunk := next(chunks, b"")):
        head += chunk
    if not kind.begins(head):
        sent = response.headers.get("Content-Type", "") or "something"
        raise CorruptFileError(f"the server sends {sent} that is {kind.otherwise}")
    return itertools.chain((head,), chunks)


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _check_size(size: int | None, job: Transfer) -> None:
    if size is not None and size > job.largest:
        raise CorruptFileError(
            f"the server offers a file of {size / MEGABYTE:,.0f} MB where at most {job.largest / MEGABYTE:,.0f} MB are "
            f"plausible: this is another file"
        )


def _check_room(size: int | None, job: Transfer) -> None:
    needed = round((size or 0) * (1 + job.kind.unpacked_share)) - job.part.received
    free = shutil.disk_usage(job.part.path.parent).free
    if needed > free:
        raise DiskFullError(
            f"{job.part.path.parent}: {needed / MEGABYTE:,.0f} MB are needed to download and unpack {job.name}, and "
            f"{free / MEGABYTE:,.0f} MB are free. Free some space, or choose another disk with --folder."
        )


def _watch(chunks: Iterator[bytes], job: Transfer, size: int | None) -> Iterator[bytes]:
    """Pass the body on, show how far it is, and stop where it grows without end."""
    start = done = job.part.received
    told, began = start // MEGABYTE, time.monotonic()
    with job.progress.task(job.name, max(1, round((size or 0) / MEGABYTE)), "MB", done=told) as task:
        for chunk in chunks:
            done += len(chunk)
            _check_size(done, job)
            yield chunk
            if done // MEGABYTE > told:
                pace = (done - start) / MEGABYTE / max(1e-3, time.monotonic() - began)
                task.advance(done // MEGABYTE - told, **{"MB/s": pace})
                told = done // MEGABYTE
