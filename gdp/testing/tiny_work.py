"""The work that the conformance kit gives to an executor's workers. Importing this imports no torch."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gdp.support.interfaces.executors import Doing

BEGUN = "begun"
_PULSE, _LONGEST = 0.02, 60.0
"""Seconds between two signs of life, and of all of them: a worker that nobody ends ends."""


@dataclass(frozen=True)
class TinyWork:
    """Opens a worker for tests of executors.

    Its pieces: `("who", None)` tells its number, the attempt and a name that is another each time it is opened;
    `("count", n)` tells 0 to n - 1, `("echo", anything)` that; `("end", None)` tells that it has begun and ends the
    process; `("live", path)` tells the same, and then writes into a file for a minute.
    """

    def __call__(self, number: int) -> Doing:
        """Open it: its name is another each time."""
        return _Opened(number, secrets.token_hex(8)).do


@dataclass(frozen=True)
class _Opened:
    number: int
    name: str

    def do(self, piece: Any, attempt: int) -> Iterator[Any]:
        """Do a piece: a word that says what, and what goes with it."""
        what, given = piece
        match what:
            case "who":
                yield self.number, attempt, self.name
            case "count":
                yield from range(given)
            case "echo":
                yield given
            case "end":
                yield BEGUN
                os._exit(7)
            case "live":
                yield from _live(Path(given))
            case _:
                raise ValueError(what)


def _live(place: Path) -> Iterator[str]:
    """Say nothing more, and write signs of life into a file where its folder is on this machine."""
    latest, begun = time.monotonic() + _LONGEST, False
    while time.monotonic() < latest:
        if place.parent.is_dir():
            with place.open("ab") as file:
                file.write(b".")
        if not begun:
            begun = True
            yield BEGUN
        time.sleep(_PULSE)
