"""ONNX files that tell the same landmarks of every picture, whatever the shape in which they tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_constant_model(
    path: Path, outputs: Mapping[str, numpy.ndarray], shape: Sequence[int | str] = (1, 3, 48, 64), probe: bool = False
) -> Path:
    """Write a model that gives `outputs`, whatever it reads; with `probe` also `mean`, (N, 3), of what it reads."""
    nodes, told, constants = [], [], []
    for name, value in outputs.items():
        constants.append(numpy_helper.from_array(value.astype(numpy.float32), f"{name}_value"))
        nodes.append(helper.make_node("Add", [f"{name}_value", "nothing"], [name]))
        told.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))
    # Nought times the picture: onnxruntime wants every input to be read.
    constants.append(numpy_helper.from_array(numpy.zeros((), numpy.float32), "nought"))
    nodes = [
        helper.make_node("ReduceMean", ["pictures"], ["level"], keepdims=0),
        helper.make_node("Mul", ["level", "nought"], ["nothing"]),
        *nodes,
    ]
    if probe:
        constants.append(numpy_helper.from_array(numpy.array([2, 3], numpy.int64), "axes"))
        nodes.append(helper.make_node("ReduceMean", ["pictures", "axes"], ["mean"], keepdims=0))
        told.append(helper.make_tensor_value_info("mean", TensorProto.FLOAT, None))
    picture = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "constant", [picture], told, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path
