"""How a video is turned: what its display matrix says, done to its frames."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

Picture = NDArray[numpy.uint8]
_NEARLY = math.radians(1)


@dataclass(frozen=True)
class Turn:
    """One of the eight ways to lay a picture: rows and columns changed with each other first, then mirrored."""

    across: bool = False
    """Whether rows become columns."""
    left_right: bool = False
    up_down: bool = False

    def turned(self, picture: Picture) -> Picture:
        """Return what is stored as (H, W, ...) as it is to be seen: (H, W, ...), or (W, H, ...) where it lay."""
        if self.across:
            picture = picture.swapaxes(0, 1)
        rows, columns = (slice(None, None, -1 if back else 1) for back in (self.up_down, self.left_right))
        return numpy.ascontiguousarray(picture[rows, columns])

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return (width, height) as they are to be seen."""
        return (height, width) if self.across else (width, height)


def read_turn(matrix: bytes | None) -> tuple[Turn, str | None]:
    """Return what a display matrix asks for, and what is to be told where that is more than a quarter of a turn.

    Args:
        matrix: nine 32-bit integers a b u, c d v, x y w, in the order of ISO/IEC 14496-12, 8.3.2: what is at (p, q),
            q counted down, is shown at (a p + c q + x, b p + d q + y). None where there is none.
    """
    if matrix is None:
        return Turn(), None
    a, b, _, c, d, *_ = (float(value) for value in numpy.frombuffer(matrix, numpy.int32))
    if not (a or b) or not (c or d):
        return Turn(), "its display matrix shows nothing and is left out"
    across = abs(b) > abs(a)
    turn = Turn(across, *((c < 0, b < 0) if across else (a < 0, d < 0)))
    slanted = math.atan2(abs(a), abs(b)) if across else math.atan2(abs(b), abs(a))
    said = f"it is to be shown slanted by {math.degrees(slanted):.0f} degrees, which is left out"
    return turn, said if slanted > _NEARLY else None
