"""Write a .safetensors file tensor by tensor, the same bytes for the same content.

The safetensors library copies all tensors first and writes metadata in an order that changes from run to run, so that
the same weights get another hash. The format: the header's length as 64 bits, the header in JSON, the numbers.

Named tensors from files of weights, by other programs or by us.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from gdp.core.errors import CorruptFileError, MissingResourceError, readable_os_errors
from gdp.core.progress import Progress
from gdp.support.foreign import read_state_dict

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_ALIGNED = 8
_MEGABYTE = 1_000_000


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], progress: Progress) -> None:
    """Write tensors of any layout; the file appears whole or not at all.

    Raises:
        DiskFullError, RunFolderError: it cannot be written.
        KeyError: a tensor's type is none of the format's.
    """
    # The widest numbers first: every tensor then begins at a multiple of its numbers' size.
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    end = 0
    for name in order:
        tensor, begin = tensors[name], end
        end += tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNED)
    temporary = path.with_name(f".{path.name}.part")
    with readable_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(len(text).to_bytes(8, "little") + text)
                with progress.task(f"writing {path.name}", max(1, end // _MEGABYTE), "MB") as task:
                    for name in order:
                        numbers = tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8)
                        before = file.tell() // _MEGABYTE
                        file.write(numbers.numpy().data)
                        task.advance(file.tell() // _MEGABYTE - before)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a .safetensors, .pth or .pt file onto the CPU; no code in it is ever run.

    PyTorch files of any age are read (zip archives and the older plain pickles), but nothing other than tensors.

    Raises:
        MissingResourceError: there is no such file.
        CorruptFileError: the file is truncated, of another kind, or holds something else than named tensors.
    """
    if not path.is_file():
        raise MissingResourceError(f"{path}: there is no such file of weights.")
    if path.suffix not in (".safetensors", ".pth", ".pt"):
        raise CorruptFileError(f"{path}: weights are read from .safetensors, .pth and .pt files only.")
    if path.suffix != ".safetensors":
        return read_state_dict(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CorruptFileError(f"{path}: this is no whole file of weights ({error}). Copy it again.") from error
