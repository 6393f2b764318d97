"""Which stages of a run are finished, of those that its folder has on record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gdp.core.records import CORE_STAGES

_ORDER = (*CORE_STAGES, "evaluate", "export", "compare", "report")
"""The stages that gdp itself has."""


def still_finished(stages: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the names of the finished stages in order, without those of an earlier student.

    Where pairs, their judging or the training are done anew, what stands behind them was made of what is no more.
    """
    lacking = next((stage for stage in CORE_STAGES[1:] if stage not in stages), None)
    outdated = _ORDER[_ORDER.index(lacking) :] if lacking else ()
    known = [stage for stage in _ORDER if stage in stages and stage not in outdated]
    return [*known, *(stage for stage in stages if stage not in _ORDER)]
