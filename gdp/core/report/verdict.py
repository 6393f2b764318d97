"""The verdict: what the numbers say, in one paragraph, and which of gdp's targets were reached.

Only names of numbers are known here, not who measured them: a number that is not there is not mentioned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from gdp.core.report.folder import Number, RunData
from gdp.core.report.wording import duration, percent, plain, scaled, times, with_unit

GAIN = "quality.held_out.psnr_db_gain"


@dataclass(frozen=True)
class Target:
    """A goal for one number; `low` and `high` are inclusive, None where that side is open."""

    name: str
    words: str
    low: float | None
    high: float | None
    style: str
    """How the number is written: percent, dB or times."""

    def reached(self, value: float) -> bool:
        """Say whether a value is within the goal."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def write(self, value: float) -> str:
        """Write a value of this number."""
        if self.style == "percent":
            return percent(value)
        return times(value) if self.style == "times" else with_unit(value, self.style)

    @property
    def goal(self) -> str:
        """The goal, such as `≥ 7 dB`."""
        if self.low is not None and self.high is not None:
            return f"{self.write(self.low)} to {self.write(self.high)}"
        return f"≥ {self.write(self.low)}" if self.low is not None else f"≤ {self.write(self.high or 0)}"


TARGETS = (
    Target(GAIN, "PSNR above the unchanged source", 7.0, None, "dB"),
    Target("quality.held_out.age_shift_ratio", "age shift, of the teacher's", 0.85, 1.15, "percent"),
    Target("quality.rendered.age_shift_ratio", "age shift of rendered faces, of the true one", 0.70, None, "percent"),
    Target(
        "quality.rendered.attribute_agreement",
        "rendered faces that keep an attribute, the worst",
        0.90,
        None,
        "percent",
    ),
    Target("speed.ratio", "times faster than the slow route", 1000.0, None, "times"),
)
"""What gdp's own recipes aim at."""


@dataclass(frozen=True)
class Assessment:
    """A target, what was measured, and whether that reaches it."""

    target: Target
    value: float

    @property
    def reached(self) -> bool:
        """Say whether the target is reached."""
        return self.target.reached(self.value)


@dataclass(frozen=True)
class Figure:
    """One of the few numbers that head the report."""

    value: str
    label: str


def derive(data: RunData) -> None:
    """Add numbers that follow from two others."""
    ours, base = data.value("quality.held_out.psnr_db"), data.value("quality.held_out.psnr_db_unchanged")
    if ours is not None and base is not None and GAIN not in data.numbers:
        protocol = "quality.held_out.psnr_db less quality.held_out.psnr_db_unchanged."
        data.numbers[GAIN] = Number(GAIN, ours - base, protocol, "dB", "higher")


def assess(data: RunData) -> list[Assessment]:
    """Hold every measured number that has a target against it."""
    return [Assessment(target, value) for target in TARGETS if (value := data.value(target.name)) is not None]


def figures(data: RunData) -> list[Figure]:
    """Return the numbers that head the report, at most five."""
    found = []
    if (ratio := data.value("speed.ratio")) is not None:
        found.append(Figure(f"{times(ratio)}\u00a0\u00d7", "faster than the slow route"))
    if (student := _student_ms(data)) is not None:
        found.append(Figure(duration(student / 1000), "a picture"))
    if (gain := data.value(GAIN)) is not None:
        found.append(Figure(f"{gain:+.1f} dB".replace("-", "\u2212"), "above the unchanged source"))
    if (shift := data.value("quality.held_out.age_shift_ratio")) is not None:
        found.append(Figure(percent(shift), "of the teacher's age shift"))
    if (agreement := data.value("quality.rendered.attribute_agreement")) is not None:
        found.append(Figure(percent(agreement), "attributes kept, the worst"))
    return found


def paragraph(data: RunData) -> Markup:
    """Say in one paragraph what came of the run."""
    sentences = [*_student(data), *_speed(data), *_quality(data), *_rendered(data), *_targets(data), *_missing(data)]
    return Markup(" ").join(sentences)


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


def _student_ms(data: RunData) -> float | None:
    """Return the student's time; that from which the ratio comes where there is one, so that the two fit together."""
    beside = data.value("speed.student_ms_beside_slow_route")
    return data.value("speed.student_ms") if beside is None else beside


def _speed(data: RunData) -> Iterator[Markup]:
    student, slow, ratio = _student_ms(data), data.value("speed.slow_route_ms"), data.value("speed.ratio")
    if student is None:
        return
    sentence = Markup("It takes <strong>{}</strong> a picture").format(duration(student / 1000))
    if slow is not None and ratio is not None:
        sentence += Markup(", where the slow route takes {}: it is <strong>{} times faster</strong>").format(
            duration(slow / 1000), times(ratio)
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
    assessments = assess(data)
    missed = [item for item in assessments if not item.reached]
    if assessments and not missed:
        all_words = "All {} targets" if len(assessments) > 1 else "The one target"
        yield Markup("{} that could be measured {} reached.").format(
            all_words.format(len(assessments)), "are" if len(assessments) > 1 else "is"
        )
    for item in missed:
        yield Markup('<span class="missed">Missed: {}, {} instead of {}.</span>').format(
            item.target.words, item.target.write(item.value), item.target.goal
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
