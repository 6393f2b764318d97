"""Student folders that a stranger made, opened as users open them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from onnx import TensorProto, helper
from tiny_student import ONE_THREAD, REGISTRY, SIZE

from gdp.core.errors import GdpError
from gdp.tools.deploy.opening import open_model

OPSET = helper.make_opsetid("", 20)


def translate(folder: Path, engine: str = "torch") -> None:
    model = open_model(REGISTRY, folder, engine=engine, context=ONE_THREAD)
    made = model(numpy.zeros((1, SIZE, SIZE, 3), numpy.uint8))
    assert made.shape == (1, SIZE, SIZE, 3)


def refused(folder: Path, engine: str = "torch") -> str:
    with pytest.raises(GdpError) as caught:
        translate(folder, engine)
    told = str(caught.value)
    assert "\n" not in told and len(told) < 1000
    return told


def describe(folder: Path, name: str = "student.json", **fields: Any) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def plain_graph(*nodes: onnx.NodeProto, **more: Any) -> onnx.ModelProto:
    """Return a model of nodes that make `y` of `x`, pictures (N, H, W, 3)."""
    shape = ["n", "h", "w", 3]
    x, y = (helper.make_tensor_value_info(name, TensorProto.UINT8, shape) for name in "xy")
    graph = helper.make_graph(nodes, "graph", [x], [y], **more)
    return helper.make_model(graph, opset_imports=[OPSET], ir_version=9)  # which older engines read


def numbers(name: str, values: list[int]) -> TensorProto:
    return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)
