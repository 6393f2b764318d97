"""The first page, for whoever decides: one sentence, three figures, what it costs, and what there is still to do.

All of it is of the run's records: what the evaluators measured, held against the recipe's targets, the times of the
stages, and what was paid. Sums and products of those are called computed. Protocols stand in the pages behind it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from gdp.support.metrics_files import finite
from gdp.support.wording import duration, listed, plain, scaled, times, with_unit
from gdp.tools.report.folder import RunData, mapping
from gdp.tools.report.tables import number_of
from gdp.tools.report.verdict import Assessment, assess, headlines

TIMES = "\u00a0\u00d7"
REPLACED = (("slow_route", "the slow route"), ("teacher", "the teacher"))
"""What a student stands in for, the first that was timed; `speed.NAME_ms` is its time."""
NOT_QUALITY = ("speed.", "size.", "pairs.")
"""Beginnings of numbers that tell nothing of the pictures."""
DECIBELS = "in decibels: 3 more halve the squared error"
MANY = 1_000_000
"""Pictures whose cost is told."""


@dataclass(frozen=True)
class Figure:
    """One of the three figures."""

    value: str
    words: str
    """What it is, below it."""
    remark: str = ""
    """How it is to be taken, such as against which target."""
    number: str = ""
    """Dotted name of the number that it shows."""
    bad: bool = False
    """Whether it speaks against the student."""

    @property
    def is_number(self) -> bool:
        """Say whether a number is shown, not words."""
        return any(sign.isdigit() for sign in self.value)


@dataclass(frozen=True)
class Part:
    """A stage of an unfinished run."""

    name: str
    state: Literal["done", "failed", "open"]
    words: str


@dataclass(frozen=True)
class Todo:
    """What an unfinished or failed run needs."""

    parts: list[Part]
    error: str
    """What stopped it; empty where nothing did."""
    advice: str
    command: str
    """Goes on where the run is."""


@dataclass(frozen=True)
class Costs:
    """What pictures cost, and what the student cost to make."""

    columns: list[str]
    rows: list[tuple[str, list[str]]]
    once: list[tuple[str, str]]
    """What was spent to make it."""
    remarks: list[str]


@dataclass(frozen=True)
class Summary:
    """All of the first page but its pictures."""

    sentence: Markup
    figures: list[Figure]
    costs: Costs
    todo: Todo | None


@dataclass(frozen=True)
class _Times:
    """What a picture takes, in milliseconds; None where it was not measured."""

    student: float | None
    replaced: float | None
    """Of what the student stands in for."""
    name: str
    """Of that, in words."""
    key: str
    """Of that, in the names of numbers."""

    @staticmethod
    def of(data: RunData) -> _Times:
        """Take them from the numbers of the run, if it has been measured since its student was trained."""
        if "evaluate" not in data.stages:
            return _Times(None, None, "", "")
        timed = ((_milliseconds(data, key), words, key) for key, words in REPLACED)
        replaced = next((found for found in timed if found[0] is not None), (None, "", ""))
        return _Times(_milliseconds(data, "student"), *replaced)


def _milliseconds(data: RunData, key: str) -> float | None:
    """Return the time of a picture, if it is one that a picture can take: the file may be anybody's."""
    value = data.value(f"speed.{key}_ms")
    return value if value is not None and 1e-6 < value < 1e12 else None


def summarise(data: RunData, price: float | None = None) -> Summary:
    """Sum up a run, finished or not.

    Args:
        data: the run.
        price: of an hour of its machine, in dollars; None where nobody has said it.
    """
    pace = _Times.of(data)
    figures = _figures(data, pace) if "evaluate" in data.stages else _figures_so_far(data)
    if data.state == "finished":
        return Summary(_verdict(data, pace), figures, _costs(data, pace, price), None)
    return Summary(_standing(data), figures, _costs(data, pace, price), _todo(data))


def _verdict(data: RunData, pace: _Times) -> Markup:
    """Say in a sentence whether the student does what was asked of it, and how fast."""
    assessed = assess(data)
    known = [one for one in assessed if one.reached is not None]
    missed = sum(not one.reached for one in known)
    if not known:
        why = "no target could be measured" if assessed else "its recipe sets no target to hold it to"
        first = Markup("The student is trained, and <strong>{}</strong>").format(why)
    elif missed:
        count = f"{missed} of {len(known)} targets {'are' if missed > 1 else 'is'} missed"
        count = count if len(known) > 1 else "its one target is missed"
        first = Markup("The student does <strong>not yet do all that was asked</strong> of it: {}").format(count)
    else:
        count = {1: "its one target is", 2: "both targets are"}.get(len(known), f"all {len(known)} targets are")
        first = Markup("The student <strong>does what was asked</strong> of it: {} reached").format(count)
    if known and (unknown := len(assessed) - len(known)):
        first += f", {unknown} could not be measured"
    if pace.student is None:
        return first + "; its speed was not measured."
    took = Markup("; a picture takes <strong>{}</strong>").format(duration(pace.student / 1000))
    if pace.replaced is not None:
        took += f", where {pace.name} takes {duration(pace.replaced / 1000)}"
    return first + took + "."


