from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from gdp.core.interfaces.context import BuildContext
from gdp.core.pairs.records import PairBatch
from gdp.plugins.evaluators import FaceAttributesConfig, RenderedFacesConfig
from gdp.plugins.evaluators.judged import FaceAttributesEvaluator, RenderedFacesEvaluator, faces_of_ages
from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.renderer import render
from gdp.plugins.filters import FaceAttributesConfig as FilterSettings
from gdp.plugins.filters.face_attributes import FaceAttributesFilter

Load = Callable[[Sequence[int]], PairBatch]
COUNT = 12


@pytest.fixture(scope="module")
def pictures() -> tuple[Tensor, Tensor]:
    """Faces of 25 to 45 years, and the same 25 years older."""
    faces = faces_of_ages(3, COUNT, 25, 45)
    return render(faces), render(faces.older(25))


@pytest.fixture
def load(pictures: tuple[Tensor, Tensor], pairs_of: Callable[[Tensor, Tensor], Load]) -> Load:
    return pairs_of(*pictures)


def look_up(pictures: tuple[Tensor, Tensor], pick: int) -> Callable[[Tensor], Tensor]:
    """Return a student that knows the answer to these sources: 1 for the target, 0 for the source itself."""

    def predict(source: Tensor) -> Tensor:
        rows = [int((pictures[0] - image).abs().sum(dim=(1, 2, 3)).argmin()) for image in source]
        return pictures[pick][rows]

    return predict


def test_a_perfect_student_has_an_age_shift_ratio_of_one(
    world: Any, build: BuildContext, load: Load, pictures: tuple[Tensor, Tensor]
) -> None:
    context = world.context(look_up(pictures, 1), held_out=range(COUNT), load=load)
    metrics = FaceAttributesEvaluator(FaceAttributesConfig(), build).evaluate(context).metrics
    assert metrics["quality.held_out.age_shift_ratio"].value == pytest.approx(1.0, abs=1e-4)
    assert metrics["quality.held_out.age_shift_teacher_years"].value > 10
    for name in ("glasses", "smile", "hair_length", "skin"):
        ours, teachers = (metrics[f"quality.held_out.{who}.{name}"].value for who in ("agreement", "teacher_agreement"))
        assert ours == teachers


def test_a_student_that_returns_its_source_shifts_no_age_and_keeps_everything(
    world: Any, build: BuildContext, load: Load
) -> None:
    metrics = (
        FaceAttributesEvaluator(FaceAttributesConfig(batch=5), build)
        .evaluate(world.context(held_out=range(COUNT), load=load))
        .metrics
    )
    assert metrics["quality.held_out.age_shift_student_years"].value == pytest.approx(0.0, abs=1e-3)
    assert metrics["quality.held_out.age_shift_ratio"].value == pytest.approx(0.0, abs=1e-4)
    assert metrics["quality.held_out.agreement.glasses"].value == 1.0


def test_without_held_out_pairs_no_age_is_judged(world: Any, build: BuildContext) -> None:
    evaluation = FaceAttributesEvaluator(FaceAttributesConfig(), build).evaluate(world.context(held_out=[]))
    assert "held out" in evaluation.absent["quality.held_out.age_shift_ratio"]


def test_drawn_faces_have_the_ages_asked_for_and_are_the_first_there_are() -> None:
    faces = faces_of_ages(5, 40, 30, 40)
    assert len(faces) == 40
    assert 30 <= float(faces.age.min()) <= float(faces.age.max()) <= 40
    everyone = sample_attributes(5, range(160))
    first = everyone.age[(everyone.age >= 30) & (everyone.age <= 40)]
    assert torch.equal(faces.age[: len(first)], first[:40])


def rendered(**settings: Any) -> RenderedFacesConfig:
    return RenderedFacesConfig(**{"count": 10, "years": 25.0, "pictures": 2, **settings})


