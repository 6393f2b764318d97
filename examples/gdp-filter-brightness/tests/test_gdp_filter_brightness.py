"""The filter keeps gdp's contract, and drops what is dark."""

import gdp
import pytest
from gdp.testing import conformance, examples

from gdp_filter_brightness import BrightnessConfig
from gdp_filter_brightness.filter import BrightnessFilter


@conformance.cases("filter", "brightness", settings={"min_mean": 0.4})
def test_contract(case: conformance.Case) -> None:
    case()


def test_dark_targets_are_dropped_whatever_their_source() -> None:
    pairs = examples.pairs(2)
    pairs.target[0], pairs.target[1] = -0.9, 0.9
    dark, bright = BrightnessFilter(BrightnessConfig(min_mean=0.5), gdp.BuildContext()).judge(pairs)
    assert (dark.decision, dark.reason, bright.decision) == ("drop", "too dark", "keep")
    assert bright.scores == {"mean_luminance": pytest.approx(0.95)}
