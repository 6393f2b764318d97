"""What the student had before its first step: a table of the layers that it took over from its teacher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from gdp.tools.report.folder import RunData, mapping, mappings


@dataclass(frozen=True)
class Layer:
    """One layer of the student."""

    name: str
    origin: str
    """The teacher's layer that plays the same part; empty where there is none."""
    shape: str
    copied: bool
    reason: str
    """Why it was not copied."""


@dataclass(frozen=True)
class Initialisation:
    """All that is known of the student before its first step."""

    layers: list[Layer]
    facts: list[tuple[str, str]]


def read_initialisation(data: RunData) -> Initialisation | None:
    """Arrange what the training's initialisation.json holds; None where it tells nothing."""
    student = mapping(data.initialisation.get("student"))
    layers = [_layer(list(rows)) for _, rows in groupby(mappings(student.get("layers")), key=_layer_name)]
    facts = [
        (name.replace("_", " "), str(value))
        for name, value in student.items()
        if isinstance(value, str | int | float) and value != ""
    ]
    return Initialisation(layers, facts) if layers or facts else None


def _layer_name(row: Mapping[str, Any]) -> tuple[str, bool, str]:
    """Return what tensors of one layer share: its name, and what became of it."""
    return _module(row.get("student")), row.get("copied") is True, str(row.get("reason") or "")


def _module(tensor: Any) -> str:
    name = str(tensor or "")
    return name.rpartition(".")[0] or name


def _layer(rows: list[dict[str, Any]]) -> Layer:
    """Sum up a layer's tensors by the largest, its weight."""
    main = max(rows, key=lambda row: len(_sizes(row.get("student_shape"))))
    name, copied, reason = _layer_name(main)
    ours, theirs = (_sizes(main.get(f"{whose}_shape")) for whose in ("student", "teacher"))
    shape = _shape(ours) if not theirs or ours == theirs else f"{_shape(ours)}, the teacher's {_shape(theirs)}"
    return Layer(name, _module(main.get("teacher")), shape, copied, reason)


def _sizes(shape: Any) -> list[Any]:
    return shape if isinstance(shape, list) else []


def _shape(sizes: list[Any]) -> str:
    return " × ".join(str(size) for size in sizes)  # noqa: RUF001  # the sign that the report shows
