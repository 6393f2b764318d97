"""Foreign files become the same values as by the programs that wrote them; damaged ones an error, never a traceback."""

import argparse
import os
import pickle
import random
import struct
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_files import AnyName, Called, ada_pickle, dump, save_legacy, tag_as_cuda, tensorflow_pickle

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.support.foreign import ForeignArray, ForeignObject, as_tensor, module_state, read_foreign, read_state_dict

REAL = Path(os.environ.get("GDP_GOLDEN") or Path(__file__).parents[3].parent / "shared" / "golden").parent / "real"
PUBLISHED = sorted(path for path in REAL.rglob("*") if path.suffix in (".pt", ".pth"))
ARRAYS = sorted(REAL.glob("latent_directions/**/*.npy"))


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, torch.Tensor):
        return ours.dtype == theirs.dtype and ours.shape == theirs.shape and torch.equal(ours, theirs)
    if isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(same(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, list | tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return bool(ours == theirs)


@pytest.mark.skipif(not PUBLISHED, reason=f"no published files at {REAL}")
def test_published_files_are_read_as_pytorch_reads_them() -> None:
    assert len(PUBLISHED) > 8
    for path in PUBLISHED:
        assert same(read_foreign(path).content, torch.load(path, map_location="cpu", weights_only=True)), path


@pytest.mark.skipif(not ARRAYS, reason=f"no published arrays at {REAL}")
def test_published_arrays_are_read_as_numpy_reads_them() -> None:
    for path in ARRAYS:
        tensor = as_tensor(read_foreign(path).content)
        assert tensor is not None
        assert np.array_equal(tensor.numpy(), np.load(path, allow_pickle=False)), path


VALUES: list[Any] = [
    None,
    [True, False, 0, -1, 255, 65_536, -(2**31), 2**40, -(2**63), 2.5, float("inf")],
    {"text": "Zeichen \u00e4 \U0001f600", "bytes": [], "nested": {"a": (1, 2, 3), "b": ((),), "c": {1: None}}},
    OrderedDict(a=1, b=[2]),
    {"set": {1, 2}, "frozen": frozenset({"a"})},
    "many\nlines 'and' \"quotes\"",
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", VALUES, ids=[str(number) for number in range(len(VALUES))])
def test_plain_values_survive_every_protocol(value: Any, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "plain.pkl"
    path.write_bytes(pickle.dumps([value, value], protocol))
    assert read_foreign(path).content == [value, value]


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1", ">f4", ">i8"])
def test_arrays_survive_every_protocol(kind: str, protocol: int, tmp_path: Path) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    given = {"plain": array, "by columns": np.asfortranarray(array), "part": array[:, 1:], "none": array[:0]}
    path = tmp_path / "arrays.pkl"
    path.write_bytes(pickle.dumps({**given, "one": array[1, 2, 3]}, protocol))
    read = read_foreign(path).content
    assert isinstance(read, dict)
    assert read.pop("one") == array[1, 2, 3].item()
    for name, expected in given.items():
        assert np.array_equal(as_tensor(read[name]).numpy(), expected), name


def test_arrays_of_python_2_are_read(tmp_path: Path) -> None:
    data = struct.pack("<2f", 1.5, -2)
    state = (
        b"(K\x01K\x02\x85cnumpy\ndtype\n(U\x02f4K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    state += b"\x89U\x08" + data + b"tb."
    path = tmp_path / "python2.pkl"
    path.write_bytes(b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR" + state)
    read = read_foreign(path).content
    assert isinstance(read, ForeignArray)
    assert as_tensor(read).tolist() == [1.5, -2.0]


KINDS = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.int8, torch.uint8, torch.bool]


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_of_every_kind_and_layout_are_read(legacy: bool, tmp_path: Path) -> None:
    base = torch.arange(60.0).reshape(3, 4, 5)
    content = {str(kind): base.to(kind) for kind in KINDS}
    content |= {
        "view": base[1:, ::2],
        "turned": base.permute(2, 0, 1),
        "empty": torch.empty(0, 3),
        "one": torch.tensor(7),
    }
    content |= {
        "shared": base,
        "parameter": torch.nn.Parameter(base),
        "last": base.to(memory_format=torch.contiguous_format),
    }
    path = tmp_path / "kinds.pt"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    assert same(read_state_dict(path), torch.load(path, weights_only=True))


@pytest.mark.training
def test_checkpoints_with_settings_and_optimizers_are_read(tmp_path: Path) -> None:
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    path = tmp_path / "training.pt"
    content = {
        "g": network.state_dict(),
        "optim": optimizer.state_dict(),
        "args": argparse.Namespace(size=64, path=Path("data")),
        "counts": defaultdict(int, a=1),
        "shape": torch.Size([1, 2]),
    }
    torch.save(content, path)
    read = read_foreign(path).content
    assert isinstance(read, dict)
    args = read.pop("args")
    assert isinstance(args, ForeignObject)
    assert args.state["size"] == 64
    assert same(read, {name: value for name, value in content.items() if name != "args"})


def test_storages_of_a_gpu_are_read_on_a_machine_without(tmp_path: Path) -> None:
    path = tmp_path / "cuda.pth"
    save_legacy({"w": torch.arange(4.0)}, path)
    tag_as_cuda(path)
    assert b"cuda:0" in path.read_bytes()
    assert read_state_dict(path)["w"].tolist() == [0, 1, 2, 3]


def test_files_without_checksums_are_read(tmp_path: Path) -> None:
    path = tmp_path / "unchecked.pt"
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"w": torch.arange(4.0)}, path)
    finally:
        torch.serialization.set_crc32_options(True)
    assert read_state_dict(path)["w"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_whole_network_gives_its_state_dict(protocol: int, tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    network.to(memory_format=torch.channels_last)
    path = tmp_path / "network.pkl"
    path.write_bytes(ada_pickle(network, protocol=protocol))
    content = read_foreign(path).content
    assert isinstance(content, dict)
    assert same(module_state(content["G_ema"]), dict(network.state_dict()))


def test_a_file_costs_no_memory_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "large.pt"
    torch.save({"w": torch.zeros(2**20)}, path)
    with path.open("r+b") as file:  # a change of the tensor must not get into the file either
        before = file.read()
    read_state_dict(path)["w"].add_(1)
    assert path.read_bytes() == before


@pytest.mark.parametrize("layout", ["zip", "legacy", "ada", "tensorflow", "npy"])
def test_any_damage_gives_a_value_or_a_readable_error(layout: str, tmp_path: Path) -> None:
    state = {f"layer.{number}.weight": torch.arange(12.0).reshape(3, 4) for number in range(3)}
    path = tmp_path / "damaged"
    if layout in ("zip", "legacy"):
        torch.save(state, path, _use_new_zipfile_serialization=layout == "zip")
    elif layout == "npy":
        with path.open("wb") as file:
            np.save(file, np.arange(12.0))
    else:
        make = ada_pickle(torch.nn.Linear(2, 3)) if layout == "ada" else tensorflow_pickle(state, state)
        path.write_bytes(make)
    whole, chance = path.read_bytes(), random.Random(0)
    refused = 0
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(chance.choice((1, 1, 3))):
            broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        path.write_bytes(broken[: chance.choice((len(broken), chance.randrange(1, len(broken))))])
        try:
            read_foreign(path)
        except CorruptFileError as error:
            refused += 1
            assert str(error).isprintable()
            assert str(error).startswith(f"{path}: this file cannot be read as weights: ")
    assert refused > 100


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match="there is no such file"):
        read_foreign(tmp_path / "nowhere.pt")
    with pytest.raises(MissingResourceError, match="there is no such file"):
        read_foreign(tmp_path)


def test_a_name_is_refused_even_where_it_is_not_called(tmp_path: Path) -> None:
    path = tmp_path / "named.pkl"
    path.write_bytes(dump([AnyName("os", "system")]))
    with pytest.raises(CorruptFileError, match=r"names os\.system, which no file of weights needs"):
        read_foreign(path)
    path.write_bytes(dump(Called(AnyName("torch", "float32"), 1)))
    with pytest.raises(CorruptFileError, match=r"calls torch\.float32"):
        read_foreign(path)
