"""Read networks of convolutions out of .tflite files and write them as ONNX; nothing of TensorFlow is needed.

The files are FlatBuffers of TensorFlow Lite's public schema (tensorflow/lite/schema/schema.fbs); the numbers of fields
and operators below are that schema's. Only the operators of MediaPipe's face models are known.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from gdp import CorruptFileError, ShapeError

OPSET, IR_VERSION = 18, 9
_OPERATORS = {
    0: "ADD", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 6: "DEQUANTIZE", 17: "MAX_POOL_2D", 19: "RELU",
    22: "RESHAPE", 34: "PAD", 54: "PRELU",
}  # fmt: skip
_TYPES = {0: numpy.float32, 1: numpy.float16, 2: numpy.int32}
_SAME, _RELU = 0, 1


class Table:
    """A table of a FlatBuffer: fields by their number in the schema."""

    def __init__(self, data: bytes, position: int) -> None:
        self.data, self.position = data, position
        self._fields = position - self._int(position, "<i")

    def _int(self, position: int, kind: str) -> int:
        found: int = struct.unpack_from(kind, self.data, position)[0]
        return found

    def _place(self, field: int) -> int | None:
        if 4 + 2 * field >= self._int(self._fields, "<H"):
            return None
        offset = self._int(self._fields + 4 + 2 * field, "<H")
        return self.position + offset if offset else None

    def number(self, field: int, kind: str, default: int = 0) -> int:
        """Return a number of a `struct` format such as `<i`."""
        place = self._place(field)
        return default if place is None else self._int(place, kind)

    def table(self, field: int) -> Table | None:
        """Return the table that a field points to."""
        place = self._place(field)
        return None if place is None else Table(self.data, place + self._int(place, "<I"))

    def _vector(self, field: int) -> tuple[int, int]:
        place = self._place(field)
        if place is None:
            return 0, 0
        start = place + self._int(place, "<I")
        return start + 4, self._int(start, "<I")

    def tables(self, field: int) -> list[Table]:
        """Return a vector of tables."""
        start, count = self._vector(field)
        places = range(start, start + 4 * count, 4)
        return [Table(self.data, place + self._int(place, "<I")) for place in places]

    def integers(self, field: int) -> list[int]:
        """Return a vector of int32."""
        start, count = self._vector(field)
        return list(struct.unpack_from(f"<{count}i", self.data, start))

    def octets(self, field: int) -> bytes:
        """Return a vector of bytes, a string too."""
        start, count = self._vector(field)
        return self.data[start : start + count]


@dataclass(frozen=True)
class Operation:
    """One operator with the numbers of its tensors."""

    name: str
    inputs: list[int]
    outputs: list[int]
    options: Table | None

    def option(self, field: int, kind: str = "<b", default: int = 0) -> int:
        """Return a number of its options."""
        return default if self.options is None else self.options.number(field, kind, default)


class TfliteNetwork:
    """The first graph of a .tflite file.

    Raises:
        CorruptFileError: it is no such file.
        ShapeError: it has operators that are not known here.
    """

    def __init__(self, data: bytes, where: str) -> None:
        self.where = where
        if data[4:8] != b"TFL3":
            raise CorruptFileError(f"{where}: this is no .tflite file")
        try:
            model = Table(data, struct.unpack_from("<I", data)[0])
            codes = [max(code.number(0, "<b"), code.number(3, "<i")) for code in model.tables(1)]
            buffers = [buffer.octets(0) for buffer in model.tables(4)]
            graph = model.tables(2)[0]
            self.inputs, self.outputs = graph.integers(1), graph.integers(2)
            tensors = graph.tables(0)
            self.shapes = [tensor.integers(0) for tensor in tensors]
            self.constants = {
                number: _constant(tensor, buffers)
                for number, tensor in enumerate(tensors)
                if buffers[tensor.number(2, "<I")]
            }
            self.operations = [self._operation(table, codes) for table in graph.tables(3)]
        except (struct.error, IndexError, ValueError) as error:
            raise CorruptFileError(f"{where}: this .tflite file is damaged ({error})") from error

    def _operation(self, table: Table, codes: Sequence[int]) -> Operation:
        code = codes[table.number(0, "<I")]
        if code not in _OPERATORS:
            raise ShapeError(f"{self.where}: the operator {code} of TensorFlow Lite is not known here")
        return Operation(_OPERATORS[code], table.integers(1), table.integers(2), table.table(4))


def _constant(tensor: Table, buffers: Sequence[bytes]) -> NDArray[Any]:
    kind = _TYPES.get(tensor.number(1, "<b"))
    if kind is None:
        raise ValueError(f"a constant of type {tensor.number(1, '<b')}")
    found: NDArray[Any] = numpy.frombuffer(buffers[tensor.number(2, "<I")], kind).reshape(tensor.integers(0))
    return found


class OnnxWriter:
    """Writes a network as ONNX with the axes N, C, H, W; batch, height and width are free where `sizes` says so.

    Args:
        network: of one input (1, H, W, C).
        outputs: names and numbers for each row of the network's outputs, in their order; each is written as
            (N, P, numbers), in the order in which TensorFlow's own (1, H, W, C) tells them.
        sizes: height and width of the input: numbers of pixels or names of free sizes.
    """

    def __init__(
        self, network: TfliteNetwork, outputs: Mapping[str, int], sizes: tuple[int | str, int | str] | None = None
    ) -> None:
        self.network = network
        self.named = outputs
        shape = network.shapes[network.inputs[0]]
        self.sizes = sizes or (shape[1], shape[2])
        self.nodes: list[Any] = []
        self.values: dict[str, NDArray[Any]] = {}
        self.dense = dict(network.constants)
        """Constants, with those that the file stores as float16 made float32."""

    def model(self, metadata: Mapping[str, str]) -> Any:
        """Return the ONNX model."""
        network = self.network
        for operation in network.operations:
            write: Callable[[Operation], None] = getattr(self, f"_write_{operation.name.lower()}")
            write(operation)
        told = []
        for (name, numbers), tensor in zip(self.named.items(), network.outputs, strict=True):
            self._rows(f"t{tensor}", name, numbers)
            told.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "places", numbers]))
        picture = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", 3, *self.sizes])
        constants = [numpy_helper.from_array(value, name) for name, value in self.values.items()]
        graph = helper.make_graph(self.nodes, "network", [picture], told, constants)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        helper.set_model_props(made, dict(metadata))
        onnx.checker.check_model(made, full_check=True)
        return made

    def _name(self, tensor: int) -> str:
        return "pictures" if tensor == self.network.inputs[0] else f"t{tensor}"

    def _add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))

    def _keep(self, name: str, value: NDArray[Any]) -> str:
        self.values[name] = value
        return name

    def _activated(self, operation: Operation, field: int) -> str:
        """Return the name that an operator's own result gets: its output's, or one before its fused ReLU."""
        output = self._name(operation.outputs[0])
        activation = operation.option(field)
        if activation == 0:
            return output
        if activation != _RELU:
            raise ShapeError(f"{self.network.where}: the fused activation {activation} is not known here")
        return f"{output}_before"

    def _relu_after(self, operation: Operation, made: str) -> None:
        if made != self._name(operation.outputs[0]):
            self._add("Relu", [made], self._name(operation.outputs[0]))

    def _write_dequantize(self, operation: Operation) -> None:
        self.dense[operation.outputs[0]] = self.dense[operation.inputs[0]].astype(numpy.float32)

    def _write_conv_2d(self, operation: Operation) -> None:
        weights = self.dense[operation.inputs[1]].transpose(0, 3, 1, 2)  # (out, h, w, in) -> (out, in, h, w)
        self._convolution(operation, weights, 1, activation=3)

    def _write_depthwise_conv_2d(self, operation: Operation) -> None:
        weights = self.dense[operation.inputs[1]].transpose(3, 0, 1, 2)  # (1, h, w, out) -> (out, 1, h, w)
        self._convolution(operation, weights, len(weights), activation=4)

    def _convolution(self, operation: Operation, weights: NDArray[Any], groups: int, activation: int) -> None:
        made = self._activated(operation, activation)
        strides = [operation.option(2, "<i", 1), operation.option(1, "<i", 1)]
        inputs = [
            self._name(operation.inputs[0]),
            self._keep(f"{made}_weights", weights.astype(numpy.float32)),
            self._keep(f"{made}_bias", self.dense[operation.inputs[2]].astype(numpy.float32)),
        ]
        pads = self._pads(operation, weights.shape[2:], strides)
        self._add("Conv", inputs, made, strides=strides, group=groups, pads=pads)
        self._relu_after(operation, made)

    def _pads(self, operation: Operation, kernel: Sequence[int], strides: Sequence[int]) -> list[int]:
        """Return TensorFlow's "same" padding, top, left, bottom, right, for sides that are multiples of the stride."""
        if operation.option(0) != _SAME:
            return [0, 0, 0, 0]
        missing = [max(size - stride, 0) for size, stride in zip(kernel, strides, strict=True)]
        before = [size // 2 for size in missing]
        return [*before, *(size - first for size, first in zip(missing, before, strict=True))]

    def _write_max_pool_2d(self, operation: Operation) -> None:
        made = self._activated(operation, 5)
        strides = [operation.option(2, "<i", 1), operation.option(1, "<i", 1)]
        kernel = [operation.option(4, "<i", 1), operation.option(3, "<i", 1)]
        pads = self._pads(operation, kernel, strides)
        self._add("MaxPool", [self._name(operation.inputs[0])], made, kernel_shape=kernel, strides=strides, pads=pads)
        self._relu_after(operation, made)

    def _write_add(self, operation: Operation) -> None:
        made = self._activated(operation, 0)
        self._add("Add", [self._name(tensor) for tensor in operation.inputs], made)
        self._relu_after(operation, made)

    def _write_relu(self, operation: Operation) -> None:
        self._add("Relu", [self._name(operation.inputs[0])], self._name(operation.outputs[0]))

    def _write_prelu(self, operation: Operation) -> None:
        output = self._name(operation.outputs[0])
        slopes = self.dense[operation.inputs[1]].astype(numpy.float32).reshape(-1, 1, 1)
        self._add("PRelu", [self._name(operation.inputs[0]), self._keep(f"{output}_slopes", slopes)], output)

    def _write_pad(self, operation: Operation) -> None:
        output = self._name(operation.outputs[0])
        around = self.dense[operation.inputs[1]][[0, 3, 1, 2]]  # N, H, W, C -> N, C, H, W
        pads = self._keep(f"{output}_pads", around.T.reshape(-1).astype(numpy.int64))
        self._add("Pad", [self._name(operation.inputs[0]), pads], output)

    def _write_reshape(self, operation: Operation) -> None:
        """Rows of numbers of each place; how many places there are depends on the picture's size."""
        shape = self.network.shapes[operation.outputs[0]]
        self._rows(self._name(operation.inputs[0]), self._name(operation.outputs[0]), shape[-1])

    def _rows(self, name: str, output: str, numbers: int) -> None:
        """Write (N, C, H, W) as (N, P, numbers) in the order of (N, H, W, C); rows stay as they are."""
        if any(name in node.output and node.op_type in ("Reshape", "Concat") for node in self.nodes):
            self._add("Identity", [name], output)
            return
        self._add("Transpose", [name], f"{output}_last", perm=[0, 2, 3, 1])
        shape = self._keep(f"{output}_shape", numpy.array([0, -1, numbers], numpy.int64))
        self._add("Reshape", [f"{output}_last", shape], output)

    def _write_concatenation(self, operation: Operation) -> None:
        self._add(
            "Concat", [self._name(tensor) for tensor in operation.inputs], self._name(operation.outputs[0]), axis=1
        )
