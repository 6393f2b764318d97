"""An exported student without training: it turns every level round."""

from __future__ import annotations

from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

from gdp.core.files import file_sha256
from gdp.tools.deploy.cards import Card, Difference, write_card


def write_inverting_student(path: Path) -> Path:
    """Write an ONNX file that makes 255 - level of every level, with its card."""
    told = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", "h", "w", 3])
        for name in ("pictures", "translated")
    ]
    white = numpy_helper.from_array(numpy.array(255, numpy.uint8), "white")
    graph = helper.make_graph(
        [helper.make_node("Sub", ["white", "pictures"], ["translated"])], "g", told[:1], told[1:], [white]
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    size, sha256 = path.stat().st_size, file_sha256(path)
    write_card(Card("onnx", "here", 4, 3, 64, "0" * 64, size, sha256, Difference(1, 0, 0.0, None), {}), path)
    return path
