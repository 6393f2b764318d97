"""What exported files of strangers may hold: a plain network that gives back pictures of the size that it is given.

A file from a hub is a program. What it can do to a machine is to compute without end and to ask for any memory, and to
read files beside it; so loops, files outside of it, and values far larger than pictures are refused before it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gdp import CorruptFileError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto

LARGEST_FILE = 2**31
"""Bytes; beyond them ONNX keeps its numbers in further files."""
MOST_NODES = 50_000
LARGEST_VALUE = 2**28
"""Numbers of one value while a picture of `SIDE` pixels is translated: 65,536 channels at full size."""
SIDE = 64
"""Pixels of the picture that sizes are reckoned for: a multiple of all that students ask for."""
_OF_SHAPES = 1024
"""Numbers that a tensor may have which says what shape another has."""
_SIZED_BY = {
    "Range": (0, 1, 2), "Expand": (1,), "Tile": (1,), "ConstantOfShape": (0,), "Reshape": (1,), "Resize": (1, 2, 3),
    "Upsample": (1,), "Pad": (1,), "OneHot": (1,), "TopK": (1,), "Col2Im": (1, 2), "AffineGrid": (1,),
    "CenterCropPad": (1,), "MaxUnpool": (2,), "NonZero": (0,), "Compress": (1,), "Unique": (0,),
    "NonMaxSuppression": (0, 1, 2, 3, 4), "HannWindow": (0,), "HammingWindow": (0,), "BlackmanWindow": (0,),
}  # fmt: skip
"""Operations the values of whose inputs, by their numbers, say how large the output is."""
_CONTROL = frozenset({"Loop", "If", "Scan", "SequenceMap"})


def check_onnx(path: Path) -> None:
    """Refuse an .onnx file that is no plain network for pictures.

    Raises:
        CorruptFileError: it is none; the message says why.
    """
    import onnx

    if path.stat().st_size > LARGEST_FILE:
        raise _refused(path, f"it has more than {LARGEST_FILE:,} bytes")
    try:
        model = onnx.load_model(path, load_external_data=False)
    except Exception as error:  # protobuf's, which are of no one kind
        raise CorruptFileError(f"{path}: this is no whole ONNX file ({error}); export it again") from error
    _check_parts(path, model)
    _check_flow(path, model.graph)
    _check_sizes(path, model)


def _check_parts(path: Path, model: ModelProto) -> None:
    graph = model.graph
    if model.functions or len(graph.node) > MOST_NODES:
        raise _refused(path, f"it holds functions of its own, or more than {MOST_NODES:,} operations")
    for node in graph.node:
        if node.op_type in _CONTROL or any(part.HasField("g") or part.graphs for part in node.attribute):
            raise refuse_operation(path, node.op_type)
        if node.domain not in ("", "ai.onnx"):
            raise _refused(path, f"it holds the operation {node.op_type:.40} of {node.domain:.40}, which is not ONNX's")
    if any(tensor.data_location == tensor.EXTERNAL for tensor in _tensors(graph)):
        raise _refused(path, "it takes numbers from other files")
    if len(graph.input) != 1 or len(graph.output) != 1:
        raise _refused(path, f"it has {len(graph.input)} inputs and {len(graph.output)} outputs instead of one each")


def _check_flow(path: Path, graph: GraphProto) -> None:
    """Refuse a network in which the sizes of values depend on pixels: nobody knows them before it runs."""
    known = {value.name for value in (*graph.input, *graph.initializer)} | {""}
    known |= {sparse.values.name for sparse in graph.sparse_initializer}
    pixels = {graph.input[0].name}
    for node in graph.node:
        if not known.issuperset(node.input):
            raise _refused(path, "its operations do not stand in the order in which they are done")
        known.update(node.output)
        of_pixels = {number for number, name in enumerate(node.input) if name in pixels}
        if not of_pixels.isdisjoint(_SIZED_BY.get(node.op_type, ())):
            raise refuse_size(path, node.op_type)
        if of_pixels and node.op_type not in ("Shape", "Size"):
            pixels.update(node.output)


def _check_sizes(path: Path, model: ModelProto) -> None:
    """Reckon the shapes of all values for one small picture."""
    from onnx import shape_inference

    taken = model.graph.input[0].type.tensor_type.shape.dim
    if len(taken) != 4 or any(length.dim_value for length in taken[:3]):
        raise _refused(path, "it does not take pictures (N, height, width, channels) of any size")
    for dimension, length in zip(taken, (1, SIDE, SIDE), strict=False):
        dimension.dim_value = length
    model.graph.output[0].type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    for tensor in model.graph.initializer:  # weights decide no shape, and to reckon shapes the model is copied twice
        if _numbers(tensor.dims) > _OF_SHAPES:
            tensor.ClearField("raw_data")
            tensor.ClearField("float_data")
    try:
        reckoned = shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception as error:  # of no one kind either
        raise CorruptFileError(f"{path}: this ONNX file contradicts itself ({error}); export it again") from error
    values = [*reckoned.value_info, *reckoned.output]
    check_shapes(path, ((value.name, _shape(value)) for value in values), _shape(reckoned.output[0]))


def check_shapes(path: Path, values: Iterable[tuple[str, Sequence[int]]], made: Sequence[int] | None) -> None:
    """Refuse a network by the shapes that its values have while it translates one picture of `SIDE` pixels.

    Args:
        path: its file.
        values: names and shapes; 0 for a length that is not known.
        made: shape of what it makes; None where it is not known.

    Raises:
        CorruptFileError: a value is far too large, or what it makes is no picture of the same size.
    """
    for name, shape in values:
        if _numbers(shape) > LARGEST_VALUE:
            raise _refused(path, f"its value {name!r:.40} has the shape {(*shape,)} for a picture of {SIDE} pixels")
    due = (1, SIDE, SIDE, 3)
    if made and (len(made) != 4 or any(found not in (0, side) for found, side in zip(made, due, strict=True))):
        raise _refused(path, f"it makes {(*made,)} of a picture {due}, and the same shape is due")


def refuse_operation(path: Path, kind: str) -> CorruptFileError:
    """Return the error of a file that holds an operation that can run without end."""
    return _refused(path, f"it holds the operation {kind:.40}, which can run without end")


def refuse_size(path: Path, kind: str) -> CorruptFileError:
    """Return the error of a file that holds an operation which makes more the brighter a picture is, say."""
    return _refused(path, f"the size of what its operation {kind:.40} makes depends on the pixels")


def _shape(value: ValueInfoProto) -> tuple[int, ...]:
    return tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)


def _numbers(shape: Sequence[int]) -> int:
    product = 1
    for length in shape:
        product *= max(1, length)
    return product


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)


def _refused(path: Path, why: str) -> CorruptFileError:
    return CorruptFileError(
        f"{path}: this exported file is refused, for {why}, which nothing that gdp export writes has; take the "
        f"student's weights instead, or export it again"
    )
