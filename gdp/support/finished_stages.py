"""Which stages of a run are finished, of those that its folder has on record."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from gdp.core.errors import CorruptFileError
from gdp.core.records import CORE_STAGES
from gdp.core.run_folder import RunFolder

_ORDER = (*CORE_STAGES, "evaluate", "export", "compare", "report")
"""The stages that gdp itself has."""


def still_finished(stages: Mapping[str, Mapping[str, Any]], keys: Mapping[str, Any]) -> list[str]:
    """Return the names of the finished stages in order, without those that are `outdated`.

    Args:
        stages: of stages.json.
        keys: as `present_keys` gives them.
    """
    left_out = outdated(stages, keys)
    known = [stage for stage in _ORDER if stage in stages and stage not in left_out]
    return [*known, *(stage for stage in stages if stage not in _ORDER)]


def outdated(stages: Mapping[str, Mapping[str, Any]], keys: Mapping[str, Any]) -> list[str]:
    """Return the names of the finished stages of gdp's that an earlier recipe asked for.

    Where pairs, their judging or the training are done anew, or were, what stands behind them was made of what is no
    more. A stage that was only mended, for its files were lost, leaves what it left before: the keys tell it.

    Args:
        stages: of stages.json.
        keys: as `present_keys` gives them.
    """
    found: list[str] = []
    remade, newest = False, ""
    for stage in _ORDER:
        is_core = stage in CORE_STAGES
        if stage not in stages:
            remade |= is_core and stage != CORE_STAGES[0]  # a run may have no teacher
            continue
        finished_at = str(stages[stage].get("finished_at", ""))
        if remade or (finished_at < newest and stages[stage].get("key") != keys.get(stage)):
            found.append(stage)
            remade |= is_core
        elif is_core:
            newest = max(newest, finished_at)
    return found


def is_measured(folder: RunFolder) -> bool:
    """Say whether the numbers and pictures in a run's folder are of the student that its recipe asks for.

    Raises:
        CorruptFileError: what the folder says of its stages is damaged.
    """
    stages = folder.stages()
    return "evaluate" in stages and "evaluate" not in outdated(stages, present_keys(folder))


def present_keys(folder: RunFolder) -> dict[str, Any]:
    """Return the content keys that a run's present inputs ask for; none where they are damaged, as gdp doctor tells."""
    keys: dict[str, Any] = {}
    with suppress(CorruptFileError):
        keys = folder.read_json("keys.json", keys)
    return keys