def _figures(data: RunData, pace: _Times) -> list[Figure]:
    """Return the three figures of a finished run: what speaks against it, its quality and its speed; bad ones first."""
    weakest = _weakest(data)
    return sorted((weakest, _quality(data, weakest), _speed(data, pace)), key=lambda figure: not figure.bad)


def _weakest(data: RunData) -> Figure:
    """Return the target that is missed by most, or else the one that is reached by least."""
    known = [one for one in assess(data) if one.value is not None]
    if not known:
        asked = next((one.reason for one in assess(data)), None)
        if asked is None:
            return Figure("No target", "is set by the recipe", "so nothing says whether this is good enough")
        return Figure("No target", "could be measured", asked)
    if missed := [one for one in known if not one.reached]:
        most = max(missed, key=_margin)
        return _target_figure(most, f"target {most.target.goal}: missed", bad=True)
    least = min(known, key=_margin)
    least_of = ", of all targets by the least" if len(known) > 1 else ""
    return _target_figure(least, f"target {least.target.goal}: reached{least_of}")


def _target_figure(item: Assessment, remark: str, bad: bool = False) -> Figure:
    words = f"{item.target.words}{_judged(item.same_judge)}"
    return Figure(item.measured, words, remark, item.target.name, bad)


def _margin(item: Assessment) -> float:
    """Return how far a number is from the nearest end of its target, as a share of the larger of the two."""
    value = item.value or 0.0
    ends = [end for end in (item.target.low, item.target.high) if end is not None]
    return min((abs(value - end) / (max(abs(value), abs(end)) or 1.0) for end in ends), default=0.0)


def _judged(filter: str) -> str:
    return f"; told by the judge that also filtered the pairs ({filter})" if filter else ""


def _quality(data: RunData, weakest: Figure) -> Figure:
    """Return the first figure of the evaluators that is of the pictures, beside the one that is there already."""
    for headline in headlines(data):
        shown = bool(headline.number) and headline.number == weakest.number
        if not shown and not headline.number.startswith(NOT_QUALITY):
            number = data.numbers.get(headline.number)
            gain = number is not None and headline.number.endswith("_gain") and number.value < 0
            words = f"{headline.words}{_judged(data.filtered_by_its_judge(headline.number))}"
            remark = DECIBELS if number is not None and number.unit == "dB" else ""
            return Figure(headline.value, words, remark, headline.number, bad=gain)
    reasons = (why for name, why in data.absent.items() if not name.startswith(NOT_QUALITY))
    reason = next(reasons, "no evaluator told of more" if weakest.number else "no evaluator told of it")
    return Figure("Not measured", "quality of the pictures", reason)


def _speed(data: RunData, pace: _Times) -> Figure:
    if pace.student is None:
        return Figure("Not measured", "speed", data.absent.get("speed.student_ms", "no evaluator told of it"))
    if pace.replaced is None:
        return Figure(duration(pace.student / 1000), "a picture", "nothing else was timed beside it")
    ratio = pace.replaced / pace.student
    words = f"{'faster' if ratio >= 1 else 'slower'} than {pace.name}"
    theirs, ours = (data.value(f"quality.{whose}.psnr_db") for whose in (pace.key, "student_on_same"))
    remark = ""
    if theirs is not None and ours is not None:
        remark = f"but on the same pictures it reaches {with_unit(theirs, 'dB')}, the student {with_unit(ours, 'dB')}"
        remark = remark.removeprefix("but ") if ours >= theirs else remark
    return Figure(f"{times(max(ratio, 1 / ratio))}{TIMES}", words, remark, bad=ratio < 1)


def _standing(data: RunData) -> Markup:
    """Say in a sentence how far a run is that has not finished."""
    done = listed([stage for stage in data.wanted if stage in data.stages])
    if data.state == "failed":
        at = Markup("<strong>This run failed{}</strong>").format(f" at {data.begun}" if data.begun else "")
        return at + (Markup("; {} had finished.").format(done) if done else Markup(" before any stage had finished."))
    what = "is at work" if data.state == "at work" else "is not finished"
    left = Markup("{} still {} to be done").format(listed(data.unfinished), _have(data.unfinished))
    return Markup("<strong>This run {}</strong>: {}.").format(what, left)


def _have(names: list[str]) -> str:
    return "have" if len(names) > 1 else "has"


def _figures_so_far(data: RunData) -> list[Figure]:
    """Return the three figures of a run that has not finished: how far it is."""
    done, wanted = sum(stage in data.stages for stage in data.wanted), len(data.wanted)
    kept, made = finite(data.funnel.get("kept")), finite(data.funnel.get("made"))
    pairs = Figure("None yet", "pairs judged")
    if "filter" in data.stages and kept is not None and made is not None:
        pairs = Figure(plain(kept), f"of {plain(made)} pairs are kept")
    training = _training(data)
    return [
        Figure("Not measured yet", "quality and speed of the student", "the stage evaluate does that"),
        Figure(f"{done} of {wanted}", "stages are done"),
        Figure(training, "steps of the training") if training else pairs,
    ]


