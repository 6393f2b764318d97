"""What the numbers of a model's head mean, and what a rule says of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gdp.core.errors import ShapeError
from gdp.core.pairs import Score
from gdp.plugins.onnx_filters.config import Head, Rule
from gdp.plugins.onnx_filters.model import OnnxModel


class HeadReader:
    """Reads one head out of a model's outputs.

    Raises:
        ShapeError: the model has no such output, or it holds another count of numbers than the head has meanings.
    """

    def __init__(self, name: str, head: Head, model: OnnxModel) -> None:
        self.name = name
        self.head = head
        self.output = model.output(head.output, f"the head {name}")
        size = math.prod(model.outputs[self.output])
        first, last = head.slice or (0, size)
        self._slice = slice(first, last)
        wanted = len(head.bins) or len(head.labels) or 1
        if head.activation == "sigmoid":
            wanted = 1
        if last > size or last - first != wanted:
            raise ShapeError(
                f"{model.path}: the head {name} has {wanted} numbers; the output {self.output} has {size}"
                + (f", of which the slice takes {first} to {last}." if head.slice else ": say which (slice).")
            )

    def read(self, outputs: dict[str, Tensor]) -> list[dict[str, Score]]:
        """Return what the head tells of each picture, from the outputs (N, ...) of the model.

        Of a head called age, labels: `age` and `age_confidence`. bins: `age_low`, `age_high` (None where it is open),
        `age_confidence`, and `age`, the mean over all bins. regression: `age`. None where the model gave no number.
        """
        numbers = outputs[self.output].flatten(1)[:, self._slice].double()  # (N, numbers)
        return [self._meaning(row) for row in self._activated(numbers)]

    def _activated(self, numbers: Tensor) -> Tensor:
        head = self.head
        if head.kind == "regression" or head.activation == "none":
            return torch.sigmoid(numbers) if head.activation == "sigmoid" else numbers
        if head.activation == "sigmoid":
            one = torch.sigmoid(numbers)
            return torch.cat([1 - one, one], dim=1)
        return torch.softmax(numbers, dim=1)

    def _meaning(self, numbers: Tensor) -> dict[str, Score]:
        name, head = self.name, self.head
        sound = bool(torch.isfinite(numbers).all())
        if head.kind == "regression":
            return {name: round(float(numbers[0]) * head.factor + head.offset, 4) if sound else None}
        best = int(numbers.argmax())
        confidence = round(float(numbers[best]), 4) if sound else None
        if head.kind == "labels":
            return {name: head.labels[best] if sound else None, f"{name}_confidence": confidence}
        bounds = head.bins[best]
        low, high = bounds[0], bounds[1] if len(bounds) == 2 else None
        mean = (
            sum(float(share) * middle for share, middle in zip(numbers, _middles(head), strict=True)) if sound else 0.0
        )
        return {
            name: round(mean, 2) if sound else None,
            f"{name}_low": low if sound else None,
            f"{name}_high": high if sound else None,
            f"{name}_confidence": confidence,
        }


def _middles(head: Head) -> list[float]:
    """Return the middle of each bin; an open one counts as wide as the one before it."""
    ranges: list[tuple[float, float]] = []
    for bounds in head.bins:
        width = ranges[-1][1] - ranges[-1][0] if ranges else 0.0
        ranges.append((bounds[0], bounds[1] if len(bounds) == 2 else bounds[0] + width))
    return [(low + high) / 2 for low, high in ranges]


def straddling(head: Head, rule: Rule) -> list[str]:
    """Return the bins that hold a limit of the rule inside, such as 10-19 for 18."""
    found = []
    for bounds in head.bins:
        low, high = bounds[0], bounds[1] if len(bounds) == 2 else math.inf
        if any(limit is not None and _side(low, high, limit, least) is None for limit, least in _limits(rule)):
            found.append(f"{low:g}-{high:g}" if math.isfinite(high) else f"{low:g} and above")
    return found


def within(rule: Rule, low: float, high: float) -> bool | None:
    """Say whether what lies somewhere from low to high keeps to `min` and `max`; None where that is not certain."""
    sides = [_side(low, high, limit, least) for limit, least in _limits(rule) if limit is not None]
    if False in sides:
        return False
    return None if None in sides else True


def _limits(rule: Rule) -> tuple[tuple[float | None, bool], tuple[float | None, bool]]:
    return (rule.min, True), (rule.max, False)


def _side(low: float, high: float, limit: float, least: bool) -> bool | None:
    """Say whether low to high lies on the right side of a limit; None where the limit parts it."""
    if least:
        return True if low >= limit else (False if high < limit else None)
    return True if high <= limit else (False if low > limit else None)
