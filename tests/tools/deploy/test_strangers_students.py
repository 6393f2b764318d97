"""Student folders that a stranger made: refused in one sentence before anything is built from them."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper
from safetensors.torch import load_file, save_file
from strangers_folders import describe, numbers, plain_graph, refused, translate

from gdp.core.errors import CorruptFileError
from gdp.core.files import file_sha256
from gdp.tools.deploy.cards import read_card

CHANNELS = {"stem": 8, "down": 16, "hidden": 32, "middle": [32], "up": 16, "head": 8}


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "student"))


def test_the_folder_itself_is_taken(folder: Path) -> None:
    for engine in ("torch", "onnx", "openvino"):
        translate(folder, engine)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"width": 100_000}, "width"),
        ({"width": 10**30}, "width"),
        ({"width": float("inf")}, "width"),
        ({"blocks": 10**6}, "blocks"),
        ({"blocks": 10**10}, "blocks"),
        ({"channels": {**CHANNELS, "middle": [1] * 10**5}}, "middle"),
        ({"channels": {**CHANNELS, "hidden": 0}}, "hidden"),
        ({"width": 16_000}, "far larger network than the weights"),
        ({"blocks": 1000, "width": 512}, "far larger network than the weights"),
        ({"channels": {**CHANNELS, "hidden": 65_000}}, "far larger network than the weights"),
        ({"width": 9}, "weights of another student"),
    ],
)
def test_a_network_that_does_not_fit_its_weights_is_not_built(
    folder: Path, settings: dict[str, Any], told: str
) -> None:
    describe(folder, config={"blocks": 1, "width": 8, **settings})
    assert told in refused(folder)


@pytest.mark.parametrize(
    "fields",
    [
        *({"input_channels": value} for value in (0, -3, 4, 3.0, True, float("inf"), 10**9, "3", None)),
        *({"resolution": value} for value in (0, -1, 64.5, True, float("nan"), 10**9, "64", None)),
        *({"precision": value} for value in ("fp8", [], None)),
        *({"plugin": value} for value in ("", {}, "a\nb", None)),
        *({"config": value} for value in ([], None, "x")),
        {"trained_on": [1]},
    ],
)
def test_a_description_says_possible_things(folder: Path, fields: dict[str, Any]) -> None:
    describe(folder, **fields)
    assert next(iter(fields)) in refused(folder)


@pytest.mark.parametrize("name", ["student.json", "student.onnx.json"])
@pytest.mark.parametrize(
    "content",
    [
        *(b"\xff\xfe{", b"{}"),
        *(b"", b"null", b"[]", b"[" * 100_000, b'{"a":' * 100_000, b'{"a":"' + b"x" * 5_000_000 + b'"}', b"9" * 5000),
    ],
    ids=lambda content: str(content[:8]),
)
def test_json_that_is_damaged_or_a_bomb_is_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert name in refused(folder, "torch" if name == "student.json" else "onnx")


@pytest.mark.parametrize(
    ("name", "value"),
    [("size_multiple", 0), ("size_multiple", 10**9), ("channels", 0), ("channels", 10**9), ("channels", 1e300)],
)
def test_a_card_says_possible_things(folder: Path, name: str, value: float) -> None:
    card = json.loads((folder / "student.onnx.json").read_text())
    describe(folder, "student.onnx.json", input={**card["input"], name: value})
    assert name in refused(folder, "onnx")


def header(content: bytes, data: bytes = b"") -> Callable[[Path], object]:
    return lambda path: path.write_bytes(struct.pack("<Q", len(content)) + content + data)


def tensors(shape: object, kind: str = "F32", end: int = 4) -> bytes:
    return json.dumps({"a": {"dtype": kind, "shape": shape, "data_offsets": [0, end]}}).encode()


@pytest.mark.parametrize(
    "write",
    [
        header(tensors([10**9, 10**9]), b"1234"),
        header(tensors([2**63, 2]), b"1234"),
        header(tensors([-1]), b"1234"),
        header(tensors([1], end=400), b"1234"),
        header(tensors([4], "F8_E8M0"), b"1234"),
        header(b'{"a":' * 50_000),
        header(b"{}"),
        lambda path: path.write_bytes(struct.pack("<Q", 2**62) + b"{}"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
    ],
)
def test_weights_whose_header_lies_are_refused(folder: Path, write: Callable[[Path], object]) -> None:
    write(folder / "student.safetensors")
    assert "student.safetensors" in refused(folder)


@pytest.mark.parametrize("kind", ["nan", "complex"])
def test_weights_that_are_no_real_numbers_are_refused(folder: Path, kind: str) -> None:
    state = load_file(folder / "student.safetensors")
    name = next(iter(state))
    state[name] = state[name].fill_(float("nan")) if kind == "nan" else state[name] * 1j
    save_file(state, folder / "student.safetensors")
    assert name in refused(folder)


def looping() -> onnx.ModelProto:
    body = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}2"]) for name in ("c", "v")],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.UINT8, None),
        ],
        [
            helper.make_tensor_value_info("c2", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v2", TensorProto.UINT8, None),
        ],
    )
    count, on = (
        helper.make_tensor("count", TensorProto.INT64, [], [2**62]),
        helper.make_tensor("on", TensorProto.BOOL, [], [True]),
    )
    return plain_graph(helper.make_node("Loop", ["count", "on", "x"], ["y"], body=body), initializer=[count, on])


def choosing() -> onnx.ModelProto:
    branch = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["z"])],
        "branch",
        [],
        [helper.make_tensor_value_info("z", TensorProto.UINT8, None)],
    )
    on = helper.make_tensor("on", TensorProto.BOOL, [], [True])
    return plain_graph(helper.make_node("If", ["on"], ["y"], then_branch=branch, else_branch=branch), initializer=[on])


def cropping() -> onnx.ModelProto:
    parts = [numbers("begin", [4, 4]), numbers("end", [20, 20]), numbers("axes", [1, 2])]
    return plain_graph(helper.make_node("Slice", ["x", "begin", "end", "axes"], ["y"]), initializer=parts)


def tiling(times: list[int]) -> onnx.ModelProto:
    nodes = helper.make_node("Tile", ["x", "times"], ["z"]), helper.make_node("Identity", ["z"], ["y"])
    return plain_graph(*nodes, initializer=[numbers("times", times)])


def filling() -> onnx.ModelProto:
    nodes = (
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("Identity", ["x"], ["y"]),
    )
    return plain_graph(*nodes, initializer=[numbers("shape", [100_000, 100_000, 100])])


def elsewhere() -> onnx.ModelProto:
    tensor = helper.make_tensor("other", TensorProto.UINT8, [4], b"1234", raw=True)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    nodes = helper.make_node("Add", ["x", "other"], ["y"])
    return plain_graph(nodes, initializer=[tensor])


def fixed() -> onnx.ModelProto:
    model = plain_graph(helper.make_node("Identity", ["x"], ["y"]))
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 8
    return model


def foreign() -> onnx.ModelProto:
    model = plain_graph(helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft"))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (looping(), "operation Loop"),
        (choosing(), "operation If"),
        (cropping(), r"it makes (1, 16, 16, 3)"),
        (tiling([1, 2, 2, 1]), "it makes (1, 128, 128, 3)"),
        (tiling([1, 100_000, 100_000, 1]), "has the shape"),
        (filling(), "has the shape"),
        (elsewhere(), "from other files"),
        (foreign(), "com.microsoft"),
        (fixed(), "of any size"),
        (None, "no whole ONNX file"),
    ],
    ids=["loop", "if", "crop", "larger", "huge", "constant", "outside", "foreign", "fixed", "junk"],
)
@pytest.mark.parametrize("alone", [False, True])
def test_an_onnx_file_that_is_no_plain_network_is_refused(
    folder: Path, model: onnx.ModelProto | None, told: str, alone: bool
) -> None:
    path = folder / "student.onnx"
    path.write_bytes(b"\x08\x0ajunk" if model is None else model.SerializeToString())
    describe(folder, "student.onnx.json", sha256=file_sha256(path))
    assert told in refused(path if alone else folder, "onnx")


@pytest.mark.parametrize(
    ("old", "new"), [('type="Tanh"', 'type="Loop"'), ('shape="?,?,?,3"', 'shape="?,8,8,3"'), ("<layers>", "<layers")]
)
def test_an_openvino_file_that_is_no_plain_network_is_refused(folder: Path, old: str, new: str) -> None:
    path = folder / "student.xml"
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))
    describe(folder, "student.xml.json", sha256=file_sha256(path))
    assert "student.xml" in refused(folder, "openvino")


def test_a_card_is_read_as_it_was_written(folder: Path) -> None:
    assert read_card(folder / "student.onnx").engine == "onnx"
    (folder / "student.onnx.json").write_text("{}")
    with pytest.raises(CorruptFileError):
        read_card(folder / "student.onnx")
