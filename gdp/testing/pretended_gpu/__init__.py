"""A pretended GPU, for tests of plugins on machines without one. Importing this imports no torch.

    from gdp.testing.pretended_gpu import run_on_pretended_gpu

    def judge_a_picture():
        ...  # builds the plugin on torch.device("cuda") and calls it

    def test_the_filter_keeps_to_its_device():
        run_on_pretended_gpu(judge_a_picture)

In a process of its own torch finds one CUDA device; tensors there have shapes, types, layouts and a device, and no
numbers. Whatever mixes devices raises as on a real GPU, and every place where the processor waits for the device is
noted with the line that causes it. `building` makes torch believe in a device, `device` computes the shapes, `private`
holds what that takes of torch's private parts.
"""

from __future__ import annotations

from gdp.testing.pretended_gpu.building import NoPretendedGpuError, why_no_pretended_gpu
from gdp.testing.pretended_gpu.notes import Notes, Wait
from gdp.testing.pretended_gpu.running import (
    HOPPER,
    TURING,
    Found,
    WorkFailedError,
    run_each_on_pretended_gpu,
    run_on_pretended_gpu,
)

__all__ = [
    "HOPPER",
    "TURING",
    "Found",
    "NoPretendedGpuError",
    "Notes",
    "Wait",
    "WorkFailedError",
    "run_each_on_pretended_gpu",
    "run_on_pretended_gpu",
    "why_no_pretended_gpu",
]
