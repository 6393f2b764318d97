from __future__ import annotations

import re

import pytest

from gdp.tools.report.pictures import draw_curves
from gdp.tools.report.wording import duration, percent, plain, scaled, times, with_unit


def spaced(text: str) -> str:
    return text.replace("\u2009", " ").replace("\u00a0", " ").replace("\u2212", "-")


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


def test_a_curve_needs_two_points_and_counters_are_none() -> None:
    lines = [{"step": 1.0, "l1": 0.5, "images": 16.0}, {"step": 2.0, "l1": 0.4, "images": 32.0, "late": 1.0}]
    assert [(curve.name, curve.last) for curve in draw_curves(lines)] == [("l1", "0.400")]


def drawn_lines(statistics: list[dict[str, float]]) -> list[list[tuple[float, float]]]:
    """The points of the raw and of the smooth curve, in the drawing's units."""
    (curve,) = draw_curves(statistics)
    paths = re.findall(r'd="([^"]+)"[^>]*style="([^"]+)"', str(curve.svg), re.DOTALL)
    lines = [path for path, style in paths if "--raw" in style or "--curve" in style]
    return [[(float(x), float(y)) for x, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", line)] for line in lines]


def test_a_constant_is_drawn_as_a_level_line() -> None:
    for line in drawn_lines([{"step": float(step), "rate": 2e-4} for step in range(100)]):
        assert len({y for _, y in line}) == 1


def test_a_long_training_is_thinned_and_keeps_its_ends() -> None:
    raw, smooth = drawn_lines([{"step": float(step), "l1": step / 5000} for step in range(5000)])
    assert 2 <= len(smooth) <= 400
    assert raw[0] == pytest.approx(smooth[0]) and raw[-1] == pytest.approx(smooth[-1])
    assert smooth[-1][0] > smooth[0][0] and smooth[-1][1] < smooth[0][1], "up is less in SVG"


@pytest.mark.parametrize("size", [1e3, 1e9, 1e30, -1e12])
def test_values_far_out_of_the_range_are_drawn_along_its_edge(size: float) -> None:
    """A first step a thousand times as large as the others once left no room for the drawing itself."""
    values = [size, *(1.0 / step for step in range(1, 400))]
    raw, smooth = drawn_lines([{"step": float(step), "gradient_norm": value} for step, value in enumerate(values)])
    heights = [y for _, y in (*raw, *smooth)]
    assert 0 <= min(heights) < max(heights) <= 1.8 * 72
    assert max(x for x, _ in raw) > 2.5 * 72, "the drawing keeps its width"


def test_a_drawing_takes_the_pages_colours_and_points_nowhere() -> None:
    (curve,) = draw_curves([{"step": float(step), "l1 <b>": 1.0 / (1 + step)} for step in range(50)])
    assert "var(--curve)" in curve.svg and "#00000" not in curve.svg
    assert "url(" not in curve.svg and "http" not in curve.svg and "<b>" not in curve.svg
