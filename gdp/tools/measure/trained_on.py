"""What a student was trained on, for its card: what the pictures show, how many, from whom, and how they look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy

from gdp.core.pairs.store import PairStore
from gdp.core.run.origin import shown_pictures, teacher_licence
from gdp.core.run.session import Session
from gdp.core.run.stages.filters import HELD_OUT, TRAIN
from gdp.support.picture_statistics import Levels, PictureStatistics, fitted, measured_at

MEASURED, TRIED = 256, 100
"""Sources whose look is measured, of the training pairs, and of the held-out ones on which the outcome is tried."""
_PAGE = 8
"""Pairs that are decoded at a time: they may be large, and what is kept of them is small."""


def trained_on(session: Session) -> dict[str, Any]:
    """Return the part `trained_on` of student.json as plain data.

    Raises:
        PluginError: what the teacher or the pair source says of itself is no such thing.
        CorruptFileError: a stored pair cannot be read.
    """
    recipe, shown = session.recipe, shown_pictures(session)
    with session.open_store(read_only=True) as store:
        train, held_out = (session.split(store, name) for name in (TRAIN, HELD_OUT))
        statistics = _statistics(store, train, held_out, measured_at(session.pair_source.resolution))
    return {
        "resolution": session.pair_source.resolution,
        "pairs": len(train),
        "pair_source": recipe.pairs.record.name,
        "pictures": None if shown is None else asdict(shown),
        "teacher": None if recipe.teacher is None else recipe.teacher.record.name,
        "weights_licence": teacher_licence(session),
        "statistics": None if statistics is None else statistics.to_data(),
    }


def _statistics(store: PairStore, train: Sequence[int], held_out: Sequence[int], size: int) -> PictureStatistics | None:
    found = PictureStatistics.of(list(_sources(store, _spread(train, MEASURED), size)), size)
    if found is None:
        return None
    distances = [found.distance(picture) for picture in _sources(store, _spread(held_out, TRIED), size)]
    return replace(found, held_out=(len(distances), sum(distance > 1 for distance in distances)))


def _spread(indices: Sequence[int], count: int) -> list[int]:
    """Return so many of these at most, evenly spread."""
    if len(indices) <= count:
        return list(indices)
    return [indices[place] for place in numpy.linspace(0, len(indices) - 1, count).round().astype(int)]


def _sources(store: PairStore, indices: Sequence[int], size: int) -> Iterator[Levels]:
    """Yield every input of these pairs, brought to the size at which it is measured."""
    for start in range(0, len(indices), _PAGE):
        source, _ = store.load_uint8(indices[start : start + _PAGE])  # (N, C, H, W)
        for picture in source.reshape(-1, 3, *source.shape[2:]).permute(0, 2, 3, 1).numpy():
            yield fitted(picture, size)
