"""ONNX Runtime says what it really runs on, and is asked for the GPU that was named."""

from __future__ import annotations

from pathlib import Path

import numpy
import onnxruntime
import pytest
from student_files import write_inverting_student

from gdp.plugins.engines.onnx_engine import OnnxEngine
from gdp.registry import PluginRegistry
from gdp.support.interfaces.engines import EngineContext

CONFIG = PluginRegistry.discover().get("engine", "onnx").config


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="it has CUDA here")
def test_a_session_that_got_the_processor_is_not_called_cuda(tmp_path: Path) -> None:
    engine = OnnxEngine(CONFIG(), EngineContext("cuda:1", threads=1))
    translate = engine.open(write_inverting_student(tmp_path / "student.onnx"))
    assert translate(numpy.zeros((1, 4, 4, 3), numpy.uint8)).min() == 255
    assert engine.describe().endswith(", 1 thread, CPU, float32")


@pytest.mark.parametrize(("device", "number"), [("cuda", 0), ("cuda:0", 0), ("cuda:3", 3)])
def test_the_gpu_that_is_named_is_the_one_that_is_asked_for(
    device: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    have = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: have)
    engine = OnnxEngine(CONFIG(), EngineContext(device))
    assert engine._providers() == [(have[0], {"device_id": number}), (have[1], {})]
