"""The networks and losses reproduce the golden numbers of the published programs, case by case.

A case of a kind without a runner fails, unless its name stands in NOT_YET_COVERED. Where this project refuses on
purpose what a published program computes, the runner gives the error in place of the tensor, and REFUSED names it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import runners_conversion
import runners_cyclegan
import runners_pix2pixhd
import runners_stylegan2
import safetensors.torch
import torch.nn.functional as F
from golden_cases import GOLDEN, golden_cases
from torch import Tensor

from gdp.core.errors import ShapeError

Tensors = dict[str, Tensor]
Outputs = Mapping[str, Tensor | ShapeError]
RUNNERS: dict[str, Callable[[Mapping[str, Any], Tensors], Outputs]] = {
    **runners_stylegan2.RUNNERS,
    **runners_pix2pixhd.RUNNERS,
    **runners_cyclegan.RUNNERS,
    **runners_conversion.RUNNERS,
}
NOT_YET_COVERED: set[str] = set()
REFUSED = {
    # It compares the student's 3 hidden states with 1 of the teacher's by broadcasting: a mistake of that program.
    "cyclegan_distillation_9to3": {"output.hidden_state_loss.layers_8"},
}
CASES = golden_cases()
SMALL = 16

pytestmark = pytest.mark.skipif(not CASES, reason=f"the golden data is not at {GOLDEN}")


def failures(case: Mapping[str, Any], got: Outputs, want: Tensors) -> list[str]:
    """Every way in which the outputs are not those of the case: missing, too many, another shape, too far off.

    Exactly those in REFUSED must be an error instead.
    """
    refused = REFUSED.get(case["name"], set())
    found = [f"{name}: not computed" for name in sorted(want.keys() - got.keys())]
    found += [f"{name}: computed, but not in the case" for name in sorted(got.keys() - want.keys())]
    for name in sorted(want.keys() & got.keys()):
        expected, result = want[name], got[name]
        if isinstance(result, ShapeError) or name in refused:
            if not (isinstance(result, ShapeError) and name in refused):
                found.append(f"{name}: {'computed, but to be refused' if name in refused else f'refused: {result}'}")
            continue
        if expected.shape != result.shape:
            found.append(f"{name}: shape {tuple(result.shape)}, expected {tuple(expected.shape)}")
            continue
        pair = tolerance_pair(case["tolerance"], name, expected.numel())
        limit = pair["atol"] + pair["rtol"] * float(expected.abs().max())
        error = float((result - expected).abs().max())
        if not error <= limit:  # a NaN fails too
            found.append(f"{name}: off by {error:.2e}, limit {limit:.2e}")
    return found


def tolerance_pair(tolerance: Mapping[str, Any], name: str, size: int) -> Mapping[str, float]:
    if name.startswith("output.grad."):
        return tolerance["grad"]
    if size <= SMALL and "small" in tolerance:
        return tolerance["small"]
    return tolerance


@pytest.mark.parametrize("name", sorted(CASES.keys() - NOT_YET_COVERED))
def test_case_is_reproduced(name: str) -> None:
    case = CASES[name]
    assert case["kind"] in RUNNERS, f"no runner for the kind {case['kind']}, and the case is not listed as uncovered"
    tensors = safetensors.torch.load_file(Path(GOLDEN) / case["file"])
    want = {key: tensor for key, tensor in tensors.items() if key.startswith("output.")}
    assert want
    assert set(want) == {key for key in case["tensors"] if key.startswith("output.")}
    found = failures(case, RUNNERS[case["kind"]](case, tensors), want)
    assert not found, f"{len(found)} of {len(want)} outputs differ:\n" + "\n".join(found[:10])


def test_uncovered_cases_are_in_the_index_and_have_no_runner() -> None:
    assert not NOT_YET_COVERED - CASES.keys()
    assert not [name for name in NOT_YET_COVERED if CASES[name]["kind"] in RUNNERS]


def test_a_missing_or_wrong_output_is_a_failure() -> None:
    name = "stylegan2_ada_discriminator_32_clamp_group2"
    case, tensors = CASES[name], safetensors.torch.load_file(GOLDEN / CASES[name]["file"])
    want = {key: tensor for key, tensor in tensors.items() if key.startswith("output.")}
    assert not failures(case, dict(want), want)
    got = {key: tensor for key, tensor in want.items() if key != "output.feat.b4.fc"}
    got["output.logits"] = want["output.logits"] * 1.001
    assert len(failures(case, got, want)) == 2


def test_what_is_refused_was_computed_by_broadcasting() -> None:
    tensors = safetensors.torch.load_file(GOLDEN / CASES["cyclegan_distillation_9to3"]["file"])
    student = [tensors[f"output.student.hidden_train.{block}"] for block in range(3)]
    squares = [F.mse_loss(hidden, tensors["output.teacher.hidden_train.8"]) for hidden in student]
    assert float(sum(squares)) / 3 == pytest.approx(float(tensors["output.hidden_state_loss.layers_8"]), rel=1e-4)


def test_an_unexpected_or_absent_refusal_is_a_failure() -> None:
    case = CASES["cyclegan_distillation_9to3"]
    tensors = safetensors.torch.load_file(GOLDEN / case["file"])
    want = {key: tensor for key, tensor in tensors.items() if key.startswith("output.")}
    refused = {"output.hidden_state_loss.layers_8": ShapeError("")}
    assert not failures(case, want | refused, want)
    assert len(failures(case, want, want)) == 1
    assert len(failures(case, want | refused | {"output.hidden_state_loss.layers_1_4_8": ShapeError("")}, want)) == 1
