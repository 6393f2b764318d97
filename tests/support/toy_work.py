"""A work for the tests of dispatching: it squares numbers, and ends, hangs or fails where it is told to."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gdp.core.errors import MissingResourceError


@dataclass(frozen=True)
class Squares:
    """Tells a number itself, and then its square."""

    dies_at: tuple[int, ...] = ()
    """At the first attempt."""
    always_dies_at: int | None = None
    hangs_at: int | None = None
    """At the first attempt."""
    fails_at: int | None = None
    breaks_at: int | None = None
    dies_behind: int | None = None
    """When it has told the square, and not yet that it is done."""

    def __call__(self, number: int) -> Callable[[int, int], Iterator[tuple[str, int]]]:
        def square(piece: int, attempt: int) -> Iterator[tuple[str, int]]:
            yield "begun", piece
            if piece == self.always_dies_at or (piece in self.dies_at and attempt == 1):
                os.kill(os.getpid(), signal.SIGKILL)
            if piece == self.hangs_at and attempt == 1:
                time.sleep(3600)
            if piece == self.fails_at:
                raise MissingResourceError("there is no seventh number")
            if piece == self.breaks_at:
                raise ZeroDivisionError("of the toy")
            yield "square", piece**2
            if piece == self.dies_behind and attempt == 1:
                os.kill(os.getpid(), signal.SIGKILL)

        return square
