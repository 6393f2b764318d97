"""A demo's server that works while a test does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gdp.tools.demo.server import DemoServer


@contextmanager
def served(server: DemoServer) -> Iterator[str]:
    """Let a server answer, and yield its address."""
    stopped = threading.Event()
    thread = threading.Thread(target=server.serve_until, args=(stopped.is_set,))
    thread.start()
    try:
        yield server.address
    finally:
        stopped.set()
        thread.join()
