"""Curves of the training, whatever the numbers are."""

from __future__ import annotations

import re

import pytest

from gdp.tools.report.curves import axis_label, draw_curves


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


def test_numbers_that_are_the_same_at_every_step_are_drawn_once_under_both_names() -> None:
    lines = [{"step": float(step), "discriminator.lsgan": 1 / step, "discriminator": 1 / step} for step in range(1, 9)]
    assert [curve.name for curve in draw_curves(lines)] == ["discriminator.lsgan = discriminator"]
    lines[3]["discriminator"] += 1e-9
    assert len(draw_curves(lines)) == 2


@pytest.mark.parametrize(
    ("name", "logarithmic", "label"),
    [
        ("generator.feature-matching", False, "loss, not weighted"),
        ("opposite.discriminator.lsgan", True, "loss, not weighted, log scale"),
        ("generator", False, "weighted sum of the losses"),
        ("generator.gradient_norm", False, "L2 norm of the gradient"),
        ("images_per_s", False, "pictures a second"),
        ("held_out_l1", True, "L1, values in [\u22121, 1], log scale"),
        ("temperature", False, "temperature"),
    ],
)
def test_an_axis_says_what_it_shows_in_which_unit_and_where_its_scale_is_logarithmic(
    name: str, logarithmic: bool, label: str
) -> None:
    assert axis_label(name, logarithmic) == label


def test_both_axes_of_a_drawing_have_their_labels() -> None:
    (curve,) = draw_curves([{"step": float(step), "images_per_s": 2.0 * step} for step in range(5)])
    assert ">training steps<" in curve.svg and ">pictures a second<" in curve.svg
