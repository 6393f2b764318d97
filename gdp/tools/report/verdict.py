"""The verdict: what the numbers say, in one paragraph, and which of the recipe's targets were reached.

Only names of numbers are known here, not who measured them: a number that is not there is not mentioned.

The recipe's `[targets]` held against what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from gdp.core.recipe.sections import find_targets
from gdp.tools.report.folder import RunData
from gdp.tools.report.wording import (
    duration,
    percent,
    plain,
    scaled,
    share_of_teacher,
    stands_in_for_teacher,
    student_ms,
    times,
    with_unit,
)


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


def paragraph(data: RunData) -> Markup:
    """Say in one paragraph what came of the run."""
    about = (_student, _speed, _quality, _truth, _cycle, _rendered, _targets, _missing)
    return Markup(" ").join(sentence for part in about for sentence in part(data))


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
    parameters, macs = (share_of_teacher(data, part) for part in ("parameters", "macs"))
    if parameters is not None and macs is not None and stands_in_for_teacher(data):
        yield Markup("It has <strong>{}</strong> of its teacher's parameters and does {} of its arithmetic.").format(
            percent(parameters), percent(macs)
        )


def _speed(data: RunData) -> Iterator[Markup]:
    student, slow, ratio = student_ms(data), data.value("speed.slow_route_ms"), data.value("speed.ratio")
    if student is None:
        return
    sentence = Markup("It takes <strong>{}</strong> a picture").format(duration(student / 1000))
    if slow is not None and ratio is not None:
        sentence += Markup(", where the slow route takes {}: it is <strong>{} times faster</strong>").format(
            duration(slow / 1000), times(ratio)
        )
        sentence += Markup(", both measured in this run on this machine")
    elif (teacher := data.value("speed.teacher_ms")) and student and stands_in_for_teacher(data):
        faster = teacher >= student
        sentence += Markup(", where the teacher takes {}: it is <strong>{} times {}</strong>").format(
            duration(teacher / 1000),
            times(teacher / student if faster else student / teacher),
            "faster" if faster else "slower",
        )
        sentence += Markup(", both measured in this run on this machine")
    yield sentence + Markup(".")


def _quality(data: RunData) -> Iterator[Markup]:
    psnr, gain, count = (data.value(f"quality.held_out.{name}") for name in ("psnr_db", "psnr_db_gain", "count"))
    if psnr is not None:
        on = f"On {plain(count)} pairs it never saw" if count else "On pairs it never saw"
        sentence = Markup("{} its pictures reach a PSNR of {} to the teacher's").format(on, with_unit(psnr, "dB"))
        if gain is not None:
            gained = f"{with_unit(abs(gain), 'dB')} {'above' if gain >= 0 else 'below'}"
            sentence += Markup(", <strong>{}</strong> what the unchanged source gets").format(gained)
        distance = data.value("quality.held_out.l1_to_teacher")
        if distance is not None and stands_in_for_teacher(data):
            sentence += Markup(
                "; they differ from them by an L1 of <strong>{}</strong> in the range from \u22121 to 1"
            ).format(plain(distance, 3))
        yield sentence + Markup(".")
    slow, same = data.value("quality.slow_route.psnr_db"), data.value("quality.student_on_same.psnr_db")
    if slow is not None and same is not None:
        yield Markup("On the pictures that also went the slow route, that route gets {} and the student {}.").format(
            with_unit(slow, "dB"), with_unit(same, "dB")
        )
    shift = data.value("quality.held_out.age_shift_ratio")
    if shift is not None:
        yield Markup("Its judged age shift is <strong>{}</strong> of the teacher's{}.").format(
            percent(shift), _years(data, "quality.held_out.age_shift_teacher_years")
        )


def _truth(data: RunData) -> Iterator[Markup]:
    student, teacher, source = (
        data.value(f"quality.truth.{name}") for name in ("psnr_db", "teacher_psnr_db", "psnr_db_unchanged")
    )
    if student is None or teacher is None:
        return
    beside = f"{with_unit(abs(student - teacher), 'dB')} {'above' if student >= teacher else 'below'}"
    sentence = Markup(
        "Against the truth, which no training saw, its pictures reach {}: <strong>{}</strong> the teacher's {}"
    ).format(with_unit(student, "dB"), beside, with_unit(teacher, "dB"))
    unchanged = "" if source is None else f"; the unchanged sources get {with_unit(source, 'dB')}"
    yield sentence + unchanged + "."


def _cycle(data: RunData) -> Iterator[Markup]:
    student, teacher = (data.value(f"quality.cycle.l1_{whose}") for whose in ("student", "teacher"))
    if student is not None and teacher is not None:
        yield Markup(
            "Translated back, its pictures come within an L1 of {} of their sources, the teacher's own within {}."
        ).format(plain(student, 3), plain(teacher, 3))


def _rendered(data: RunData) -> Iterator[Markup]:
    shift, agreement = (data.value(f"quality.rendered.{name}") for name in ("age_shift_ratio", "attribute_agreement"))
    if shift is not None:
        yield Markup(
            "On rendered faces, where the truth is known, the shift is <strong>{}</strong> of the true one{}"
        ).format(percent(shift), _years(data, "quality.rendered.age_shift_truth_years")) + (
            Markup(", and every attribute that must not change agrees on at least {}.").format(percent(agreement))
            if agreement is not None
            else Markup(".")
        )


def _years(data: RunData, name: str) -> str:
    years = data.value(name)
    return "" if years is None else f" ({years:.1f} years)".replace("-", "\u2212")


def _targets(data: RunData) -> Iterator[Markup]:
    measured = [item for item in assess(data) if item.reached is not None]
    missed = [item for item in measured if not item.reached]
    if measured and not missed:
        all_words = {1: "The one target", 2: "Both targets"}.get(len(measured), "All {} targets")
        yield Markup("{} that could be measured {} reached.").format(
            all_words.format(len(measured)), "are" if len(measured) > 1 else "is"
        )
    for item in missed:
        yield Markup('<span class="missed">Missed: {}, {} instead of {}.</span>').format(
            item.target.words, item.measured, item.target.goal
        )


def _missing(data: RunData) -> Iterator[Markup]:
    if error := data.run.get("error"):
        yield Markup('<span class="missed">It stopped: {}</span>').format(error)
    if data.unfinished:
        yield Markup(
            '<span class="missed">This run is not finished: {} still {} to be done. '
            "The same command goes on where it was.</span>"
        ).format(_list(data.unfinished), "have" if len(data.unfinished) > 1 else "has")


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
