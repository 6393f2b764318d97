"""Keeps OpenVINO and nncf from telling their makers what they are used for.

Both report by network that they were imported, what they convert and with which settings, unless the user has opted out
in a file of the home folder, where they also leave a number that knows this user again. Whoever uses gdp asked for none
of it. Both do without their package of telemetry where it is not installed, so that is what they find while gdp works
with them; where a program has loaded it before, what would be sent meanwhile is dropped. The user's choice and home
folder are not touched, and a program's own use of OpenVINO before and after stays as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

PACKAGE = "openvino_telemetry"
_one_at_a_time = RLock()


@contextmanager
def nothing_sent() -> Iterator[None]:
    """Let nothing that OpenVINO or nncf do in this block be sent to anybody; imports of them belong inside, too."""
    with _one_at_a_time:
        loaded = sys.modules.get(PACKAGE)
        if loaded is not None:
            with _dropped(loaded):
                yield
            return
        hidden = PACKAGE in sys.modules  # by a block around this one, or by the program
        sys.modules[PACKAGE] = None  # type: ignore[assignment] # Python's way to say that there is no such module
        try:
            yield
        finally:
            if not hidden:
                sys.modules.pop(PACKAGE, None)


@contextmanager
def _dropped(package: Any) -> Iterator[None]:
    """Drop what the loaded package would send: every message goes through its sender."""
    sender = package.main.TelemetrySender
    send = sender.send
    sender.send = lambda self, backend, message: None
    try:
        yield
    finally:
        sender.send = send
