"""What a student was trained on, as the card beside its weights says it. The card is untrusted. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gdp.core.errors import CorruptFileError
from gdp.core.interfaces.datasets import PictureKind
from gdp.support.picture_statistics import PictureStatistics

FIELD = "trained_on"
LONGEST = 200
"""Characters of a text in it."""
PHOTOGRAPHS = "faces"
"""The aligner of faces in photographs, as `--align` takes it."""
_ALIGNER = re.compile(r"[a-z][a-z0-9-]*(:builtin:[a-z0-9-]+)?")
"""What a student may name for `--align`: a plugin and what comes with it, and no file of the machine."""


@dataclass(frozen=True)
class TrainedOn:
    """What is known of a student's training pictures; of a student of an older gdp only their size."""

    resolution: int
    """Their height and width in pixels."""
    shows: PictureKind | None = None
    statistics: PictureStatistics | None = None
    pairs: int | None = None


def read_trained_on(data: object, resolution: int, where: str) -> TrainedOn:
    """Read the part `trained_on` of a student's description, or of an exported file's card.

    Args:
        data: the part; None where an older gdp wrote none.
        resolution: of the student.
        where: what an error calls the file.

    Raises:
        CorruptFileError: it is no such part.
    """
    if resolution < 1:
        raise _damaged(f"{where}: resolution", "is no number of pixels")
    if data is None:
        return TrainedOn(resolution)
    where = f"{where}: {FIELD}"
    if not isinstance(data, Mapping):
        raise _damaged(where, "is no table")
    pairs = data.get("pairs")
    if pairs is not None and (isinstance(pairs, bool) or not isinstance(pairs, int) or pairs < 0):
        raise _damaged(f"{where}.pairs", "is no number of pairs")
    for name in ("pair_source", "teacher", "weights_licence"):
        _text(data, name, where, needed=False)
    statistics = data.get("statistics")
    return TrainedOn(
        resolution,
        _shows(data.get("pictures"), f"{where}.pictures"),
        None if statistics is None else PictureStatistics.from_data(statistics, f"{where}.statistics"),
        pairs,
    )


def _shows(data: Any, where: str) -> PictureKind | None:
    if data is None:
        return None
    if not isinstance(data, Mapping):
        raise _damaged(where, "is no table")
    kind = PictureKind(
        _text(data, "words", where, needed=True),
        *(_text(data, name, where, needed=False) for name in ("one", "frame", "aligner")),
    )
    if kind.aligner and not _ALIGNER.fullmatch(kind.aligner):
        raise _damaged(f"{where}.aligner", "names an aligner as NAME or NAME:builtin:FILE, and this is none")
    return kind


def _text(data: Mapping[str, Any], name: str, where: str, *, needed: bool) -> str:
    value = data.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST or not value.isprintable() or (needed and not value):
        raise _damaged(f"{where}.{name}", f"is no line of text of at most {LONGEST} characters")
    return value


def _damaged(where: str, what: str) -> CorruptFileError:
    return CorruptFileError(f"{where} {what}; export the student again, or take that part out")
