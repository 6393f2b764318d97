"""The pretended GPU itself: it raises what a GPU would, notes what waits for it, and says where it cannot be."""

from __future__ import annotations

import importlib
import shutil
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import small_works
import torch
from gpu_checks import needs_pretended_gpu

from gdp.core.errors import GdpError
from gdp.testing.pretended_gpu import (
    Found,
    NoPretendedGpuError,
    Notes,
    WorkFailedError,
    building,
    private,
    run_each_on_pretended_gpu,
    run_on_pretended_gpu,
    why_no_pretended_gpu,
)

pytestmark = [pytest.mark.process]
GOOD = (
    small_works.what_may_be_mixed,
    small_works.waits,
    small_works.trains,
    small_works.computes_on_the_processor,
    small_works.computes_in_another_thread,
    small_works.streams_events_and_pinned_memory,
    small_works.describes_the_device,
)


@pytest.fixture(scope="module")
def found() -> dict[str, Found]:
    return run_each_on_pretended_gpu({work.__name__: work for work in (*GOOD, *small_works.WRONG)})


@needs_pretended_gpu
@pytest.mark.parametrize("work", small_works.WRONG, ids=lambda work: work.__name__)
def test_what_a_gpu_refuses_is_refused_with_the_line(work: object, found: dict[str, Found]) -> None:
    with pytest.raises(WorkFailedError) as failed:
        found[work.__name__].require()
    assert small_works.WRONG[work] in str(failed.value)
    assert "small_works.py" in str(failed.value) or "json" in str(failed.value)


@needs_pretended_gpu
def test_what_a_gpu_takes_raises_nothing_and_nobody_waits(found: dict[str, Found]) -> None:
    good = found["what_may_be_mixed"].require()
    assert good.value == ["torch.float32"] * 5 + ["torch.int64", "torch.float32"]
    assert good.notes.waits_within(["small_works:what_may_be_mixed"]) == []
    assert good.notes.kernels["mul"] == 2


@needs_pretended_gpu
def test_every_wait_is_noted_with_its_line(found: dict[str, Found]) -> None:
    noted = found["waits"].require().notes.waits
    lines = Path(small_works.__file__).read_text().splitlines()
    assert [(wait.what, lines[wait.line - 1].strip()) for wait in sorted(noted, key=lambda wait: wait.line)] == [
        ("item", "x.mean().item()"),
        ("copy to the processor", "x.cpu()"),
        ("copy to the GPU", "torch.tensor([1.0, 2.0], device=GPU)"),
        ("mask", "x[x > 0]"),
        ("nonzero", "x.nonzero()"),
        ("copy to the GPU", "x[torch.tensor([0, 1])]"),
        ("item", "bool((x == 0).all())"),
        ("equal", "torch.equal(x, x)"),
        ("synchronize", "torch.cuda.synchronize()"),
        ("copy to the GPU", "x.new_tensor([1.0])"),
        ("mask", "torch.masked_select(x, x > 0)"),
        ("copy to the processor", "x.tolist()"),
        ("written as text", "str([x])"),
    ]
    assert set(noted.values()) == {1}
    assert {wait.function for wait in noted} == {"small_works:waits"}


@needs_pretended_gpu
def test_a_step_trains_and_what_comes_back_is_real(found: dict[str, Found]) -> None:
    step = found["trains"].require()
    assert step.value == {
        "type": "torch.bfloat16", "shape": [2, 1, 4, 4], "back": ["cpu"], "weight": [4, 3, 3, 3],
    }  # fmt: skip
    assert step.notes.kernels["convolution"] == 2
    assert step.notes.kernels["convolution_backward"] == 2
    assert step.notes.kernels["_fused_adam_"] == 1
    assert step.notes.types["bfloat16"] > 4
    assert found["computes_on_the_processor"].require().value == [0.0, 2.0, 4.0]


@needs_pretended_gpu
def test_threads_streams_events_and_pinned_memory_are_there(found: dict[str, Found]) -> None:
    assert found["computes_in_another_thread"].require().value == 2
    assert found["computes_in_another_thread"].notes.kernels.total() > 0
    assert found["streams_events_and_pinned_memory"].require().value == [True, False, True, True]


@needs_pretended_gpu
def test_auto_takes_the_device_and_what_the_process_starts_does_not_see_it(found: dict[str, Found]) -> None:
    hopper = {"auto": "cuda", "capability": [9, 0], "bf16": True, "count": 1, "preloaded": "", "float32": "TF32"}
    assert found["describes_the_device"].require().value == hopper


def test_only_what_another_process_can_call_is_taken() -> None:
    with pytest.raises(ValueError, match="only functions of a module's top level"):
        run_on_pretended_gpu(lambda: None)
    with pytest.raises(TypeError, match="must be what JSON can hold, or paths"):
        run_on_pretended_gpu(small_works.waits, object())


def test_notes_go_through_json(found: dict[str, Found]) -> None:
    notes = found["waits"].notes
    assert Notes.from_json(notes.as_json()) == notes


def test_where_no_gpu_can_be_pretended_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / "site-packages"
    (packages / "torch" / "lib").mkdir(parents=True)
    spec = ModuleSpec("torch", None, origin=str(packages / "torch" / "__init__.py"))
    with monkeypatch.context() as patch:
        patch.setattr(building, "find_spec", lambda name: spec)
        assert "needs a CUDA build of torch" in why_no_pretended_gpu()
        (packages / "torch" / "lib" / "libtorch_cuda.so").touch()
        assert "cuda_runtime_api.h" in why_no_pretended_gpu()
        patch.setattr(building, "find_spec", lambda name: None)
        assert "torch, which is not installed" in why_no_pretended_gpu()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        assert "there is no `cc`. Install one" in why_no_pretended_gpu()
        with pytest.raises(NoPretendedGpuError, match="apt install gcc"):
            run_on_pretended_gpu(small_works.waits)
    with monkeypatch.context() as patch:
        patch.setattr(building.sys, "platform", "darwin")
        assert "on Linux alone" in why_no_pretended_gpu()


def test_a_torch_without_what_this_stands_upon_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.delattr(torch._C, "_only_lift_cpu_tensors")
        with pytest.raises(GdpError, match=r"private parts of torch that torch .* does not have .*_only_lift_cpu_tens"):
            importlib.reload(private)
    importlib.reload(private)


@needs_pretended_gpu
def test_a_process_that_dies_or_takes_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WorkFailedError, match=r"not done within 0\.01 s"):
        run_on_pretended_gpu(small_works.waits, timeout=0.01)
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(WorkFailedError, match="ended with 1"):
        run_on_pretended_gpu(small_works.waits)
