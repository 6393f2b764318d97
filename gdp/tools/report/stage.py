"""Stage report: make the files that a person reads."""

from __future__ import annotations

from typing import Any

from gdp.core.run.session import Session
from gdp.tools.report import read_folder, write_model_card, write_report

NAME = "report"


def key(session: Session) -> str:
    """Return the content key: the measurements, the exported student and the recipe's goals."""
    parts = ["filter", "evaluate", "export", *(["compare"] if session.recipe.compare else [])]
    stages = {stage: session.keys[stage] for stage in parts}
    goals = {name: target.model_dump(mode="json") for name, target in session.recipe.targets.items()}
    return session.key(NAME, {**stages, "targets": goals})


def is_there(session: Session) -> bool:
    """Say whether the files of a finished stage are still there."""
    return all((session.folder.path / name).is_file() for name in ("report.html", "student/README.md"))


def execute(session: Session) -> dict[str, Any]:
    """Write report.html and the student's model card."""
    data = read_folder(session.folder.path, lambda: session.plugins)
    path = write_report(data)
    write_model_card(data)
    return {"file": session.folder.relative(path), "bytes": path.stat().st_size}
