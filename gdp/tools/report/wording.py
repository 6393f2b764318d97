"""How numbers are written for a reader.

The few numbers that head the report.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from gdp.tools.report.folder import RunData

_THIN_SPACE = "\u2009"
_MINUS = "\u2212"
_NO_BREAK_SPACE = "\u00a0"


def plain(value: float, digits: int = 4) -> str:
    """Write a number with `digits` significant digits and thousands apart; tiny ones as `9.52e-6`."""
    if not math.isfinite(value):
        return str(value)
    if value == 0 or (float(value).is_integer() and abs(value) < 10**15):
        text = f"{value:,.0f}"
    elif abs(value) < 1e-4:
        text = f"{value:.{digits - 1}e}".replace("e-0", "e-")
    else:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{decimals}f}"
    return text.replace(",", _THIN_SPACE).replace("-", _MINUS)


def with_unit(value: float, unit: str) -> str:
    """Write a number as its unit asks: decibels with two decimals, shares in percent, bytes and times scaled."""
    if unit == "share":
        return percent(value)
    if unit == "dB":
        return f"{value:.2f} dB".replace("-", _MINUS)
    if unit == "ms":
        return duration(value / 1000)
    if unit == "s":
        return duration(value)
    if unit == "bytes":
        return scaled(value, "B")
    return f"{plain(value)} {unit}".rstrip()


def scaled(value: float, unit: str = "") -> str:
    """Write a large number in thousands (k), millions (M), billions (G): `2.03 M`."""
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{_significant(value / factor)} {prefix}{unit}"
    return f"{plain(value)} {unit}".rstrip()


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it: `4.1 ms`, `41.3 s`, `12 min 4 s`."""
    if seconds < 1:
        return f"{_significant(seconds * 1000)} ms"
    if seconds < 120:
        return f"{_significant(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def percent(ratio: float) -> str:
    """Write a ratio as a percentage with at most one decimal: `97.2 %`, `90 %`."""
    return f"{ratio * 100:.1f}".removesuffix(".0").replace("-", _MINUS) + f"{_NO_BREAK_SPACE}%"


def times(ratio: float) -> str:
    """Write a speed-up: `10 100`, `812`, `3.4`; three significant digits."""
    if ratio >= 1000:
        step = 10 ** (math.floor(math.log10(ratio)) - 2)
        return plain(round(ratio / step) * step)
    return _significant(ratio)


def _significant(value: float) -> str:
    return plain(value, digits=3) if abs(value) < 100 else plain(round(value))


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
