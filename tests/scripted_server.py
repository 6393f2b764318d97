"""A server that answers as a script says, and pairs of small pictures that are all different."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch

from gdp.core.pairs import PairBatch, PairRecord

KEY = "0a1b2c-do-not-print-this-key"


@dataclass
class Request:
    number: int
    path: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass
class Answer:
    """What to answer; `body` is sent as JSON unless it is bytes. A status of 0 drops the connection."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """Whether the second half of the body never comes."""


class ScriptedServer:
    """Answers each request by calling `script`; keeps what it was asked."""

    def __init__(self) -> None:
        self.script: Callable[[Request], Answer] = lambda request: Answer(body=[])
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # an answer goes out in one piece: two would wait for each other's acknowledgement

            def do_POST(self) -> None:
                server._answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        at = time.monotonic()
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        with self._lock:
            request = Request(len(self.requests), handler.path, dict(handler.headers), body, at)
            self.requests.append(request)
        answer = self.script(request)
        if answer.status == 0:
            handler.close_connection = True
            return
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        handler.send_response(answer.status)
        for name, value in {"Content-Length": str(len(content)), **answer.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2] if answer.cut else content)
        handler.wfile.flush()
        handler.close_connection = handler.close_connection or answer.cut


def make_pairs(count: int, first: int = 0, *, size: int = 16, two_sources: bool = False) -> PairBatch:
    """Make pairs of noise; a pair's pictures depend on its number alone."""
    rows = []
    for index in range(first, first + count):
        generator = torch.Generator().manual_seed(index)
        rows.append(torch.rand(3, 3, size, size, generator=generator) * 2 - 1)
    pictures = torch.stack(rows)
    source = torch.cat([pictures[:, 0], pictures[:, 2]], dim=1) if two_sources else pictures[:, 0]
    indices = list(range(first, first + count))
    return PairBatch(indices, source, pictures[:, 1], [PairRecord(index, 0) for index in indices])


def azure_face(*, width: int = 100, **attributes: Any) -> dict[str, Any]:
    """One face as Azure tells of it."""
    face: dict[str, Any] = {"faceRectangle": {"width": width, "height": width, "left": 1, "top": 1}}
    if attributes:
        face["faceAttributes"] = attributes
    return face


def blurred(value: float) -> dict[str, Any]:
    return {"blurLevel": "low" if value < 0.25 else "medium" if value < 0.75 else "high", "value": value}
