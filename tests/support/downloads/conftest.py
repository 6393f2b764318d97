"""Servers that stop when the test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import pytest
from archive_server import ArchiveServer

Serve = Callable[..., ArchiveServer]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Return a function that starts a server of an archive, for one test."""
    monkeypatch.delenv("GDP_MIRROR", raising=False)
    listeners: list[ThreadingHTTPServer] = []
    servers: list[ArchiveServer] = []

    def start(content: bytes, **behaviour: Any) -> ArchiveServer:
        server = ArchiveServer(content, **behaviour)
        servers.append(server)
        listeners.append(server.start())
        return server

    yield start
    for server in servers:
        server.go_on.set()
    for listener in listeners:
        listener.shutdown()
        listener.server_close()
