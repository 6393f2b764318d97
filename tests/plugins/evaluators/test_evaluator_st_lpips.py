from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

from gdp.core.errors import MissingResourceError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.evaluators import EVALUATED_BYTES_A_PIXEL
from gdp.core.memory import MemoryBound
from gdp.plugins.evaluators import SlowRouteConfig, STLPIPSConfig
from gdp.plugins.evaluators.perceptual import ST_LPIPS, ST_LPIPS_UNCHANGED, STLPIPSEvaluator
from gdp.plugins.evaluators.slow_route import SlowRouteEvaluator
from gdp.plugins.losses.shift_tolerant import load_distance

FEW = SlowRouteConfig(pictures=2, student_repeats=1)


def test_the_student_and_the_unchanged_source_are_compared_with_the_target(world: Any, build: BuildContext) -> None:
    evaluator = STLPIPSEvaluator(STLPIPSConfig(batch=4), build)
    perfect = evaluator.evaluate(world.context(world.perfect)).metrics
    lazy = evaluator.evaluate(world.context()).metrics
    assert perfect[ST_LPIPS].value == pytest.approx(0, abs=1e-5)
    assert lazy[ST_LPIPS].value == lazy[ST_LPIPS_UNCHANGED].value == perfect[ST_LPIPS_UNCHANGED].value > 1e-3
    assert (lazy[ST_LPIPS].better, lazy[ST_LPIPS_UNCHANGED].better) == ("lower", "")
    protocol = lazy[ST_LPIPS].protocol
    assert "not LPIPS" in protocol
    assert "alex" in protocol
    assert "at their own 16 x 16 px" in protocol
    assert "6 held-out pairs" in protocol


def test_the_mean_is_over_pictures_whatever_goes_together(
    world: Any, build: BuildContext, pairs_of: Callable[..., Any]
) -> None:
    source, target = torch.rand(2, 5, 3, 48, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    context = world.context(held_out=range(5), load=pairs_of(source, target))
    with torch.no_grad():
        each = [float(load_distance("alex")(source[row : row + 1], target[row : row + 1])) for row in range(5)]
    for batch in (2, 16):
        found = STLPIPSEvaluator(STLPIPSConfig(batch=batch), build).evaluate(context).metrics
        assert found[ST_LPIPS].value == pytest.approx(sum(each) / 5, rel=1e-5)


def test_pairs_go_through_as_many_together_as_the_memory_holds(world: Any, build: BuildContext) -> None:
    bound = MemoryBound(given=int(2.5 * 16 * 16 * EVALUATED_BYTES_A_PIXEL))
    STLPIPSEvaluator(STLPIPSConfig(), build).evaluate(world.context(memory=bound))
    assert world.predicted == [2, 2, 2]


def test_without_held_out_pairs_the_numbers_are_absent(world: Any, build: BuildContext) -> None:
    found = STLPIPSEvaluator(STLPIPSConfig(), build).evaluate(world.context(held_out=()))
    assert set(found.absent) == {ST_LPIPS, ST_LPIPS_UNCHANGED}
    assert not found.metrics


def test_its_sentence_names_the_measure() -> None:
    (sentence,) = STLPIPSEvaluator.sentences({ST_LPIPS: 0.08123, ST_LPIPS_UNCHANGED: 0.2})
    assert "(ST-LPIPS) from the teacher's is **0.0812**, the unchanged sources' 0.200." in sentence.text
    assert not list(STLPIPSEvaluator.sentences({}))


def test_the_slow_route_is_measured_on_its_own_pictures(world: Any, build: BuildContext) -> None:
    metrics = SlowRouteEvaluator(FEW, build).evaluate(world.context()).metrics
    assert metrics["quality.slow_route.st_lpips"].value == pytest.approx(0, abs=1e-4)
    unchanged = metrics["quality.student_on_same.st_lpips_unchanged"].value
    assert metrics["quality.student_on_same.st_lpips"].value == unchanged > 1e-3
    assert "2 held-out pictures that went the slow route" in metrics["quality.slow_route.st_lpips"].protocol
    without = SlowRouteEvaluator(SlowRouteConfig(pictures=2, student_repeats=1, st_lpips="none"), build)
    assert not [name for name in without.evaluate(world.context()).metrics if "st_lpips" in name]


def test_without_the_package_the_evaluator_refuses_and_the_slow_route_says_what_is_absent(
    world: Any, build: BuildContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "stlpips_pytorch", None)
    with pytest.raises(MissingResourceError, match=r"pip install 'gdp-distill\[perceptual\]'"):
        STLPIPSEvaluator(STLPIPSConfig(), build)
    found = SlowRouteEvaluator(FEW, build).evaluate(world.context())
    assert "gdp-distill[perceptual]" in found.absent["quality.slow_route.st_lpips"]
    assert "quality.slow_route.psnr_db" in found.metrics
