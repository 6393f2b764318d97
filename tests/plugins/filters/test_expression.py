"""`expression`: one condition over what other filters measured."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from gdp.core.errors import GdpError
from gdp.core.interfaces.context import BuildContext
from gdp.core.pairs import Scores, Verdict
from gdp.plugins.filters import ExpressionConfig
from gdp.plugins.filters.expression import ExpressionFilter

PAIRS: Mapping[int, Mapping[str, Scores]] = {
    3: {"face-attributes": {"source_age": 30, "target_age": 50}, "sharpness": {"source": 120.0, "target": 90.0}},
    4: {"face-attributes": {"source_age": 30, "target_age": 32}, "sharpness": {"source": 120.0, "target": 20.0}},
    9: {"face-attributes": {"source_age": 30, "target_age": None}, "sharpness": {"source": 120.0, "target": 90.0}},
}


def judge(keep: str, reason: str | None = None) -> dict[int, Verdict]:
    return ExpressionFilter(ExpressionConfig(keep=keep, reason=reason), BuildContext()).decide(PAIRS)


def test_scores_of_several_filters_are_combined() -> None:
    verdicts = judge("target_age - source_age > 10 and sharpness.target >= 60")
    assert {index: verdict.decision for index, verdict in verdicts.items()} == {3: "keep", 4: "drop", 9: "unknown"}
    assert verdicts[3].reason is None
    assert verdicts[4].reason == "fails target_age - source_age > 10"
    assert verdicts[9].reason == "target_age is not known"


def test_what_is_known_decides_where_it_can() -> None:
    verdicts = judge("target_age > 40 or sharpness.target > 60")
    assert [verdict.decision for verdict in verdicts.values()] == ["keep", "drop", "keep"]


def test_the_recipe_can_name_the_reason() -> None:
    assert judge("target_age > 40", reason="too young")[4].reason == "too young"


def test_an_unknown_score_stops_the_stage_with_the_nearest_name() -> None:
    with pytest.raises(GdpError, match=r"filter expression, keep: .*no score sourc_age, did you mean source_age\?"):
        judge("sourc_age > 3")


def test_a_mistake_in_the_condition_is_a_mistake_of_the_recipe() -> None:
    with pytest.raises(ValidationError, match=r"column 1: an operator .*; column 16: subscript has no place"):
        ExpressionConfig(keep="a ** 2 > 1 and b[0] == 3")


def test_the_look_ahead_names_the_scores_that_are_needed() -> None:
    config = ExpressionConfig(keep="source_age > 3 and not face_attributes.target_age > source_age")
    assert ExpressionFilter(config, BuildContext()).check() == "needs source_age, face_attributes.target_age"
