"""The stages of a run by name; imports no torch."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """The stages of a run, in order; only a recipe with variants has the stage compare."""

    TEACHER = "teacher"
    PAIRS = "pairs"
    FILTER = "filter"
    TRAIN = "train"
    EVALUATE = "evaluate"
    EXPORT = "export"
    COMPARE = "compare"
    REPORT = "report"
