"""What the answers of all face services have in common."""

from __future__ import annotations

import math
from typing import Any

from gdp import Json, Score


def refused(answer: Json) -> dict[str, Score]:
    """Return the scores of a picture that the service did not take: no number of faces, and the problem in words."""
    return {"faces": None, "problem": str(answer["problem"])}


def faces_of(answer: Json) -> list[Any]:
    """Return what is said of each face.

    Raises:
        KeyError, TypeError: the answer is not of the documented shape.
    """
    faces = answer["faces"]
    if not isinstance(faces, list):
        raise TypeError("the answer is no list of faces")
    return faces


def number(value: Json) -> float:
    """Return a finite number.

    Raises:
        TypeError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no number")
    return float(value)
