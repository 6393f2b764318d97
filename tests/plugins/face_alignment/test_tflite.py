"""A .tflite file becomes an ONNX file that computes the same: padding, strides, layouts and fused activations."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy
import onnxruntime
import pytest
import torch
from torch.nn import functional

from gdp.core.errors import CorruptFileError, ShapeError
from gdp.plugins.face_alignment.mediapipe import PUBLISHED
from gdp.plugins.face_alignment.tflite import OnnxWriter, TfliteNetwork

ADD, CONCATENATION, CONVOLUTION, DEPTHWISE, DEQUANTIZE, POOLING, RELU, RESHAPE, PAD, PRELU = (
    0,
    2,
    3,
    4,
    6,
    17,
    19,
    22,
    34,
    54,
)


class Writer:
    """Writes tables of a FlatBuffer one behind the other; what a table points to is written after it."""

    def __init__(self) -> None:
        self.data = bytearray(8)
        self.data[4:8] = b"TFL3"

    def table(self, fields: dict[int, Any]) -> int:
        """Write a table: a field is (format, number), bytes, a list of int, or a list of tables (dict)."""
        count = max(fields, default=-1) + 1
        places, body = [0] * count, 4
        for field in fields:
            places[field] = body
            body += 4
        start = len(self.data)
        self.data += struct.pack(f"<HH{count}H", 4 + 2 * count, body, *places)
        self.data += bytes(-len(self.data) % 4)
        table = len(self.data)
        self.data += struct.pack("<i", table - start) + bytes(body - 4)
        for field, value in fields.items():
            place = table + places[field]
            if isinstance(value, tuple):
                struct.pack_into(value[0], self.data, place, value[1])
            else:
                struct.pack_into("<I", self.data, place, self._pointed(value) - place)
        return table

    def _pointed(self, value: Any) -> int:
        if isinstance(value, dict):
            return self.table(value)
        self.data += bytes(-len(self.data) % 4)
        start = len(self.data)
        if isinstance(value, bytes):
            self.data += struct.pack("<I", len(value)) + value
        elif value and isinstance(value[0], dict):
            self.data += struct.pack("<I", len(value)) + bytes(4 * len(value))
            for number, inner in enumerate(value):
                place = start + 4 + 4 * number
                struct.pack_into("<I", self.data, place, self.table(inner) - place)
        else:
            self.data += struct.pack(f"<I{len(value)}i", len(value), *value)
        return start


def tflite(
    tensors: list[Any], operations: list[tuple[int, list[int], int, dict[int, Any]]], outputs: list[int]
) -> bytes:
    """Write a file; tensors are shapes or arrays, tensor 0 is the input."""
    writer = Writer()
    kinds = {numpy.dtype("f4"): 0, numpy.dtype("f2"): 1, numpy.dtype("i4"): 2}
    buffers: list[dict[int, Any]] = [{}]
    told = []
    for tensor in tensors:
        kind, buffer, shape = 0, 0, tensor
        if isinstance(tensor, numpy.ndarray):
            kind, buffer, shape = kinds[tensor.dtype], len(buffers), list(tensor.shape)
            buffers.append({0: tensor.tobytes()})
        told.append({0: list(shape), 1: ("<b", kind), 2: ("<I", buffer)})
    codes = sorted({operation[0] for operation in operations})
    made = [
        {0: ("<I", codes.index(code)), 1: inputs, 2: [output], **({4: options} if options else {})}
        for code, inputs, output, options in operations
    ]
    graph = {0: told, 1: [0], 2: outputs, 3: made}
    model = writer.table({0: ("<I", 3), 1: [{0: ("<b", code)} for code in codes], 2: [graph], 4: buffers})
    struct.pack_into("<I", writer.data, 0, model)
    return bytes(writer.data)


def convolution(stride: int, activation: int = 0, same: bool = True) -> dict[int, Any]:
    return {0: ("<b", 0 if same else 1), 1: ("<i", stride), 2: ("<i", stride), 3: ("<b", activation)}


def depthwise(stride: int) -> dict[int, Any]:
    return {0: ("<b", 0), 1: ("<i", stride), 2: ("<i", stride), 3: ("<i", 1), 4: ("<b", 0)}


def test_every_operator_computes_what_tensorflow_lites_does(tmp_path: Path) -> None:
    random = numpy.random.default_rng(2)
    first = random.normal(0, 0.5, (4, 3, 3, 3)).astype("f2")  # out, h, w, in; stored in half precision
    first_bias, deep_bias, last_bias = (random.normal(0, 0.5, count).astype("f4") for count in (4, 6, 5))
    deep = random.normal(0, 0.5, (1, 5, 5, 6)).astype("f4")  # 1, h, w, channels
    last = random.normal(0, 0.5, (5, 1, 1, 6)).astype("f4")
    slopes = random.normal(0, 0.5, (1, 1, 4)).astype("f4")
    around = numpy.array([[0, 0], [0, 0], [0, 0], [0, 2]], "i4")  # two more channels of nought
    data = tflite(
        [
            [1, 8, 8, 3], first, [4, 3, 3, 3], first_bias, [1, 4, 4, 4], slopes, [1, 4, 4, 4], around, [1, 4, 4, 6],
            deep, deep_bias, [1, 4, 4, 6], [1, 4, 4, 6], [1, 4, 4, 6], [1, 2, 2, 6], last, last_bias, [1, 2, 2, 5],
            [1, 4, 5], [1, 16, 6], [1, 4, 6], [1, 20, 6],
        ],
        [
            (DEQUANTIZE, [1], 2, {}),
            (CONVOLUTION, [0, 2, 3], 4, convolution(2, activation=1)),
            (PRELU, [4, 5], 6, {}),
            (PAD, [6, 7], 8, {}),
            (DEPTHWISE, [8, 9, 10], 11, depthwise(1)),
            (ADD, [8, 11], 12, {0: ("<b", 0)}),
            (RELU, [12], 13, {}),
            (POOLING, [13], 14, {0: ("<b", 0), 1: ("<i", 2), 2: ("<i", 2), 3: ("<i", 2), 4: ("<i", 2)}),
            (CONVOLUTION, [14, 15, 16], 17, convolution(1)),
            (RESHAPE, [17], 18, {}),
            (RESHAPE, [13], 19, {}),
            (RESHAPE, [14], 20, {}),
            (CONCATENATION, [19, 20], 21, {0: ("<i", 1)}),
        ],
        [18, 21],
    )  # fmt: skip
    made = OnnxWriter(TfliteNetwork(data, "small"), {"scores": 5, "places": 6}, ("height", "width")).model({"a": "b"})
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    for height, width in ((8, 8), (12, 16)):
        picture = random.normal(0, 1, (2, 3, height, width)).astype("f4")
        scores, places = session.run(None, {"pictures": picture})
        x = torch.from_numpy(picture)
        weights = torch.from_numpy(first.astype("f4").transpose(0, 3, 1, 2).copy())
        x = functional.conv2d(functional.pad(x, (0, 1, 0, 1)), weights, torch.from_numpy(first_bias), stride=2).relu()
        x = torch.where(x < 0, x * torch.from_numpy(slopes.reshape(4, 1, 1)), x)
        x = functional.pad(x, (0, 0, 0, 0, 0, 2))
        kernel = torch.from_numpy(deep.transpose(3, 0, 1, 2).copy())
        x = (x + functional.conv2d(x, kernel, torch.from_numpy(deep_bias), padding=2, groups=6)).relu()
        pooled = functional.max_pool2d(x, 2)
        end = functional.conv2d(
            pooled, torch.from_numpy(last.transpose(0, 3, 1, 2).copy()), torch.from_numpy(last_bias)
        )
        rows = [value.permute(0, 2, 3, 1).flatten(1, 2).numpy() for value in (end, x, pooled)]
        assert numpy.allclose(scores, rows[0], atol=1e-4)
        assert numpy.allclose(places, numpy.concatenate(rows[1:], axis=1), atol=1e-4)


def test_other_files_and_operators_are_told() -> None:
    with pytest.raises(CorruptFileError, match=r"this is no \.tflite file"):
        TfliteNetwork(b"PK\x03\x04 a zip archive", "a.tflite")
    with pytest.raises(ShapeError, match="the operator 53"):
        TfliteNetwork(tflite([[1, 8, 8, 3], [1, 8, 8, 3]], [(53, [0], 1, {})], [1]), "a.tflite")
    good = tflite([[1, 8, 8, 3], [1, 8, 8, 3]], [(RELU, [0], 1, {})], [1])
    with pytest.raises(CorruptFileError, match="is damaged"):
        TfliteNetwork(good[: len(good) // 2], "a.tflite")


def test_the_shipped_networks_say_where_they_are_from() -> None:
    import onnx

    for published in PUBLISHED:
        told = {entry.key: entry.value for entry in onnx.load(published.target).metadata_props}
        assert told["sha256"] == published.sha256 and "Apache-2.0" in told["licence"]
        assert told["origin"].endswith(published.name)
