"""The arithmetic of a comparison."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdp.tools.compare.numbers import Outcome, Spread, document, judge, summary

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5)


def spread(*values: float) -> Spread:
    return Spread(values)


@pytest.mark.parametrize(
    ("ours", "base", "better", "verdict"),
    [
        (spread(0.2, 0.3), spread(0.5, 0.6), "lower", "better"),
        (spread(0.2, 0.3), spread(0.5, 0.6), "higher", "worse"),
        (spread(0.5, 0.6), spread(0.2, 0.3), "higher", "better"),
        (spread(0.5, 0.6), spread(0.2, 0.3), "", "different"),
        (spread(0.5, 0.6), spread(0.2, 0.6), "higher", "within the spread"),
        (spread(0.0, 1.0), spread(0.1, 0.1), "higher", "within the spread"),
        (spread(1.0, 1.0), spread(1.0, 1.0), "higher", "within the spread"),
        (spread(9.0), spread(0.2, 0.3), "higher", None),
        (spread(0.2, 0.3), spread(9.0), "higher", None),
    ],
)
def test_a_difference_counts_where_it_is_larger_than_the_wider_spread(
    ours: Spread, base: Spread, better: str, verdict: str | None
) -> None:
    assert judge(ours, base, better) == verdict


@given(NUMBERS, NUMBERS, st.sampled_from(["higher", "lower"]))
def test_what_is_better_seen_from_one_side_is_worse_from_the_other(
    ours: list[float], base: list[float], better: str
) -> None:
    there = judge(Spread(tuple(ours)), Spread(tuple(base)), better)
    back = judge(Spread(tuple(base)), Spread(tuple(ours)), better)
    assert (there, back) in {
        ("better", "worse"),
        ("worse", "better"),
        ("within the spread", "within the spread"),
        (None, None),
    }


def test_a_summary_has_mean_deviation_range_and_every_seeds_value() -> None:
    found = summary([1.0, 2.0, 6.0], [1.0, 1.5, 2.0], "higher")
    assert found == {
        "mean": 3.0,
        "standard_deviation": pytest.approx(statistics.stdev([1, 2, 6])),
        "min": 1.0,
        "max": 6.0,
        "values": [1.0, 2.0, 6.0],
        "difference": 1.5,
        "verdict": "within the spread",
    }
    assert summary([4.0], None, "higher")["standard_deviation"] is None
    assert "difference" not in summary([4.0], None, "higher")


def test_an_unfinished_comparison_holds_what_is_known_by_now() -> None:
    outcomes = [
        Outcome("whole", 7, {"steps": 5}, {"a": 1.0, "b": 2.0}),
        Outcome("whole", 8, {"steps": 5}, {"a": 3.0, "b": 2.0}),
        Outcome("less", 7, {"steps": 5}, {"b": 5.0}),
    ]
    found = document(
        outcomes, {"a": {"better": "lower"}, "b": {"better": "lower"}}, {"whole": {}, "less": {}, "more": {}}
    )
    whole, less, more = found["variants"]
    assert found["unchanged"] == "whole"
    assert whole["metrics"]["a"]["mean"] == 2.0
    assert [training["seed"] for training in whole["trainings"]] == [7, 8]
    assert list(less["metrics"]) == ["b"]
    assert less["metrics"]["b"]["difference"] == 3.0
    assert less["metrics"]["b"]["verdict"] is None
    assert (more["metrics"], more["trainings"]) == ({}, [])
