"""Judges in ONNX ask onnxruntime for the GPU that the user names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, save

from gdp.plugins.onnx_filters.config import PictureInput
from gdp.plugins.onnx_filters.model import OnnxModel

CUDA = "CUDAExecutionProvider"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What sessions are asked to run on, where onnxruntime says it has CUDA, and then gives a CPU."""
    asked: list[Any] = []
    session = onnxruntime.InferenceSession

    def open_session(path: str, options: object, providers: list[tuple[str, dict[str, int]]]) -> Any:
        asked.append(providers)
        return session(path, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "InferenceSession", open_session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, "CPUExecutionProvider"])
    return asked


def write_identity(path: Path) -> Path:
    kind, shape = TensorProto.FLOAT, ["N", 3, 8, 8]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["pictures"], ["made"])],
        "identity",
        [helper.make_tensor_value_info("pictures", kind, shape)],
        [helper.make_tensor_value_info("made", kind, shape)],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


@pytest.mark.parametrize(("device", "number"), [("cuda", 0), ("cuda:0", 0), ("cuda:3", 3)])
def test_a_judge_asks_for_the_gpu_that_is_named(device: str, number: int, asked: list[Any], tmp_path: Path) -> None:
    OnnxModel(write_identity(tmp_path / "judge.onnx"), PictureInput(), torch.device(device))
    assert [providers[0] for providers in asked] == [(CUDA, {"device_id": number})]
