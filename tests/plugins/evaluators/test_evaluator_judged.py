from __future__ import annotations

import pytest
import torch

from gdp.core.interfaces.evaluators import Evaluation
from gdp.plugins.evaluators.judged import Judged, add_shift_ratio, agreement, mean_shift
from gdp.plugins.faces.judge import FaceAssessment


def assessment(ages: list[float], glasses: list[float], hair: list[int]) -> FaceAssessment:
    count = len(ages)
    return FaceAssessment(
        age=torch.tensor(ages),
        face=torch.full((count,), 0.9),
        glasses=torch.tensor(glasses),
        smile=torch.full((count,), 0.2),
        hair_length=torch.nn.functional.one_hot(torch.tensor(hair), 3).float(),
        skin=torch.nn.functional.one_hot(torch.zeros(count, dtype=torch.long), 4).float(),
    )


BEFORE = Judged.of([assessment([20.0, 30.0], [0.1, 0.9], [0, 1]), assessment([40.0, 50.0], [0.4, 0.6], [2, 2])])
AFTER = Judged.of([assessment([40.0, 50.0, 70.0, 60.0], [0.2, 0.8, 0.5, 0.6], [0, 1, 2, 1])])


def test_the_shift_is_the_mean_difference_of_judged_ages() -> None:
    assert mean_shift(BEFORE, AFTER) == pytest.approx((20 + 20 + 30 + 10) / 4)


def test_agreement_is_the_share_of_equal_answers() -> None:
    # the third face: a probability of one half is a yes, 0.4 was a no; the fourth face's hair became medium
    expected = {"glasses": 0.75, "hair_length": 0.75, "skin": 1.0}
    assert agreement(BEFORE, AFTER, ("glasses", "hair_length", "skin")) == expected


def test_the_ratio_is_of_the_mean_shifts() -> None:
    evaluation = Evaluation()
    add_shift_ratio(evaluation, "quality.held_out", (18.0, 20.0), "teacher", 1.0, "4 pairs")
    assert {name: metric.value for name, metric in evaluation.metrics.items()} == {
        "quality.held_out.age_shift_student_years": 18.0,
        "quality.held_out.age_shift_teacher_years": 20.0,
        "quality.held_out.age_shift_ratio": 0.9,
    }


def test_a_reference_that_hardly_ages_makes_no_ratio() -> None:
    evaluation = Evaluation()
    add_shift_ratio(evaluation, "quality.rendered", (3.0, -0.2), "truth", 1.0, "4 faces")
    assert "quality.rendered.age_shift_ratio" not in evaluation.metrics
    assert "-0.20 years" in evaluation.absent["quality.rendered.age_shift_ratio"]
    assert evaluation.metrics["quality.rendered.age_shift_truth_years"].value == -0.2
