"""The recipe's `[targets]` held against what was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gdp.core.recipe.targets import find_targets
from gdp.tools.report.folder import RunData
from gdp.tools.report.wording import percent, plain, times, with_unit


@dataclass(frozen=True)
class Target:
    """A goal for one number; `low` and `high` are inclusive, None where that side is open."""

    name: str
    words: str
    low: float | None
    high: float | None
    unit: str = ""
    """Of the number: a `share` is written in percent."""

    def reached(self, value: float) -> bool:
        """Say whether a value is within the goal."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def write(self, value: float) -> str:
        """Write a value of this number."""
        return times(value) if self.unit == "times" else with_unit(value, self.unit)

    @property
    def goal(self) -> str:
        """The goal, such as `≥ 7 dB`."""
        if self.low is not None and self.high is not None:
            return f"{self._edge(self.low)} to {self._edge(self.high)}"
        return f"≥ {self._edge(self.low)}" if self.low is not None else f"≤ {self._edge(self.high or 0)}"

    def _edge(self, value: float) -> str:
        """Write an end of the goal as short as the recipe has it."""
        if self.unit == "share":
            return percent(value)
        if self.unit == "times":
            return times(value)
        if self.unit in ("ms", "s", "bytes"):
            return with_unit(value, self.unit)
        short = plain(value) if abs(value) >= 1000 else f"{value:.4g}".replace("-", "\u2212")
        return f"{short} {self.unit}".rstrip()


@dataclass(frozen=True)
class Assessment:
    """A target, what was measured, and whether that reaches it."""

    target: Target
    value: float | None
    """None where it was not measured."""
    reason: str = ""
    """Why it was not measured."""

    @property
    def reached(self) -> bool | None:
        """Say whether the target is reached; None where nobody knows."""
        return None if self.value is None else self.target.reached(self.value)

    @property
    def measured(self) -> str:
        """What was measured, in words."""
        return "not measured" if self.value is None else self.target.write(self.value)


def assess(data: RunData) -> list[Assessment]:
    """Hold what was measured against every target of the recipe, in the recipe's order."""
    assessments = []
    for path, goal in find_targets(data.section("targets")):
        name = ".".join(map(str, path))
        about = goal if isinstance(goal, dict) else {}
        low, high = _finite(about.get("min")), _finite(about.get("max"))
        if low is None and high is None:
            continue
        number = data.numbers.get(name)
        unit = "" if number is None else number.unit
        target = Target(name, str(about.get("words") or name), low, high, unit)
        reason = data.absent.get(name, "no evaluator of this recipe measures it")
        assessments.append(Assessment(target, None if number is None else number.value, "" if number else reason))
    return assessments


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
