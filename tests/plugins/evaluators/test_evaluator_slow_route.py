from __future__ import annotations

from typing import Any

import pytest

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.teachers import Teacher
from gdp.plugins.evaluators import SlowRouteConfig
from gdp.plugins.evaluators.slow_route import NAMES, SlowRouteEvaluator

FEW = SlowRouteConfig(pictures=3, student_repeats=2)


def test_an_exact_projection_makes_the_slow_route_perfect(world: Any, build: BuildContext) -> None:
    metrics = SlowRouteEvaluator(FEW, build).evaluate(world.context()).metrics
    assert metrics["quality.slow_route.psnr_db"].value > 60
    assert metrics["quality.slow_route.psnr_db_projection"].value > 60


def test_the_student_is_measured_on_the_same_pictures(world: Any, build: BuildContext) -> None:
    perfect = SlowRouteEvaluator(FEW, build).evaluate(world.context(world.perfect)).metrics
    unchanged = SlowRouteEvaluator(FEW, build).evaluate(world.context()).metrics
    assert perfect["quality.student_on_same.psnr_db"].value > 60
    base = unchanged["quality.student_on_same.psnr_db_unchanged"].value
    assert unchanged["quality.student_on_same.psnr_db"].value == base < 40


def test_pictures_are_projected_one_at_a_time_with_the_steps_asked_for(world: Any, build: BuildContext) -> None:
    config = SlowRouteConfig(pictures=3, student_repeats=1, steps=25)
    metrics = SlowRouteEvaluator(config, build).evaluate(world.context()).metrics
    assert world.teacher.projected[:3] == [(1, 25)] * 3
    assert metrics["speed.slow_route_steps"].value == 25
    assert "25 steps; squared error, solved exactly" in metrics["speed.slow_route_ms"].protocol


def test_without_steps_the_teacher_chooses_its_published_default(world: Any, build: BuildContext) -> None:
    SlowRouteEvaluator(FEW, build).evaluate(world.context())
    assert world.teacher.projected[:3] == [(1, None)] * 3


def test_the_arithmetic_of_the_slow_route_grows_with_its_steps(world: Any, build: BuildContext) -> None:
    """The linear teacher's projection multiplies once whatever the steps are; here each step does once more."""
    project = type(world.teacher).project

    def with_steps(self: Any, images: Any, steps: int | None, progress: Any) -> Any:
        for _ in range(steps or 1000):
            self.linear(images.new_zeros(1, 6))
        return project(self, images, steps, progress)

    counted = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(world.teacher), "project", with_steps)
        for steps in (3, 30):
            config = SlowRouteConfig(pictures=1, student_repeats=1, steps=steps)
            metrics = SlowRouteEvaluator(config, build).evaluate(world.context()).metrics
            counted[steps] = metrics["size.slow_route.macs"].value
    one = 6 * 3 * 16 * 16
    assert counted == {3: (3 + 2) * one, 30: (30 + 2) * one}, "the synthesis of the projection and of the edit besides"


def test_a_student_that_was_timed_before_is_not_timed_again_and_the_ratio_rests_on_that_time(
    world: Any, build: BuildContext
) -> None:
    evaluation = SlowRouteEvaluator(FEW, build).evaluate(world.context(measured={"speed.student_ms": 2.0}))
    assert "speed.student_ms" not in evaluation.metrics
    assert evaluation.metrics["speed.ratio"].value == evaluation.metrics["speed.slow_route_ms"].value / 2
    assert world.predicted == [1] * 3, "the three pictures that are compared"


def test_the_ratio_is_that_of_the_two_times_beside_it(world: Any, build: BuildContext) -> None:
    metrics = SlowRouteEvaluator(FEW, build).evaluate(world.context()).metrics
    slow, student = metrics["speed.slow_route_ms"].value, metrics["speed.student_ms"].value
    assert metrics["speed.ratio"].value == pytest.approx(slow / student)
    assert metrics["speed.slow_route_ms_fastest"].value <= slow <= metrics["speed.slow_route_ms_slowest"].value


def test_the_student_is_timed_between_the_slow_pictures(world: Any, build: BuildContext) -> None:
    projected_at: list[int] = []

    def predict(source: Any) -> Any:
        projected_at.append(len(world.teacher.projected))
        return source

    SlowRouteEvaluator(FEW, build).evaluate(world.context(predict))
    # two unmeasured runs and two measured before each picture and after the last; one prediction of each picture
    assert [projected_at.count(done) for done in range(4)] == [4, 5, 5, 5]


def test_the_report_gets_a_column_of_the_slow_route(world: Any, build: BuildContext) -> None:
    rows = SlowRouteEvaluator(FEW, build).evaluate(world.context()).rows
    assert [row.title for row in rows] == [f"The slow route / pair {index}" for index in (0, 2, 4)]
    assert list(rows[0].pictures) == ["source", "teacher", "student", "slow route"]


def test_a_teacher_without_latents_has_no_slow_route(world: Any, build: BuildContext, translator: Teacher) -> None:
    for teacher in (translator, None):
        evaluation = SlowRouteEvaluator(FEW, build).evaluate(world.context(teacher=teacher))
        assert set(evaluation.absent) == set(NAMES)
        assert "latents" in evaluation.absent["speed.ratio"]
        assert evaluation.metrics == {}


def test_a_pair_source_without_an_edit_of_one_latent_has_no_slow_route(
    world: Any, build: BuildContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = world.context()
    monkeypatch.setattr(type(context.pair_source), "edit", lambda self, ws: None)
    evaluation = SlowRouteEvaluator(FEW, build).evaluate(context)
    assert "no edit" in evaluation.absent["quality.slow_route.psnr_db"]
    assert world.teacher.projected == []


def test_without_held_out_pictures_the_reason_is_told(world: Any, build: BuildContext) -> None:
    evaluation = SlowRouteEvaluator(FEW, build).evaluate(world.context(held_out=[]))
    assert "held out" in evaluation.absent["speed.slow_route_ms"]
