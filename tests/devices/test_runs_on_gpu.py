"""Whole runs of both systems on a GPU, with every filter, evaluator and engine that uses it."""

from __future__ import annotations

from functools import partial

import gpu_runs
import pytest
from gpu_checks import needs_pretended_gpu, waits_in_steps

from gdp.testing.pretended_gpu import Found, WorkFailedError, run_each_on_pretended_gpu

pytestmark = [pytest.mark.process, needs_pretended_gpu]

WORKS = {
    "latent_run": "latent",
    "student_at_work": "latent",
    "directions": "latent",
    "translation_run": "translation",
    "pruned": "translation",
    "other_pair_sources": "others",
    "distances_by_networks": "others",
    "displaced": "displaced",
    "trained_where_the_run_is": "teacher",
}
"""Name of a function to the folder in which it works."""
MEASURED = {
    "latent_run": {
        "quality.held_out.psnr_db", "quality.held_out.st_lpips", "quality.slow_route.psnr_db", "speed.student_ms",
        "quality.held_out.age_shift_student_years", "quality.rendered.psnr_db", "quality.flat.largest_levels",
        "quality.held_out.photo.age_shift_student_years", "size.slow_route.macs",
    },
    "translation_run": {
        "quality.held_out.psnr_db", "quality.truth.psnr_db", "quality.cycle.l1_student", "size.blocks_1.macs",
        "speed.student_ms",
    },
}  # fmt: skip


RECORDED = {
    "device": "cuda", "gpu": "pretended GPU", "gpu_memory": 80 * 2**30, "compute_capability": "9.0",
    "driver": "unknown", "float32_convolutions": "TF32",
}  # fmt: skip
"""What run.json tells of the machine."""


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    folders = {name: tmp_path_factory.mktemp(name) for name in set(WORKS.values())}
    return run_each_on_pretended_gpu(
        {name: partial(getattr(gpu_runs, name), folders[folder]) for name, folder in WORKS.items()}
    )


@pytest.mark.parametrize("name", MEASURED)
def test_a_whole_run_keeps_to_its_gpu_and_measures_everything(name: str, works: dict[str, Found]) -> None:
    found = works[name].require()
    assert found.value["state"] == "finished"
    assert found.value["wrong"] == []
    assert set(found.value["metrics"]) >= MEASURED[name]
    assert found.notes.kernels.total() > 5000
    assert {key: found.value["machine"][key] for key in RECORDED} == RECORDED
    assert found.value["computed_in"] == "float32"  # as both recipes ask for


@pytest.mark.parametrize("name", MEASURED)
def test_no_step_of_a_run_waits(name: str, works: dict[str, Found]) -> None:
    assert waits_in_steps(works[name].require().notes) == []


def test_a_student_works_on_pictures_of_any_size(works: dict[str, Found]) -> None:
    found = works["student_at_work"].require()
    assert found.value == [[1, 3, 16, 16], [16, 16], [40, 24]]
    assert found.notes.kernels["convolution"] > 10


def test_a_student_is_pruned_on_the_gpu(works: dict[str, Found]) -> None:
    found = works["pruned"].require()
    assert found.value == "finished"
    assert waits_in_steps(found.notes) == []


def test_directions_are_found_of_a_teacher_on_the_gpu(works: dict[str, Found]) -> None:
    assert works["directions"].require().value == 3


def test_the_other_pair_sources_keep_to_the_gpu(works: dict[str, Found]) -> None:
    assert works["other_pair_sources"].require().value == [[2, 6, 16, 16], [2, 6, 16, 16], [2, 3, 16, 16]]


def test_distances_by_networks_keep_to_the_gpu(works: dict[str, Found]) -> None:
    assert works["distances_by_networks"].require().value == ["quality.fid", "quality.kid"]


def test_a_displacement_left_on_the_processor_is_found(works: dict[str, Found]) -> None:
    with pytest.raises(WorkFailedError, match="found at least two devices, cuda:0 and cpu") as failed:
        works["displaced"].require()
    assert "pair-source latent-direction" in str(failed.value)


def test_a_runs_device_is_that_of_its_teachers_training(works: dict[str, Found]) -> None:
    assert works["trained_where_the_run_is"].require().notes.kernels.total() == 0
