"""The pictures of a pair by name, and numbers out of scores."""

from __future__ import annotations

from torch import Tensor

from gdp.core.pairs import PairBatch, Scores


def pictures_by_part(pairs: PairBatch) -> dict[str, Tensor]:
    """Return the pictures, each (N, 3, H, W), as `source`, `target` and, with two sources, `source2`."""
    pictures = {"source": pairs.source[:, :3], "target": pairs.target}
    if pairs.source.shape[1] > 3:
        pictures["source2"] = pairs.source[:, 3:]
    return pictures


def number(row: Scores, name: str) -> float | None:
    """Return a score that is a number; None where it could not be measured."""
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None
