from __future__ import annotations

from typing import Any

import pytest
import torch

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.teachers import Teacher
from gdp.plugins.evaluators import SpeedConfig
from gdp.plugins.evaluators.speed import SpeedEvaluator
from gdp.support.measuring import Timing, time_interleaved
from gdp.support.wording import counted

FEW = SpeedConfig(repeats=3, warmup=1)


def test_times_are_taken_in_turns_and_the_first_ones_are_thrown_away() -> None:
    order: list[str] = []
    timings = time_interleaved(
        {"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3, 2, torch.device("cpu")
    )
    assert order == ["a", "b"] * 5
    assert [len(timing.milliseconds) for timing in timings.values()] == [3, 3]


def test_the_spread_is_from_the_tenth_to_the_ninetieth_percentile() -> None:
    timing = Timing([float(value) for value in range(11)])
    assert timing.median == 5
    assert timing.spread == (1, 9)
    assert Timing([2.5]).spread == (2.5, 2.5)


def test_one_picture_at_a_time_goes_through_the_student(world: Any, build: BuildContext) -> None:
    SpeedEvaluator(FEW, build).evaluate(world.context())
    assert world.predicted == [1] * 4


def test_student_and_teacher_are_timed_and_counted(world: Any, build: BuildContext) -> None:
    metrics = SpeedEvaluator(FEW, build).evaluate(world.context()).metrics
    for name in ("student", "teacher"):
        low, middle, high = (metrics[f"speed.{name}_ms{end}"].value for end in ("_p10", "", "_p90"))
        assert 0 < low <= middle <= high
    assert metrics["size.student.parameters"].value == 3 * 3 + 3
    assert metrics["size.student.macs"].value == 3 * 3 * 16 * 16
    assert metrics["size.student.bytes"].value == 4 * (3 * 3 + 3)
    assert metrics["size.teacher.parameters"].value == 6 * 3 * 16 * 16
    assert metrics["speed.threads"].value == torch.get_num_threads()
    ratio = metrics["speed.teacher_ms"].value / metrics["speed.student_ms"].value
    assert metrics["speed.teacher_to_student"].value == ratio


def test_the_student_is_held_against_one_forward_of_its_teacher(world: Any, build: BuildContext) -> None:
    metrics = SpeedEvaluator(FEW, build).evaluate(world.context()).metrics
    assert metrics["size.macs_ratio"].value == (3 * 3 * 16 * 16) / (6 * 3 * 16 * 16)
    assert metrics["size.parameters_ratio"].value == 12 / (6 * 3 * 16 * 16)


def test_a_students_time_is_told_once_whichever_evaluator_comes_first(world: Any, build: BuildContext) -> None:
    metrics = SpeedEvaluator(FEW, build).evaluate(world.context(measured={"speed.student_ms": 4.0})).metrics
    assert not [name for name in metrics if name.startswith("speed.student_ms")]
    assert metrics["speed.teacher_to_student"].value == metrics["speed.teacher_ms"].value / 4


def test_a_run_without_a_teacher_says_so(world: Any, build: BuildContext) -> None:
    evaluation = SpeedEvaluator(FEW, build).evaluate(world.context(teacher=None))
    assert "speed.teacher_ms" in evaluation.absent
    assert not [name for name in evaluation.metrics if "teacher" in name]


def test_a_teacher_of_any_kind_is_timed(world: Any, build: BuildContext, translator: Teacher) -> None:
    evaluation = SpeedEvaluator(FEW, build).evaluate(world.context(teacher=translator))
    assert evaluation.metrics["speed.teacher_ms"].value > 0


def test_speed_needs_no_held_out_pair(world: Any, build: BuildContext) -> None:
    metrics = SpeedEvaluator(FEW, build).evaluate(world.context(held_out=[])).metrics
    assert metrics["speed.student_ms"].value > 0


def test_the_protocol_names_threads_and_resolution(world: Any, build: BuildContext) -> None:
    metrics = SpeedEvaluator(FEW, build).evaluate(world.context()).metrics
    assert "16 px" in metrics["speed.student_ms"].protocol
    assert counted(torch.get_num_threads(), "thread") in metrics["speed.student_ms"].protocol


def test_fewer_than_three_repeats_are_refused() -> None:
    with pytest.raises(ValueError, match="repeats"):
        SpeedConfig(repeats=2)
