"""Which stages of a run are finished, of those that its folder has on record."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from gdp.core.errors import CorruptFileError
from gdp.core.records import CORE_STAGES
from gdp.core.run_folder import RunFolder

_OF_THE_STUDENT = ("evaluate", "export", "compare", "report")
"""Stages of gdp's that take the trained student."""
_ORDER = (*CORE_STAGES, *_OF_THE_STUDENT)
"""The stages that gdp itself has."""


def still_finished(stages: Mapping[str, Mapping[str, Any]], keys: Mapping[str, Any]) -> list[str]:
    """Return the names of the finished stages in order, without those of an earlier student.

    Where pairs, their judging or the training are done anew, what stands behind them was made of what is no more.

    Args:
        stages: of stages.json.
        keys: as `present_keys` gives them.
    """
    lacking = next((stage for stage in CORE_STAGES[1:] if stage not in stages), None)
    outdated = _ORDER[_ORDER.index(lacking) :] if lacking else of_earlier_student(stages, keys)
    known = [stage for stage in _ORDER if stage in stages and stage not in outdated]
    return [*known, *(stage for stage in stages if stage not in _ORDER)]


def of_earlier_student(stages: Mapping[str, Mapping[str, Any]], keys: Mapping[str, Any]) -> list[str]:
    """Return the names of the finished stages that took another student than the present one, trained or in training.

    Those are older than the training, and none that the run's present inputs ask for: a training that only made lost
    files again left the same student. A run without any training on record has none.

    Args:
        stages: of stages.json.
        keys: as `present_keys` gives them.
    """
    trained = stages.get("train")
    found = [stage for stage in _OF_THE_STUDENT if stage in stages]
    if trained is None:
        return found if "train" in keys else []
    return [
        stage
        for stage in found
        if stages[stage].get("key") != keys.get(stage)
        and str(stages[stage].get("finished_at", "")) < str(trained.get("finished_at", ""))
    ]


def is_measured(folder: RunFolder) -> bool:
    """Say whether the numbers and pictures in a run's folder are of the student that is there.

    Raises:
        CorruptFileError: what the folder says of its stages is damaged.
    """
    stages = folder.stages()
    return "evaluate" in stages and "evaluate" not in of_earlier_student(stages, present_keys(folder))


def present_keys(folder: RunFolder) -> dict[str, Any]:
    """Return the content keys that a run's present inputs ask for; none where they are damaged, as gdp doctor tells."""
    keys: dict[str, Any] = {}
    with suppress(CorruptFileError):
        keys = folder.read_json("keys.json", keys)
    return keys
