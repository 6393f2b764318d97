"""From scores and rules to a verdict, for every service alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gdp import Score, Scores, Verdict
from gdp.toolbox import Of

Face = Mapping[str, Score]
"""Scores of one picture, without its name before theirs."""

Test = Callable[[Face], bool | None]
"""Says whether a face passes, by its scores; None where they do not tell."""


@dataclass(frozen=True)
class Finding:
    """Something that speaks against keeping a pair."""

    decision: Literal["drop", "unknown"]
    reason: str


def parts(row: Scores, of: Of) -> dict[str, Face]:
    """Sort a pair's scores by picture: source, source2, target."""
    names = {"source": ("source", "source2"), "target": ("target",), "both": ("source", "source2", "target")}[of]
    return {
        name: {key.removeprefix(f"{name}_"): score for key, score in row.items() if key.startswith(f"{name}_")}
        for name in names
        if f"{name}_faces" in row
    }


def findings(
    pictures: Mapping[str, Face],
    least: int,
    most: int,
    rules: Sequence[tuple[Test, str]],
) -> Iterator[Finding]:
    """Hold the number of faces and the rules against each picture."""
    for name, face in pictures.items():
        count = face.get("faces")
        if not isinstance(count, int):
            yield Finding("unknown", f"{name}: {face.get('problem') or 'no answer'}")
        elif not least <= count <= most:
            yield Finding("drop", f"{_count(count)} in the {name.rstrip('2')}")
        elif count:
            for passes, reason in rules:
                passed = passes(face)
                if passed is None:
                    yield Finding("unknown", f"cannot tell: {reason}")
                elif not passed:
                    yield Finding("drop", reason)


def verdict(found: Iterable[Finding], row: Scores) -> Verdict:
    """Drop the pair for the first reason to do so; failing that, call it unknown for the first; else keep it."""
    listed = list(found)
    for decision in ("drop", "unknown"):
        for finding in listed:
            if finding.decision == decision:
                return Verdict(finding.decision, row, finding.reason)
    return Verdict("keep", row)


def _count(faces: int) -> str:
    return "no face" if faces == 0 else "1 face" if faces == 1 else f"{faces} faces"
