"""Stage teacher: load the heavy model and record what it is."""

from __future__ import annotations

from typing import Any

from gdp.core.arithmetic import count_macs, count_parameters
from gdp.core.stages.session import Session

NAME = "teacher"


def key(session: Session) -> str:
    """Return the content key: the teacher's settings and the hash of its weights."""
    choice, teacher = session.recipe.teacher, session.teacher
    if choice is None or teacher is None:
        return session.key(NAME, {})
    return session.key(NAME, {**session.settings_key(choice), "fingerprint": teacher.fingerprint})


def execute(session: Session) -> dict[str, Any]:
    """Record what the teacher is: weights' hash, parameters, multiply-accumulates for one picture."""
    choice, teacher = session.recipe.teacher, session.teacher
    if choice is None or teacher is None:
        return {"plugin": None}
    return {
        "plugin": choice.record.name,
        "licence": choice.record.licence,
        "weights_sha256": teacher.fingerprint,
        "resolution": teacher.resolution,
        "parameters": count_parameters(teacher.module),
        "macs": count_macs(teacher.module, *teacher.example_inputs()),
    }
