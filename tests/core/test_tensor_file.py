"""Tensors of every kind and layout are written as safetensors reads them, and always the same bytes."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save

from gdp.core.errors import RunFolderError
from gdp.core.tensor_file import encode_tensors, write_tensors

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
