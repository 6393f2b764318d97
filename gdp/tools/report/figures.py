"""The few numbers that head the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from gdp.tools.report.folder import RunData
from gdp.tools.report.wording import duration, percent, plain, times

MOST = 5
TIMES = "\u00a0\u00d7"


@dataclass(frozen=True)
class Figure:
    """One of the few numbers that head the report."""

    value: str
    label: str


def figures(data: RunData) -> list[Figure]:
    """Return the numbers that head the report, at most `MOST`."""
    return list(islice(_figures(data), MOST))


def student_ms(data: RunData) -> float | None:
    """Return the student's time; that from which the ratio comes where there is one, so that the two fit together."""
    beside = data.value("speed.student_ms_beside_slow_route")
    return data.value("speed.student_ms") if beside is None else beside


def stands_in_for_teacher(data: RunData) -> bool:
    """Say whether the student replaces the teacher's own forward, not a slow route through it."""
    return data.value("speed.teacher_to_student") is not None and data.value("speed.ratio") is None


def share_of_teacher(data: RunData, part: str) -> float | None:
    """Return how big the student is, in `parameters` or `macs`, as a share of the teacher."""
    student, teacher = (data.value(f"size.{whose}.{part}") for whose in ("student", "teacher"))
    return student / teacher if student is not None and teacher else None


def _figures(data: RunData) -> Iterator[Figure]:
    if (ratio := data.value("speed.ratio")) is not None:
        yield Figure(f"{times(ratio)}{TIMES}", "faster than the slow route")
    elif (ratio := data.value("speed.teacher_to_student")) is not None:
        yield Figure(f"{times(ratio)}{TIMES}", "the teacher's speed")
    if (student := student_ms(data)) is not None:
        yield Figure(duration(student / 1000), "a picture")
    if stands_in_for_teacher(data):
        yield from _beside_teacher(data)
    if (gain := data.value("quality.held_out.psnr_db_gain")) is not None:
        yield Figure(f"{gain:+.1f} dB".replace("-", "\u2212"), "above the unchanged source")
    if (shift := data.value("quality.held_out.age_shift_ratio")) is not None:
        yield Figure(percent(shift), "of the teacher's age shift")
    if (agreement := data.value("quality.rendered.attribute_agreement")) is not None:
        yield Figure(percent(agreement), "attributes kept, the worst")


def _beside_teacher(data: RunData) -> Iterator[Figure]:
    if (share := share_of_teacher(data, "parameters")) is not None:
        yield Figure(percent(share), "of the teacher's parameters")
    if (distance := data.value("quality.held_out.l1_to_teacher")) is not None:
        yield Figure(plain(distance, 3), "L1 to the teacher")
    if (below := data.value("quality.truth.psnr_db_below_teacher")) is not None:
        side = "above" if below <= 0 else "below"
        yield Figure(f"{abs(below):.2f} dB", f"{side} the teacher, to the truth")
