"""What a check says: a requirement that is not met, or a property that a plugin cannot have; and comparing results."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor


class NotConformantError(AssertionError):
    """A plugin lacks a property. `what` is wrong, and `mend` says what to do about it."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what}\n  mend: {mend}")
        self.what = what
        self.mend = mend


class DoesNotApplyError(Exception):
    """A property does not apply to this plugin; the message says why."""


def fail(what: str, mend: str) -> NoReturn:
    """Say that a property is lacking.

    Raises:
        NotConformantError: always.
    """
    raise NotConformantError(what, mend)


def require(condition: bool, what: str, mend: str) -> None:
    """Say that a property is lacking unless the condition holds.

    Raises:
        NotConformantError: it does not.
    """
    if not condition:
        fail(what, mend)


def require_same(first: Any, second: Any, what: str, mend: str, tolerance: float = 0.0) -> None:
    """Say that a property is lacking where two results differ; the message tells the first difference.

    Raises:
        NotConformantError: they differ by more than the tolerance.
    """
    found = difference(first, second, tolerance)
    if found is not None:
        fail(f"{what}: {found}", mend)


def require_plain(value: Any, what: str, mend: str, *, comes_back: bool = False) -> None:
    """Say that a property is lacking unless a value is plain JSON data, with `comes_back` without tuples.

    Raises:
        NotConformantError: it is not.
    """
    try:
        again = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        fail(f"{what} is no plain data: {error}", mend)
    changed = comes_back and again != value
    require(not changed, f"{what} is no plain data: {value!r} would come back as {again!r}"[:400], mend)


def difference(first: Any, second: Any, tolerance: float = 0.0, place: str = "result") -> str | None:
    """Return where two results first differ and how, or None.

    Args:
        first: tensors, numbers, words, dataclasses, and mappings and sequences of such.
        second: the same.
        tolerance: largest difference of two numbers, as a share of the larger one or absolute below 1.
        place: what the result is called.
    """
    if dataclasses.is_dataclass(first) and type(first) is type(second):
        fields = [field.name for field in dataclasses.fields(first)]
        parts = ((f"{place}.{name}", getattr(first, name), getattr(second, name)) for name in fields)
    elif isinstance(first, Mapping) and isinstance(second, Mapping):
        if set(first) != set(second):
            return f"{place} has {_names(first)} and {_names(second)}"
        parts = ((f"{place}[{key!r}]", first[key], second[key]) for key in first)
    elif isinstance(first, Sequence) and isinstance(second, Sequence) and not isinstance(first, str | bytes):
        if len(first) != len(second):
            return f"{place} has {len(first)} and {len(second)} parts"
        parts = ((f"{place}[{number}]", *both) for number, both in enumerate(zip(first, second, strict=True)))
    else:
        return _difference_of_values(first, second, tolerance, place)
    return next((found for name, *both in parts if (found := difference(both[0], both[1], tolerance, name))), None)


def _names(mapping: Mapping[Any, Any]) -> str:
    return ", ".join(sorted(map(str, mapping))) or "nothing"


def _difference_of_values(first: Any, second: Any, tolerance: float, place: str) -> str | None:
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return _difference_of_tensors(first, second, tolerance, place)
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (first, second))
    if numbers and tolerance and math.isclose(first, second, rel_tol=tolerance, abs_tol=tolerance):
        return None
    same = type(first) is type(second) and (first == second or _both_nan(first, second))
    return None if same else f"{place} is {first!r} and {second!r}"


def _both_nan(first: object, second: object) -> bool:
    return all(isinstance(value, float) and math.isnan(value) for value in (first, second))


def _difference_of_tensors(first: Tensor, second: Tensor, tolerance: float, place: str) -> str | None:
    if first.shape != second.shape or first.dtype != second.dtype:
        return f"{place} is {describe(first)} and {describe(second)}"
    if torch.equal(first, second):
        return None
    distance = (first.double() - second.double()).abs()
    limit = tolerance * torch.maximum(first.double().abs(), second.double().abs()).clamp(min=1.0)
    if bool((distance <= limit).all()):
        return None
    count = int((distance > limit).sum())
    return f"{place} differs by up to {float(distance.max()):.3g} in {count} of {first.numel()} numbers"


def describe(value: object) -> str:
    """Return what a value is, in a few words."""
    if isinstance(value, Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of shape {tuple(value.shape)}"
    return f"{type(value).__name__} {value!r}"[:120]


def require_tensor(
    value: object, shape: Sequence[int | None], what: str, *, dtype: torch.dtype = torch.float32, mend: str = ""
) -> Tensor:
    """Check shape (None for any size), data type, device and that all numbers are finite; return the tensor.

    Raises:
        NotConformantError: something is otherwise.
    """
    wanted = (
        f"{str(dtype).removeprefix('torch.')} ({', '.join('any' if size is None else str(size) for size in shape)})"
    )
    mend = mend or f"return a {wanted} tensor"
    if not isinstance(value, Tensor):
        fail(f"{what} is {describe(value)}, not a tensor", mend)
    fits = value.dim() == len(shape) and all(
        size in (None, found) for size, found in zip(shape, value.shape, strict=False)
    )
    require(fits and value.dtype == dtype, f"{what} is {describe(value)}; expected {wanted}", mend)
    require(value.device.type == "cpu", f"{what} is on {value.device} though the context's device is the CPU",
            "put networks and tensors on context.device")  # fmt: skip
    if value.dtype.is_floating_point:
        bad = int((~torch.isfinite(value)).sum())
        require(bad == 0, f"{what} has {bad} numbers that are NaN or infinite", "guard divisions, logarithms and roots")
    return value


def require_pictures(value: object, shape: Sequence[int | None], what: str, *, slack: float = 1e-3) -> Tensor:
    """Check a float32 tensor of pictures in [-1, 1], by more than which they may exceed it by `slack` only.

    Raises:
        NotConformantError: something is otherwise.
    """
    images = require_tensor(value, shape, what)
    values = images.detach()
    low, high = (float(values.min()), float(values.max())) if values.numel() else (0.0, 0.0)
    require(
        -1 - slack <= low and high <= 1 + slack,
        f"{what} has values in [{low:.3g}, {high:.3g}]; pictures are RGB in [-1, 1]",
        "scale to [-1, 1] (gdp.toolbox.from_levels does it) and clamp",
    )
    return images
