"""Writing what was found: a file for each direction, and its picture strip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gdp.core.directions.effects import STRENGTHS, Effects
from gdp.core.directions.files import save_direction
from gdp.core.directions.search import Finding, SearchSettings, Tools, measuring_ws
from gdp.core.directions.strip import write_strip


def write_findings(
    tools: Tools,
    settings: SearchSettings,
    findings: Sequence[Finding],
    *,
    output: str | Path | None,
    strip: str | Path | None,
    rows: int,
) -> list[Path | None]:
    """Write directions and strips; return each direction's file, None where there is no `output`.

    Raises:
        DiskFullError, RunFolderError: a file cannot be written.
    """
    names = [finding.direction.name for finding in findings]
    files = _named(output, names)
    for finding, file, picture in zip(findings, files, _named(strip, names), strict=True):
        if file is not None:
            save_direction(finding.direction, file)
        if picture is not None:
            ws = measuring_ws(tools.teacher, settings)[:rows]
            write_strip(tools.teacher, finding.direction, ws, _captions(finding), picture)
    return files


def _named(path: str | Path | None, names: Sequence[str]) -> list[Path | None]:
    """Return a path for each direction: `out.png`, or `out-smile.png` and so on where there are several."""
    if path is None:
        return [None] * len(names)
    path = Path(path)
    return [path] if len(names) == 1 else [path.with_stem(f"{path.stem}-{name}") for name in names]


def _captions(finding: Finding) -> list[list[str]]:
    """Write under each column its strength, and what was measured there of the label (or of what changes most)."""
    effects = finding.effects
    if effects is None:
        return [[f"{strength:+.0f}"] for strength in STRENGTHS]
    score = str(finding.direction.found.get("label") or _most_changed(effects))
    if not score:
        return [[f"{effect.strength:+.0f}"] for effect in effects.strengths]
    short = score.removeprefix("source_")
    return [[f"{effect.strength:+.0f}", f"{short} {effect.means[score]:.3g}"] for effect in effects.strengths]


def _most_changed(effects: Effects) -> str:
    changes = effects.changes
    return max(changes, key=lambda name: abs(changes[name]), default="")
