"""The head of the engineers' part: what came of the run in one paragraph, its figures, and the recipe's targets.

What a number means is the affair of the evaluator that measured it: its sentences and headlines are shown here. What
this module knows itself is the recipe, the run's own numbers (pairs, the student's size) and how to hold a number
against its target.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup, escape

from gdp.core.interfaces.evaluators import Headline, Place
from gdp.core.recipe.sections import find_targets
from gdp.support.metrics_files import finite
from gdp.support.wording import listed, percent, plain, scaled, times, with_unit
from gdp.tools.report.folder import RunData

MOST = 8
"""Figures that head the report."""
STUDENT_RANK = 5
"""Rank of the sentence on what the student is; those on the truth stand before it."""


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
        return f"≥\u00a0{self._edge(self.low)}" if self.low is not None else f"≤\u00a0{self._edge(self.high or 0)}"

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
    same_judge: str = ""
    """The filter that chose the pairs by the judge that this number is made of."""

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
    otherwise = "not measured yet" if "evaluate" in data.unfinished else "no evaluator of this recipe measures it"
    for path, goal in find_targets(data.section("targets")):
        name = ".".join(map(str, path))
        about = goal if isinstance(goal, dict) else {}
        low, high = finite(about.get("min")), finite(about.get("max"))
        if low is None and high is None:
            continue
        number = data.numbers.get(name)
        unit = "" if number is None else number.unit
        target = Target(name, str(about.get("words") or name), low, high, unit)
        reason = data.absent.get(name, otherwise)
        value, judge = None if number is None else number.value, data.filtered_by_its_judge(name)
        assessments.append(Assessment(target, value, "" if number else reason, judge))
    return assessments


def verdict(data: RunData) -> Markup:
    """Say in a few sentences what came of the run: how it stands to the truth, what is missed, what the student is."""
    first = said(data, "verdict", before_student=True)
    return Markup(" ").join([*first, *_missed(data), *_reached(data), *_student(data)])


def details(data: RunData) -> Markup:
    """Say all else that the evaluators found."""
    return Markup(" ").join([*said(data, "verdict", before_student=False), *_same_judge(data)])


def said(data: RunData, place: Place, before_student: bool | None = None) -> list[Markup]:
    """Return the sentences of the evaluators that stand in one place, by rank.

    Args:
        data: the run.
        place: verdict, or another part of the report.
        before_student: only those before the sentence on what the student is, or only those after it; None for all.
    """
    chosen = [one for one in data.sentences if one.place == place and before_student in (None, one.rank < STUDENT_RANK)]
    sentences = sorted(chosen, key=lambda sentence: sentence.rank)
    return [emphasised(text) for text in dict.fromkeys(sentence.text for sentence in sentences) if text]


def emphasised(text: str) -> Markup:
    """Return text as markup, with what stands between `**` and `**` made strong; a `**` without another stays."""
    parts = text.split("**")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<strong>{}</strong>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def headlines(data: RunData) -> list[Headline]:
    """Return the numbers that head the report, at most `MOST`: everybody's first, then everybody's second, by rank."""
    taken: Counter[str] = Counter()
    turns = []
    for evaluator, headline in data.headlines:
        turns.append((taken[evaluator], headline))
        taken[evaluator] += 1
    chosen = sorted(turns, key=lambda turn: (turn[0], turn[1].rank))[:MOST]
    return sorted((headline for _, headline in chosen), key=lambda headline: headline.rank)


def _student(data: RunData) -> Iterator[Markup]:
    student, teacher = data.section("student").get("plugin"), data.section("teacher").get("plugin")
    if not student:
        return
    size = data.value("size.student.parameters")
    parts = Markup("The student is a feed-forward <strong>{}</strong> network").format(student)
    if size:
        parts += Markup(" of {} parameters").format(scaled(size))
    if teacher:
        parts += Markup(" that learnt from the teacher <strong>{}</strong>").format(teacher)
    kept, made = data.value("pairs.kept"), data.value("pairs.made")
    if kept is not None and made is not None:
        of_made = Markup(" of {} made").format(plain(made)) if made != kept else ""
        parts += Markup(", from {}{} pairs").format(plain(kept), of_made)
    yield parts + "."


def _same_judge(data: RunData) -> Iterator[Markup]:
    """Say of numbers that a judge tells that it chose the training pairs, too."""
    filters = dict.fromkeys(found for name in data.numbers if (found := data.filtered_by_its_judge(name)))
    if filters:
        yield Markup(
            "Numbers that are told by the judge that also filtered the pairs ({}) are marked: what it overlooked "
            "there, it overlooks here."
        ).format(listed(list(filters)))


def _reached(data: RunData) -> Iterator[Markup]:
    measured = [item for item in assess(data) if item.reached is not None]
    if measured and all(item.reached for item in measured):
        all_words = {1: "The one target", 2: "Both targets"}.get(len(measured), "All {} targets")
        yield Markup("{} that could be measured {} reached.").format(
            all_words.format(len(measured)), "are" if len(measured) > 1 else "is"
        )


def _missed(data: RunData) -> Iterator[Markup]:
    for item in (item for item in assess(data) if item.reached is False):
        yield Markup('<span class="missed">Missed: {}, {} instead of {}.</span>').format(
            item.target.words, item.measured, item.target.goal
        )
