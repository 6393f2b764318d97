"""Stage report: make the files that a person reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gdp.core.interfaces.stages import Stage
from gdp.core.run.session import Session
from gdp.tools.report import read_folder, write_model_card, write_report, written_files

SHOWN = ("filter", "evaluate", "export", "compare")
"""Stages of gdp whose outcome the report shows."""
UNSEEN = ("teacher", "pairs", "store", "train")
"""Stages on which those rest."""


class ReportStage(Stage[Session]):
    """Writes the report and the student's model card."""

    def key(self, run: Session, keys: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what the outcome depends on: all that is shown, stages of other packages too, and the goals."""
        stages = {name: keys[name] for name in SHOWN if name in keys}
        others = {name: key for name, key in keys.items() if name not in (*SHOWN, *UNSEEN)}
        goals = {name: target.model_dump(mode="json") for name, target in run.recipe.targets.items()}
        return {**stages, **others, "targets": goals}

    def is_there(self, run: Session) -> bool:
        """Say whether the files of a finished stage are still there."""
        return all((run.folder.path / name).is_file() for name in ("report.html", "student/README.md"))

    def leaves(self, run: Session) -> Iterable[Path]:
        """Return the report, the model card and its pictures."""
        return written_files(run.folder.path)

    def execute(self, run: Session) -> dict[str, Any]:
        """Write report.html and the student's model card."""
        data = read_folder(run.folder.path, lambda: run.plugins)
        path = write_report(data)
        write_model_card(data)
        return {"file": run.folder.relative(path), "bytes": path.stat().st_size}
