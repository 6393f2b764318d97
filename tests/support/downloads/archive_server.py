"""A tiny set, and a real HTTP server on this machine that serves it and misbehaves as it is told."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image

from gdp.core.progress import ProgressTask
from gdp.support.downloads.download import Patience
from gdp.support.downloads.records import DownloadRecord
from gdp.support.downloads.sets import FetchedSet, fetch_set

PARTS = ("trainA", "trainB", "testA", "testB")
IMPATIENT = Patience(attempts=3, first_wait=0.01, longest_wait=0.05)


def picture(colour: str = "red") -> bytes:
    """Return a small JPEG file."""
    content = io.BytesIO()
    Image.new("RGB", (12, 10), colour).save(content, "JPEG")
    return content.getvalue()


def zipped(files: Mapping[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive of files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def tiny_set(**more: bytes) -> bytes:
    """Return the archive of a set `tiny`: two pictures a part, 200 kB of text that makes it worth breaking off."""
    files: dict[str | zipfile.ZipInfo, bytes] = {
        f"tiny/{part}/{number}.jpg": picture() for part in PARTS for number in (1, 2)
    }
    files["tiny/readme.txt"] = bytes(range(256)) * 800
    return zipped(files | {f"tiny/{name}": data for name, data in more.items()})


def tiny_record(archive: bytes, **changes: Any) -> DownloadRecord:
    """Return the record of the set `tiny`."""
    facts: dict[str, Any] = {
        "name": "tiny",
        "summary": "A tiny set",
        "urls": ("https://example.invalid/tiny.zip",),
        "size": len(archive),
        "parts": dict.fromkeys(PARTS, 2),
        "archive_folder": "tiny",
        "licence": "nobody's",
    }
    return DownloadRecord(**(facts | changes))


@dataclass
class ArchiveServer:
    """What the server gives, how it fails, and what it was asked."""

    content: bytes
    etag: str = '"first"'
    modified: str = ""
    ranges: bool = True
    """Whether it knows Range."""
    break_after: list[int] = field(default_factory=list)
    """For each of the next answers: after how many bytes of the body it hangs up."""
    statuses: list[int] = field(default_factory=list)
    """For each of the next requests: an error to answer with."""
    headers: dict[str, str] = field(default_factory=dict)
    location: str = ""
    """Where it redirects to; empty for nowhere."""
    chunked: bool = False
    """Whether it keeps the length for itself."""
    hang_after: int | None = None
    """After how many bytes of a body it falls silent until `go_on` is set."""
    go_on: threading.Event = field(default_factory=threading.Event)
    sent: list[int] = field(default_factory=list)
    """Bytes of each body that was sent, or began to be."""
    asked: list[Mapping[str, str]] = field(default_factory=list)
    """Headers of each request."""
    url: str = ""

    def start(self) -> ThreadingHTTPServer:
        """Serve in a thread until `shutdown()`."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{listener.server_address[1]}"
        threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return listener

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        self.asked.append(dict(request.headers))
        request.close_connection = True
        if self.location or self.statuses:
            request.send_response(302 if self.location else self.statuses.pop(0))
            if self.location:
                request.send_header("Location", self.location)
            self._end(request, "0")
            return
        start = self._start(request.headers.get("Range", ""), request.headers.get("If-Range", ""))
        if start is not None and start >= len(self.content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(self.content)}")
            self._end(request, "0")
            return
        body = self.content[start or 0 :]
        request.send_response(200 if start is None else 206)
        if start is not None:
            request.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        self._end(request, "" if self.chunked else str(len(body)))
        if self.break_after:
            body = body[: self.break_after.pop(0)]
        self.sent.append(len(body))
        if self.hang_after is not None:
            request.wfile.write(body[: self.hang_after])
            request.wfile.flush()
            self.go_on.wait()
            return
        request.wfile.write(body)

    def _start(self, wanted: str, if_range: str) -> int | None:
        fits = not if_range or if_range in (self.etag, self.modified)
        return int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges and fits else None

    def _end(self, request: BaseHTTPRequestHandler, length: str) -> None:
        own = {"ETag": self.etag, "Last-Modified": self.modified, "Content-Length": length}
        for name, value in (own | self.headers).items():
            if value:
                request.send_header(name, value)
        request.end_headers()


class Listener:
    """Keeps what it is told of the progress."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.done: dict[str, int] = {}
        self.totals: dict[str, int] = {}

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        listener = self

        class Task:
            def advance(self, amount: int = 1, **status: float | str) -> None:
                listener.done[name] += amount

        self.done[name], self.totals[name] = done, total
        yield Task()

    def message(self, text: str) -> None:
        self.messages.append(text)


def fetch(
    server: ArchiveServer, folder: Path, record: DownloadRecord | None = None, progress: Listener | None = None
) -> FetchedSet:
    """Fetch the set `tiny` from a server, without patience."""
    record = record or tiny_record(tiny_set())
    return fetch_set(record, folder, mirror=server.url, progress=progress, patience=IMPATIENT)


def leftovers(folder: Path) -> set[str]:
    """Return the names of what is in a folder, lock files aside."""
    return {path.name for path in folder.iterdir() if path.name[0] != "."}
