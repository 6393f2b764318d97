"""How numbers are written for a reader."""

from __future__ import annotations

import pytest

from gdp.toolbox import counted, duration, percent, plain, scaled, times, with_unit


def spaced(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ").replace("\u2212", "-")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.97204, "0.9720"),
        (12.3456, "12.35"),
        (2_031_427, "2 031 427"),
        (-0.5, "-0.5000"),
        (1e-6, "1.000e-6"),
    ],
)
def test_numbers_have_four_significant_digits_and_thousands_apart(value: float, text: str) -> None:
    assert spaced(plain(value)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.004131, "4.13 ms"),
        (0.25, "250 ms"),
        (41.873, "41.9 s"),
        (119.6, "120 s"),
        (312, "5 min 12 s"),
        (8000, "2 h 13 min"),
        (100 * 3600 - 60, "99 h 59 min"),
        (100 * 3600, "4.17 days"),
        (41_873_000, "485 days"),
        (float("inf"), "inf s"),
    ],
)
def test_times_are_in_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert spaced(duration(seconds)) == text


def test_units_decide_how_a_number_is_written() -> None:
    assert with_unit(31.873, "dB") == "31.87 dB"
    assert spaced(with_unit(-0.5, "dB")) == "-0.50 dB"
    assert with_unit(4.131, "ms") == "4.13 ms"
    assert with_unit(8_125_708, "bytes") == "8.13 MB"
    assert spaced(with_unit(22.64, "years")) == "22.64 years"
    assert with_unit(0.5, "") == "0.5000"
    assert spaced(with_unit(0.972, "share")) == "97.2 %"


def test_large_numbers_are_scaled() -> None:
    assert [scaled(value) for value in (999, 1_000, 2_031_427, 1_390_000_000)] == ["999", "1 k", "2.03 M", "1.39 G"]


def test_ratios_are_written_as_percentages_and_times() -> None:
    assert [spaced(percent(value)) for value in (0.9, 0.885, 1.0, -0.031)] == ["90 %", "88.5 %", "100 %", "-3.1 %"]
    assert [spaced(times(value)) for value in (3.42, 812.4, 9969.7, 123_456)] == ["3.42", "812", "9 970", "123 000"]


def test_one_thing_is_one() -> None:
    assert [counted(number, "thread") for number in (0, 1, 2)] == ["0 threads", "1 thread", "2 threads"]
