"""The server of the page: on this machine alone, for its own page alone, of files that are known by name.

A page of another site that a browser shows at the same time can neither read anything here nor have anything
translated: requests name this server (`Host`), and those that ask for work come from its own page (`Origin`).
"""

from __future__ import annotations

import json
import mimetypes
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from gdp.core.errors import GdpError
from gdp.tools.demo.content import POLICY, Demo
from gdp.tools.demo.translating import Translator
from gdp.tools.deploy.depth import Way

HOST = "127.0.0.1"
PORT = 8070
PORTS = 20
"""So many are tried from there on, where none is asked for."""
LARGEST = 2**26
"""Bytes of a picture file that is taken: 64 MB."""
MOST_WAITING = 4
"""Pictures that wait for their turn; further ones are refused, so that a stubborn client cannot fill the memory."""
TIMEOUT = 60.0
"""Seconds until a client that sends nothing is left."""
_POLL = 0.1
_TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm", ".html": "text/html"}
_HEADERS = {
    # Isolated from other pages: without that browsers give no shared memory, and the engine has one thread.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class DemoServer:
    """Gives the page to browsers of this machine, and translates what they send.

    Args:
        demo: the page.
        translator: of this machine's engine; None where there is none.
        port: None takes the first free one from `PORT` on.

    Raises:
        GdpError: the port is taken.
    """

    def __init__(self, demo: Demo, translator: Translator | None, port: int | None = None) -> None:
        self._server = _listen(port)
        self._server.files, self._server.translator = demo.files(), translator

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://{HOST}:{self._server.server_port}/"

    def serve_until(self, stop_requested: Callable[[], bool]) -> None:
        """Answer until a stop is asked for, which is looked at several times a second."""
        worker = threading.Thread(target=self._server.serve_forever, args=(_POLL,), daemon=True)
        worker.start()
        try:
            while not stop_requested():
                time.sleep(_POLL)
        finally:
            self._server.shutdown()
            self.close()

    def close(self) -> None:
        """Give the port back."""
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    files: dict[str, bytes | Path]
    translator: Translator | None

    def __init__(self, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.waiting = threading.BoundedSemaphore(MOST_WAITING)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of browsers that leave in the middle; anything else is a bug, and told."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def _listen(port: int | None) -> _Server:
    wanted = range(PORT, PORT + PORTS) if port is None else (port,)
    for number in wanted:
        try:
            return _Server(number)
        except OSError as error:
            reason = error.strerror or str(error)
    which = f"the ports {PORT} to {PORT + PORTS - 1} are all" if port is None else f"the port {port} is"
    raise GdpError(f"{which} not to be had ({reason}); name another with --port")


class _RefusedError(Exception):
    """A request that is not answered."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "gdp-demo"
    sys_version = ""
    timeout: ClassVar[float] = TIMEOUT
    wbufsize = -1  # an answer goes out in one piece

    def do_GET(self) -> None:
        """Give a file of the page."""
        if not self._is_for_us():
            return self._refuse(HTTPStatus.FORBIDDEN, "this server answers to its own address alone")
        name = urlsplit(self.path).path.removeprefix("/") or "index.html"
        content = self.server.files.get(name)
        if content is None:
            return self._refuse(HTTPStatus.NOT_FOUND, "there is no such file")
        kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return self._answer(HTTPStatus.OK, content.read_bytes() if isinstance(content, Path) else content, kind)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Translate the picture file that is sent."""
        self.close_connection = True  # whatever is refused unread is not taken for the next request
        try:
            translator, way, length = self._asked()
        except _RefusedError as refused:
            return self._refuse(refused.status, str(refused))
        if not self.server.waiting.acquire(blocking=False):
            return self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "other pictures are waiting; try again")
        try:
            made = translator.translate(self.rfile.read(length), way)
        except GdpError as error:
            return self._refuse(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        finally:
            self.server.waiting.release()
        facts = json.dumps({"runs": made.runs, "milliseconds": made.milliseconds, "told": made.told})
        return self._answer(HTTPStatus.OK, made.png, "image/png", {"X-Gdp-Demo": facts})

    def _asked(self) -> tuple[Translator, Way, int]:
        """Return what translates, how, and how many bytes the picture has."""
        place, translator = urlsplit(self.path), self.server.translator
        if not self._is_for_us() or self.headers.get("Origin") != f"http://{self.headers['Host']}":
            raise _RefusedError(HTTPStatus.FORBIDDEN, "only this server's own page may ask for that")
        if place.path != "/translate" or translator is None:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "nothing is translated here")
        wanted = parse_qs(place.query).get("way", [""])[0]
        way = next((way for way in translator.ways if way == wanted), None)
        if way is None:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, f"the way is one of {', '.join(translator.ways)}")
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED, "the picture's length is due")
        if int(length) > LARGEST:
            told = f"the file has more than {LARGEST // 2**20} MB; use gdp apply"
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, told)
        return translator, way, int(length)

    def _is_for_us(self) -> bool:
        """Tell whether the request names this server: a name of elsewhere that leads here is somebody's trick."""
        names = {f"{host}:{self.server.server_port}" for host in (HOST, "localhost")}
        return self.headers.get("Host") in names

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self._answer(status, json.dumps({"error": reason}).encode(), "application/json")

    def _answer(self, status: HTTPStatus, content: bytes, kind: str, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(content)), "Cache-Control": "no-store"}
        for name, value in (headers | _HEADERS | (more or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of requests."""
