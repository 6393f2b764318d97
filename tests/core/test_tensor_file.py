"""Tensors of every kind and layout are written as safetensors reads them, and always the same bytes."""

from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import nn

from gdp.core.errors import RunFolderError
from gdp.core.tensor_file import StoredTensors, encode_tensors, fill_module, write_tensors

KINDS = (
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.complex64,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint64, torch.uint32, torch.uint16, torch.uint8,
    torch.bool,
)  # fmt: skip
BASE = torch.arange(6.0).reshape(2, 3)
TENSORS = {str(kind): BASE.to(kind) for kind in KINDS} | {
    "turned": BASE.t(),
    "part": BASE[:, 1],
    "channels last": torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last),
    "one": torch.tensor(3.5),
    "none": torch.empty(0, 2),
    'a "name"\n\u00e4\u2028': BASE.clone(),
}


def test_safetensors_reads_what_is_written(tmp_path: Path) -> None:
    metadata = {str(number): "value" for number in range(20)}
    paths = [tmp_path / "a.safetensors", tmp_path / "folder" / "b.safetensors"]
    for path in paths:
        write_tensors(path, TENSORS, metadata)
        read = load_file(path)
        assert read.keys() == TENSORS.keys()
        assert all(torch.equal(read[name], TENSORS[name]) for name in TENSORS)
        assert all(read[name].dtype == TENSORS[name].dtype for name in TENSORS)
        with safe_open(path, "pt") as file:
            assert file.metadata() == metadata
    assert paths[0].read_bytes() == paths[1].read_bytes() == encode_tensors(TENSORS, metadata)


def test_without_metadata_the_bytes_are_those_of_the_safetensors_library() -> None:
    assert encode_tensors(TENSORS) == save({name: tensor.contiguous() for name, tensor in TENSORS.items()})
    assert encode_tensors({}) == save({})


def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_tensors(tmp_path / "a.safetensors", {"z": torch.zeros(2, dtype=torch.complex128)})
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunFolderError, match="cannot be written"):
        write_tensors(tmp_path / "file" / "a.safetensors", {"z": torch.zeros(2)})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_stored_tensors_are_read_one_at_a_time_and_equal_what_was_written(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a.safetensors", TENSORS, {"word": "value"})
    stored = StoredTensors(tmp_path / "a.safetensors")
    assert list(stored) and stored.keys() == TENSORS.keys() and len(stored) == len(TENSORS)
    assert stored.shapes() == {name: tuple(tensor.shape) for name, tensor in TENSORS.items()}
    for name, tensor in TENSORS.items():
        assert stored[name].dtype == tensor.dtype and torch.equal(stored[name], tensor)


def test_damaged_files_are_refused_before_a_tensor_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_tensors(path, TENSORS)
    whole = path.read_bytes()
    for content in (whole[:-1], whole[:20], b"", b"\xff" * 64):
        path.write_bytes(content)
        with pytest.raises(SafetensorError):
            StoredTensors(path)


def test_a_module_is_filled_in_its_own_memory_and_layout(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
    state = module.state_dict()
    given = {f"net/{name}": torch.rand_like(value.float()).to(value.dtype) for name, value in state.items()}
    write_tensors(tmp_path / "a.safetensors", {**given, "other/1.weight": torch.zeros(9)})
    places = {name: value.data_ptr() for name, value in state.items()}
    fill_module(module, StoredTensors(tmp_path / "a.safetensors"), "net/")
    filled = module.state_dict()
    assert all(torch.equal(value, given[f"net/{name}"]) for name, value in filled.items())
    assert {name: value.data_ptr() for name, value in filled.items()} == places
    assert filled["0.weight"].is_contiguous(memory_format=torch.channels_last)
    with pytest.raises(KeyError):
        fill_module(module, StoredTensors(tmp_path / "a.safetensors"), "other/")
