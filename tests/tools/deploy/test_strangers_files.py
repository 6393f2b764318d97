"""Links, pipes, bombs and odd graphs in student folders of strangers: a sentence, and nothing outside is touched."""

from __future__ import annotations

import itertools
import json
import os
import resource
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from onnx import ModelProto, TensorProto, helper
from safetensors.torch import load_file, save_file
from strangers_folders import describe, numbers, plain_graph, refused, translate
from tiny_student import ONE_THREAD, REGISTRY, write_pictures

from gdp.cli.common import print_error
from gdp.core.errors import CorruptFileError, GdpError
from gdp.core.files import file_sha256
from gdp.tools.deploy.choosing import fitting_aligner
from gdp.tools.deploy.export import export_run
from gdp.tools.deploy.models import build_engine
from gdp.tools.deploy.opening import open_model

MEGABYTES = 256
"""That a refusal may take at its peak, beside what is there."""


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "student"))


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    """Whatever happens takes little memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEGABYTES


ENGINE_OF = {"student.safetensors": "torch", "student.json": "torch"}
ENGINE_OF |= dict.fromkeys(("student.onnx", "student.onnx.json"), "onnx")
ENGINE_OF |= dict.fromkeys(("student.xml", "student.xml.json", "student.bin"), "openvino")


@pytest.mark.parametrize("name", ENGINE_OF)
@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "/dev/zero", "itself"])
def test_a_link_out_of_the_folder_is_not_followed(folder: Path, name: str, target: str) -> None:
    shutil.copy(folder / name, folder.parent / "secret")
    (folder / name).unlink()
    (folder / name).symlink_to(name if target == "itself" else target)
    with pytest.raises(GdpError) as caught:
        translate(folder, ENGINE_OF[name])
    assert "root:" not in str(caught.value) and "\n" not in str(caught.value)
    if target == "../secret":
        assert f"{name}: this is a link out of its folder" in str(caught.value)


def test_links_into_the_store_of_the_hub_are_followed(folder: Path, tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "hub" / "blobs", tmp_path / "hub" / "snapshots" / "0123abcd"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for path in folder.iterdir():
        path.rename(blobs / path.name)
        (snapshot / path.name).symlink_to(f"../../blobs/{path.name}")
    for engine in ("torch", "onnx", "openvino"):
        translate(snapshot, engine)


def test_nothing_is_written_through_links_of_the_folder(folder: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (folder / "engine.json").symlink_to(victim)
    told: list[str] = []
    open_model(REGISTRY, folder, context=ONE_THREAD, tell=told.append)
    assert any("the choice is not remembered" in line for line in told)
    for name in ("student.onnx", "student.onnx.json"):
        (folder / name).unlink()
        (folder / name).symlink_to(victim)
    engine = build_engine(REGISTRY, "onnx", ONE_THREAD, {})
    with pytest.raises(CorruptFileError, match="link out of its folder"):
        export_run(REGISTRY, folder, engine, "onnx", pictures=write_pictures(tmp_path / "pictures", 2))
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("name", [*ENGINE_OF, "engine.json", "README.md"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_pipes_and_folders_in_the_place_of_files_are_not_waited_for(
    folder: Path, name: str, make: Callable[[Path], None]
) -> None:
    (folder / name).unlink(missing_ok=True)
    make(folder / name)
    if name in ENGINE_OF:
        refused(folder, ENGINE_OF[name])
    else:
        open_model(REGISTRY, folder, context=ONE_THREAD)


def weights(folder: Path, header: object, data: bytes = b"") -> None:
    content = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    (folder / "student.safetensors").write_bytes(struct.pack("<Q", len(content)) + content + data)
    describe(folder, weights_sha256=file_sha256(folder / "student.safetensors"))


def sparse(folder: Path, name: str, size: int) -> None:
    os.truncate(folder / name, size)


EMPTY = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
HEADERS: dict[str, Callable[[Path], None]] = {
    "many tensors": lambda folder: weights(folder, {f"t{number}": EMPTY for number in range(100_000)}),
    "some tensors": lambda folder: weights(folder, {f"t{number}": EMPTY for number in range(20_000)}),
    "a long name": lambda folder: weights(folder, {"n" * 20_000_000: EMPTY}),
    "a shape of many lengths": lambda folder: weights(folder, {"a": {**ONE, "shape": [1] * 100_000}}, b"1234"),
    "many metadata": lambda folder: weights(folder, {"__metadata__": {f"k{n}": "value" for n in range(300_000)}}),
    "metadata of no kind": lambda folder: weights(folder, {"__metadata__": [1]}),
    "one name twice": lambda folder: weights(folder, b'{"a":' + json.dumps(ONE).encode() + b',"a":{}}', b"1234"),
    "control characters": lambda folder: weights(folder, {"\x1b[2J\u202e../x": ONE}, b"1234"),
    "an endless file": lambda folder: sparse(folder, "student.safetensors", 2**38),
    "an endless description": lambda folder: sparse(folder, "student.json", 2**38),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_that_are_bombs_are_refused(folder: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    HEADERS[kind](folder)
    told = refused(folder)
    print_error(GdpError(told))
    assert not set("\x1b\u202e") & set(capsys.readouterr().err)


@pytest.mark.parametrize("kind", [torch.int64, torch.bool, torch.uint8])
def test_weights_of_whole_numbers_are_refused(folder: Path, kind: torch.dtype) -> None:
    state = load_file(folder / "student.safetensors")
    save_file({name: tensor.to(kind) for name, tensor in state.items()}, folder / "student.safetensors")
    assert "holds whole numbers" in refused(folder)


@pytest.mark.parametrize(
    "written",
    [
        '"config": {"blocks": ' + '{"blocks": ' * 400 + "1" + "}" * 401,
        '"config": {"blocks": 1, "width": ' + "9" * 4000 + "}",
        '"config": {"blocks": 1, "width": NaN}',
        '"config": {' + ", ".join(f'"k{number}": 1' for number in range(200_000)) + "}",
        '"config": {"\\u001b[2Jevil\\n": 1}',
        '"resolution": 1e999999',
        '"resolution": -Infinity',
        '"plugin": "../../evil"',
        '"plugin": "resnet\\u202e"',
        '"plugin": "\\ud800"',
        '"trained_on": {"resolution": 1e308}, "resolution": "\\u0000"',
    ],
    ids=lambda written: written[:30],
)
def test_descriptions_that_are_bombs_are_refused(folder: Path, written: str) -> None:
    content = (folder / "student.json").read_text().rstrip().removesuffix("}")
    (folder / "student.json").write_text(f"{content}, {written}}}")
    with pytest.raises(GdpError) as caught:
        translate(folder)
    assert len(str(caught.value)) < 10_000


def test_a_card_says_no_size_that_pictures_would_be_padded_to(folder: Path) -> None:
    card = json.loads((folder / "student.onnx.json").read_text())
    describe(folder, "student.onnx.json", input={**card["input"], "size_multiple": 4096})
    assert "size_multiple" in refused(folder, "onnx")


def scalar(name: str, value: int) -> TensorProto:
    return helper.make_tensor(name, TensorProto.INT64, [], [value])


def by_pixels(*nodes: tuple[str, list[str]], **parts: TensorProto) -> ModelProto:
    """Return a model in which `size`, a number made of the pixels, says how large values are."""
    made = [
        helper.make_node("ReduceMax", ["x"], ["brightest"], keepdims=0),
        helper.make_node("Cast", ["brightest"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Add", ["whole", "much"], ["size"]),
        *(helper.make_node(kind, inputs, ["vast"]) for kind, inputs in nodes),
        helper.make_node("ReduceSum", ["vast"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["sum"], ["back"], to=TensorProto.UINT8),
        helper.make_node("Add", ["x", "back"], ["y"]),
    ]
    return plain_graph(*made, initializer=list(parts.values()))


def outside(name: str) -> TensorProto:
    tensor = helper.make_tensor(name, TensorProto.FLOAT, [1], [1.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def scanning() -> ModelProto:
    infos = (helper.make_tensor_value_info(name, TensorProto.UINT8, None) for name in "ab")
    body = helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "body", [next(infos)], [next(infos)])
    return plain_graph(helper.make_node("Scan", ["x"], ["y"], body=body, num_scan_inputs=1))


def sparse_outside() -> ModelProto:
    model = plain_graph(helper.make_node("Identity", ["x"], ["y"]))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(outside("v"), numbers("i", [0]), [4]))
    return model


def with_functions() -> ModelProto:
    model = plain_graph(helper.make_node("F", ["x"], ["y"], domain="me"))
    model.opset_import.append(helper.make_opsetid("me", 1))
    inner = [helper.make_node("Identity", ["a"], ["b"])]
    model.functions.append(helper.make_function("me", "F", ["a"], ["b"], inner, [helper.make_opsetid("", 20)]))
    return model


def doubling() -> ModelProto:
    names = ["x", *(f"c{number}" for number in range(20))]
    nodes = [helper.make_node("Concat", [a, a], [b], axis=3) for a, b in itertools.pairwise(names)]
    last = helper.make_node("ReduceMax", [names[-1]], ["m"], keepdims=0)
    return plain_graph(*nodes, last, helper.make_node("Add", ["x", "m"], ["y"]))


def casting(kind: int) -> ModelProto:
    model = plain_graph(helper.make_node("Cast", ["x"], ["y"], to=kind))
    model.graph.output[0].type.tensor_type.elem_type = kind
    return model


GRAPHS = {
    "Range": (by_pixels(("Range", ["none", "size", "one"]), none=scalar("none", 0), one=scalar("one", 1),
                        much=scalar("much", 10**11)), "its operation Range makes depends on the pixels"),
    "Expand": (by_pixels(("Expand", ["one", "size"]), one=scalar("one", 1), much=numbers("much", [10**5] * 3)),
               "its operation Expand makes depends on the pixels"),
    "NonZero": (by_pixels(("NonZero", ["x"]), much=scalar("much", 1)), "its operation NonZero makes depends"),
    "Scan": (scanning(), "operation Scan"),
    "sparse, outside": (sparse_outside(), "from other files"),
    "attribute, outside": (plain_graph(helper.make_node("Constant", [], ["c"], value=outside("v")),
                                       helper.make_node("Identity", ["x"], ["y"])), "from other files"),
    "functions": (with_functions(), "functions of its own"),
    "doubling": (doubling(), "has the shape"),
    "a circle": (plain_graph(helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Add", ["a", "x"], ["b"]),
                             helper.make_node("Identity", ["a"], ["y"])), "stand in the order"),
    "floats": (casting(TensorProto.FLOAT), "uint8 (1, 32, 32, 3) was due"),
    "texts": (casting(TensorProto.STRING), "uint8 (1, 32, 32, 3) was due"),
    "nothing": (ModelProto(), "0 inputs and 0 outputs"),
    "names": (plain_graph(helper.make_node("\x1b[2JEvil", ["x"], ["y"], name="../../x")), "student.onnx"),
}  # fmt: skip


@pytest.mark.parametrize("kind", GRAPHS)
def test_odd_graphs_are_refused(folder: Path, kind: str) -> None:
    model, told = GRAPHS[kind]
    path = folder / "student.onnx"
    path.write_bytes(model.SerializeToString())
    describe(folder, "student.onnx.json", sha256=file_sha256(path))
    assert told in refused(folder, "onnx")


LAUGHS = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<net ", f'<!DOCTYPE net [<!ENTITY a "ha">{LAUGHS}]><net laughs="&m;" '),
        ("</net>", "<x>&x;</x></net>"),
        ("</net>", "<a>" * 200_000 + "</a>" * 200_000 + "</net>"),
    ],
    ids=["laughs", "unknown entity", "deep"],
)
def test_entities_and_depth_of_xml_come_to_nothing(folder: Path, old: str, new: str) -> None:
    content = (folder / "student.xml").read_text()
    assert old in content
    (folder / "student.xml").write_text(content.replace(old, new, 1))
    describe(folder, "student.xml.json", sha256=file_sha256(folder / "student.xml"))
    translate(folder, "openvino")


@pytest.mark.parametrize(
    ("old", "new"),
    [('offset="0"', 'offset="99999999999999"'), ('offset="0"', 'offset="-8"'), ('version="11"', 'version="999"')],
)
def test_xml_that_points_elsewhere_is_refused(folder: Path, old: str, new: str) -> None:
    content = (folder / "student.xml").read_text()
    assert old in content
    (folder / "student.xml").write_text(content.replace(old, new, 1))
    describe(folder, "student.xml.json", sha256=file_sha256(folder / "student.xml"))
    with pytest.raises(GdpError, match=r"student\.xml"):
        translate(folder, "openvino")


@pytest.mark.parametrize("written", ["[teacher]\nweights = " + "[" * 100_000, "a" + ".a" * 400_000 + " = 1", None])
def test_a_recipe_beside_it_decides_the_aligner_at_most(folder: Path, written: str | None) -> None:
    if written is None:
        os.mkfifo(folder.parent / "recipe.toml")
    else:
        (folder.parent / "recipe.toml").write_text(written)
    assert fitting_aligner(folder)
