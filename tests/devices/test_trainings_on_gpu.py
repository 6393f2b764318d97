"""Every training keeps to its device and waits for it in named places alone, on a GPU with bf16 and on one without."""

from __future__ import annotations

from functools import partial

import gpu_trainings
import pytest
from gpu_checks import needs_pretended_gpu, waits_in_steps
from small_works import describes_the_device

from gdp.testing.pretended_gpu import HOPPER, TURING, Found, run_each_on_pretended_gpu

pytestmark = [pytest.mark.process, needs_pretended_gpu]

TRAININGS = {
    work.__name__: work
    for work in (
        gpu_trainings.all_losses_of_pairs,
        gpu_trainings.local_enhancer,
        gpu_trainings.distillation,
        gpu_trainings.frozen_way_back,
        gpu_trainings.cyclegan,
        gpu_trainings.stylegan2,
        gpu_trainings.stylegan2_of_known_latents,
        gpu_trainings.that_looks_at_a_number,
        gpu_trainings.that_does_not_fit,
        gpu_trainings.pictures_come_ahead,
    )
}
ON_TURING = {"cyclegan": 6, "stylegan2_alone": 6}
"""Trainings that are done on a GPU without bf16, too, and how often both optimizers step in them."""
IN_FLOAT16 = (
    'pretended GPU does not compute in bf16: with precision = "auto" the training computes in float16, and scales the '
    "loss so that small gradients are not lost"
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    works = {name: partial(work, tmp_path_factory.mktemp(name)) for name, work in TRAININGS.items()}
    return run_each_on_pretended_gpu(works, capability=HOPPER)


@pytest.fixture(scope="module")
def trained_on_turing(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    works = {
        name: partial(getattr(gpu_trainings, name), tmp_path_factory.mktemp(f"turing-{name}")) for name in ON_TURING
    }
    return run_each_on_pretended_gpu({**works, "device": describes_the_device}, capability=TURING)


@pytest.mark.parametrize("name", [*TRAININGS][:-3])
def test_a_training_keeps_to_its_gpu_and_no_step_waits(name: str, trained: dict[str, Found]) -> None:
    found = trained[name].require()
    assert waits_in_steps(found.notes) == []
    assert found.notes.kernels.total() > 1000
    assert IN_FLOAT16 not in found.value
    in_bf16 = found.notes.types["bfloat16"] > 100
    assert in_bf16 == (name != "local_enhancer")  # whose precision is float32


def test_a_loss_that_looks_at_a_number_is_found_with_its_line(trained: dict[str, Found]) -> None:
    waits = waits_in_steps(trained["that_looks_at_a_number"].require().notes)
    assert len(waits) == 1
    assert waits[0].startswith("item in gpu_trainings:Looking.generator, line ")
    assert "called by gdp.core.training.objective:train_step" in waits[0]


def test_what_does_not_fit_is_one_paragraph_with_the_gpus_numbers_and_what_to_lower(trained: dict[str, Found]) -> None:
    assert trained["that_does_not_fit"].require().value == [
        "the training in steps of 2 pairs did not fit into the memory of GPU 0: 2.00 GiB more was asked for, and of "
        "its 14.75 GiB 1.06 GiB is free. Lower train.batch, the student's width or the pairs' resolution, or set "
        "train.ema_half_life = 0, which keeps no second copy of the weights; what was trained so far is kept as far as "
        "the last checkpoint."
    ]


def test_pictures_are_on_the_gpu_before_their_step_in_the_order_of_a_processor(trained: dict[str, Found]) -> None:
    found = trained["pictures_come_ahead"].require()
    assert found.notes.waits == {}
    assert found.value["read"] == found.value["dealt"]
    assert found.value["threads"] == ["copies"]
    assert found.value["ahead"] == [2, 3, 4, 5, 6, 6]
    assert found.value["shapes"] == [[2, 3, 32, 32, "torch.uint8", "cuda"]]


@pytest.mark.parametrize("name", ON_TURING)
def test_a_gpu_without_bf16_trains_in_float16_without_waiting(name: str, trained_on_turing: dict[str, Found]) -> None:
    found = trained_on_turing[name].require()
    assert waits_in_steps(found.notes) == []
    assert IN_FLOAT16 in found.value
    assert found.notes.types["bfloat16"] == 0 and found.notes.types["float16"] > 100
    assert found.notes.kernels["_amp_update_scale_"] == ON_TURING[name]
    described = trained_on_turing["device"].require().value
    assert (described["capability"], described["bf16"], described["float32"]) == ([7, 5], False, "float32")
