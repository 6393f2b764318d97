"""How numbers are written for a reader: in reports, model cards, sentences and headlines."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

_THIN_SPACE = "\u202f"  # one that no line is broken at
_MINUS = "\u2212"
_NO_BREAK_SPACE = "\u00a0"


_NUMBERS = re.compile(r"\[\n\s+([-\d.e+]+(?:,\n\s+[-\d.e+]+)*)\n\s+\]")
"""A list of nothing but numbers as `json` indents it; within strings there are no line ends."""


def readable_json(data: Any) -> str:
    """Write plain data as indented JSON with a line end, its lists of numbers on a line each."""
    text = json.dumps(data, indent=2, ensure_ascii=False)
    return _NUMBERS.sub(lambda found: "[" + " ".join(found[0].split())[1:-1].strip() + "]", text) + "\n"


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


def counted(number: int, thing: str) -> str:
    """Write how many there are of a thing: `1 thread`, `2 threads`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


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
    """Write a time in the unit that suits it: `4.1 ms`, `41.3 s`, `12 min 4 s`, `485 days`."""
    if not math.isfinite(seconds):
        return f"{seconds} s"
    if seconds < 1:
        return f"{_significant(seconds * 1000)} ms"
    if seconds < 120:
        return f"{_significant(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 100 else f"{_significant(seconds / 86_400)} days"


def percent(ratio: float) -> str:
    """Write a ratio as a percentage with at most one decimal: `97.2 %`, `90 %`."""
    return f"{ratio * 100:.1f}".removesuffix(".0").replace("-", _MINUS) + f"{_NO_BREAK_SPACE}%"


def times(ratio: float) -> str:
    """Write a speed-up: `10 100`, `812`, `3.4`; three significant digits."""
    if 1000 <= ratio < math.inf:
        step = 10 ** (math.floor(math.log10(ratio)) - 2)
        return plain(round(ratio / step) * step)
    return _significant(ratio)


def _significant(value: float) -> str:
    return plain(round(value)) if 100 <= abs(value) < math.inf else plain(value, digits=3)


def listed(words: Sequence[str]) -> str:
    """Write words as a sentence lists them: `a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
