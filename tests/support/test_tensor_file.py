"""Tensors of every kind and layout are written as safetensors reads them, and always the same bytes."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from gdp.core.progress import SilentProgress
from gdp.support.tensor_file import write_tensors

KINDS = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int8, torch.uint8, torch.bool)


def test_safetensors_reads_what_is_written(tmp_path: Path) -> None:
    base = torch.arange(6.0).reshape(2, 3)
    tensors = {str(kind): base.to(kind) for kind in KINDS}
    tensors |= {
        "turned": base.t(),
        "part": base[:, 1],
        "one": torch.tensor(3.5),
        "none": torch.empty(0, 2),
        "\u00e4": base,
    }
    metadata = {str(number): "value" for number in range(20)}
    paths = [tmp_path / "a.safetensors", tmp_path / "folder" / "b.safetensors"]
    for path in paths:
        write_tensors(path, tensors, metadata, SilentProgress())
        read = load_file(path)
        assert read.keys() == tensors.keys()
        assert all(torch.equal(read[name], tensors[name]) for name in tensors)
        assert all(read[name].dtype == tensors[name].dtype for name in tensors)
        with safe_open(path, "pt") as file:
            assert file.metadata() == metadata
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_tensors(tmp_path / "a.safetensors", {"z": torch.zeros(2, dtype=torch.complex64)}, {}, SilentProgress())
    assert not list(tmp_path.iterdir())