def _training(data: RunData) -> str:
    """Return how far the training is, such as `120 of 300`; empty where it has not begun."""
    step = max((line["step"] for line in data.statistics), default=None)
    steps = finite(data.section("train").get("steps"))
    if step is None:
        return ""
    return f"{plain(step)} of {plain(steps)}" if steps else plain(step)


def _todo(data: RunData) -> Todo:
    parts = []
    others = [name for name in (*data.stages, data.begun) if name not in ("", "report", *data.wanted)]
    for stage in [*data.wanted, *dict.fromkeys(others)]:
        state: Literal["done", "failed", "open"] = "done" if stage in data.stages else "open"
        if stage in data.stages:
            words = f"done in {duration(number_of(data.stages[stage].get('seconds')))}"
        elif stage == data.begun:
            state = "failed" if data.state == "failed" else "open"
            words = "failed" if state == "failed" else "begun"
            far = _training(data) if stage == "train" else ""
            words += f" at step {far}" if far else ""
        else:
            words = "to be done"
        parts.append(Part(stage, state, words))
    error = str(data.run.get("error") or "")
    if error:
        advice = "Mend what it says. The same command then goes on where the run was; what is done is kept:"
    elif data.state == "at work":
        advice = "A process is at work on it. If it is stopped or killed, this goes on where it was:"
    else:
        advice = "This goes on where it was; what is done is kept:"
    return Todo(parts, error, advice, command_of(data))


def command_of(data: RunData) -> str:
    """Return the command that goes on with a run, as it is given in the folder that holds its `runs/`."""
    place = data.folder.resolve()
    return f"gdp run {shlex.quote(f'runs/{place.name}' if place.parent.name == 'runs' else place.name)}"


def _costs(data: RunData, pace: _Times, price: float | None) -> Costs:
    columns, rows = ["The student"], []
    if pace.student is not None:
        milliseconds = [pace.student]
        if pace.replaced is not None:
            columns.append(pace.name.capitalize())
            milliseconds.append(pace.replaced)
        hours = [MANY * each / 3_600_000 for each in milliseconds]
        rows.append(("One picture", [duration(each / 1000) for each in milliseconds]))
        rows.append(("A million pictures, one after the other", [duration(3600 * each) for each in hours]))
        if price is not None:
            rows.append((f"The same, at {_dollars(price)} an hour", [_dollars(price * each) for each in hours]))
    return Costs(columns, rows, list(_once(data, pace, price)), list(_remarks(data, price, bool(rows))))


def _once(data: RunData, pace: _Times, price: float | None) -> Iterator[tuple[str, str]]:
    """Yield what was spent to make the student, and after how many pictures the time has come back."""
    seconds = sum(number_of(entry.get("seconds")) for entry in data.stages.values())
    money = "" if price is None else f", {_dollars(price * seconds / 3600)}"
    yield f"Work of {'all' if data.state == 'finished' else 'the finished'} stages", duration(seconds) + money
    paid = mapping(data.run.get("paid"))
    for service, tally in paid.items():
        calls, dollars = (number_of(mapping(tally).get(name)) for name in ("calls", "dollars"))
        yield f"Paid to {service}", f"{_dollars(dollars)} for {plain(calls)} calls"
    if not paid:
        yield "Paid to services", "nothing on record"
    if data.state == "finished" and pace.student and pace.replaced and pace.replaced > pace.student:
        pictures = 1000 * seconds / (pace.replaced - pace.student)
        yield "That time is won back after", f"{plain(max(1, round(pictures)))} pictures"
    if "evaluate" in data.stages and (size := data.value("size.student.parameters")):
        weights = data.value("size.student.bytes")
        yield "The student has", f"{scaled(size)} parameters" + ("" if weights is None else f", {scaled(weights, 'B')}")


def _remarks(data: RunData, price: float | None, timed: bool) -> Iterator[str]:
    if not timed:
        yield f"What a picture costs is not measured{'' if data.state == 'finished' else ' yet'}."
        return
    machine = mapping(data.run.get("machine"))
    where = ", ".join(str(machine[part]) for part in ("device", "processor") if machine.get(part))
    yield (
        f"Times are medians, one picture at a time, on this run's machine{f' ({where})' if where else ''}; those of a "
        f"million are computed from them."
    )
    if price is None:
        yield "Nobody has said what the machine costs: gdp report --price 0.5 adds it, for 0.5 $ an hour."


def _dollars(value: float) -> str:
    if value >= 1000:
        return f"{plain(round(value))}\u00a0$"
    return f"{value:.2f}\u00a0$" if value >= 0.01 or not value else f"{plain(value, 2)}\u00a0$"