def test_on_rendered_faces_an_unchanged_source_gets_exactly_the_unchanged_psnr(world: Any, build: BuildContext) -> None:
    evaluation = RenderedFacesEvaluator(rendered(), build).evaluate(world.context(pair_source=Square64()))
    metrics = evaluation.metrics
    assert metrics["quality.rendered.psnr_db"].value == metrics["quality.rendered.psnr_db_unchanged"].value
    assert metrics["quality.rendered.psnr_db_gain"].value == 0
    assert metrics["quality.rendered.attribute_agreement"].value == 1.0
    assert metrics["quality.rendered.age_shift_ratio"].value == pytest.approx(0.0, abs=1e-3)
    assert metrics["quality.rendered.true_shift_years"].value == 25.0
    assert [list(row.pictures) for row in evaluation.rows] == [["source", "student", "truth"]] * 2


def test_on_rendered_faces_the_true_older_face_has_a_ratio_of_one(world: Any, build: BuildContext) -> None:
    faces = faces_of_ages(770_077, 10, 18, 60)
    student = look_up((render(faces), render(faces.older(25))), 1)
    metrics = RenderedFacesEvaluator(rendered(), build).evaluate(world.context(student, pair_source=Square64())).metrics
    assert metrics["quality.rendered.age_shift_ratio"].value == pytest.approx(1.0, abs=1e-4)
    assert metrics["quality.rendered.psnr_db"].value == 100
    assert metrics["quality.rendered.psnr_db_gain"].value == 100 - metrics["quality.rendered.psnr_db_unchanged"].value
    worst = min(metrics[f"quality.rendered.truth_agreement.{name}"].value for name in ("glasses", "smile", "skin"))
    assert metrics["quality.rendered.attribute_agreement"].value <= worst


def test_the_years_come_from_the_teacher_where_the_recipe_leaves_them_out(
    world: Any, build: BuildContext, load: Load
) -> None:
    context = world.context(held_out=range(COUNT), load=load, pair_source=Square64())
    shift = (
        FaceAttributesEvaluator(FaceAttributesConfig(), build)
        .evaluate(context)
        .metrics["quality.held_out.age_shift_teacher_years"]
    )
    metrics = RenderedFacesEvaluator(rendered(years=None), build).evaluate(context).metrics
    assert metrics["quality.rendered.true_shift_years"].value == pytest.approx(shift.value, abs=1e-3)


def test_what_the_judge_tells_names_the_judge_as_its_filter_does_and_what_pixels_tell_names_none(
    world: Any, build: BuildContext, load: Load
) -> None:
    fingerprint = FaceAttributesFilter(FilterSettings(), build).fingerprint
    context = world.context(held_out=range(COUNT), load=load, pair_source=Square64())
    metrics = FaceAttributesEvaluator(FaceAttributesConfig(), build).evaluate(context).metrics
    assert {metric.judge for metric in metrics.values()} == {fingerprint}
    metrics = RenderedFacesEvaluator(rendered(), build).evaluate(context).metrics
    by_pixels = {name for name, metric in metrics.items() if not metric.judge}
    pixels = {f"quality.rendered.psnr_db{end}" for end in ("", "_unchanged", "_gain")}
    assert by_pixels == {*pixels, "quality.rendered.true_shift_years"}, "the years are the recipe's here"


def test_numbers_that_cannot_be_had_are_absent_with_the_reason(world: Any, build: BuildContext) -> None:
    no_pairs = world.context(held_out=[], pair_source=Square64())
    assert "set years" in _reason(RenderedFacesEvaluator(rendered(years=None), build).evaluate(no_pairs))
    two_pictures = world.context(pair_source=Square64(input_channels=6))
    assert "more than one picture" in _reason(RenderedFacesEvaluator(rendered(), build).evaluate(two_pictures))
    too_old = RenderedFacesEvaluator(rendered(years=90.0), build).evaluate(world.context(pair_source=Square64()))
    assert "change min_age" in _reason(too_old)


def _reason(evaluation: Any) -> str:
    assert evaluation.metrics == {}
    reason: str = evaluation.absent["quality.rendered.age_shift_ratio"]
    return reason


class Square64:
    """What rendered faces ask of a pair source: the size of pictures and how many a student takes."""

    resolution = 64

    def __init__(self, input_channels: int = 3) -> None:
        self.input_channels = input_channels
