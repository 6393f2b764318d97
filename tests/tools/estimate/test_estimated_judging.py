"""How many pairs will be kept, from what is known of the filters."""

from __future__ import annotations

import pytest

from gdp.tools.estimate.judging import PUBLISHED, Judging, expected_counts


def test_what_filters_kept_of_the_trials_pairs_is_what_they_keep_of_all() -> None:
    counts = expected_counts(1000, Judging(share=0.6, low=0.5, high=0.7), held_out=0.1)
    assert (counts.kept, counts.kept_low, counts.kept_high) == (600, 500, 700)
    assert (counts.train, counts.held_out) == (540, 60)
    assert counts.amount == pytest.approx((500 / 600, 700 / 600))


def test_filters_that_could_not_be_tried_keep_the_published_share() -> None:
    """10,000 kept at 86 % need at least 11,628 pairs."""
    counts = expected_counts(11_628, Judging(untried=True), held_out=0.0)
    assert counts.kept == pytest.approx(10_000, abs=1)
    assert counts.kept_low == pytest.approx(11_628 * PUBLISHED[1])
    assert counts.kept_high == 11_628


def test_what_the_user_knows_is_taken_as_it_is() -> None:
    counts = expected_counts(1000, Judging(share=0.1, low=0.0, high=0.2, untried=True), held_out=0.5, keep=0.8)
    assert (counts.kept, counts.kept_low, counts.kept_high, counts.train) == (800, 800, 800, 400)
