from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gdp.core.interfaces.context import BuildContext
from gdp.plugins.evaluators import FlatFramesConfig
from gdp.plugins.evaluators.flat import FlatFramesEvaluator, deviation_from_flat, nearly_flat


def test_a_student_that_changes_a_colour_evenly_draws_nothing_into_it(world: Any, build: BuildContext) -> None:
    evaluation = FlatFramesEvaluator(FlatFramesConfig(), build).evaluate(world.context(lambda source: source + 0.2))
    assert {name: metric.value for name, metric in evaluation.metrics.items()} == {
        **{f"quality.flat.levels.{name}": pytest.approx(1.0, abs=0.01) for name in ("black", "grey", "skin")},
        "quality.flat.largest_levels": pytest.approx(1.0, abs=0.01),
    }, "the one value that is a level off"
    assert [list(row.pictures) for row in evaluation.rows] == [["source", "student"]] * 3


def test_a_pattern_that_a_normalised_student_draws_is_found_though_it_leaves_exactly_flat_frames_alone(
    world: Any, build: BuildContext
) -> None:
    def normalised(source: Tensor) -> Tensor:
        return source + functional.instance_norm(source)

    flat = nearly_flat((0, 0, 0), 16)
    assert deviation_from_flat(normalised(flat[:1])) == 0
    evaluation = FlatFramesEvaluator(FlatFramesConfig(), build).evaluate(world.context(normalised))
    assert evaluation.metrics["quality.flat.largest_levels"].value > 50


def test_frames_are_of_the_colour_asked_for_and_one_has_one_value_a_level_off() -> None:
    flat, nearly = ((frame + 1) * 127.5 for frame in nearly_flat((255, 7, 0), 8))
    assert torch.equal(flat[:, 3, 3].round(), torch.tensor([255.0, 7.0, 0.0]))
    difference = (nearly - flat).abs()
    assert int((difference > 0.5).sum()) == 1 and float(difference.max()) == pytest.approx(1, abs=1e-3)


def test_colours_are_levels_with_plain_names() -> None:
    assert FlatFramesConfig(colours={"sky": (10, 20, 250)}).colours == {"sky": (10, 20, 250)}
    for wrong in ({}, {"sky": (10, 20, 256)}, {"sky.blue": (1, 2, 3)}):
        with pytest.raises(ValueError, match="colours"):
            FlatFramesConfig(colours=wrong)
