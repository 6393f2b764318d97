"""Write named tensors as safetensors, the same bytes for the same content.

The safetensors library copies all tensors first and writes metadata in an order that changes from run to run, so that
the same weights get another hash. The format: the header's length as 64 bits, the header in JSON, the numbers; the
order of the tensors is the library's, so that without metadata the bytes are, too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from gdp.core.errors import readable_os_errors
from gdp.core.progress import Progress, SilentProgress

_TYPES = {
    torch.uint64: "U64",
    torch.int64: "I64",
    torch.float64: "F64",
    torch.complex64: "C64",
    torch.float32: "F32",
    torch.uint32: "U32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.uint16: "U16",
    torch.int16: "I16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""In the order in which tensors come in a file: wide numbers first, so that each tensor begins at a multiple of its
numbers' size."""
_ALIGNED = 8
_MEGABYTE = 1_000_000


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> None:
    """Write a safetensors file; it appears whole or not at all, and is on the disk on return.

    Args:
        path: the file; folders above it are made.
        tensors: of any device and memory layout; one at a time is copied.
        metadata: words for the file's header, in this order.
        progress: told of the megabytes.

    Raises:
        DiskFullError, RunFolderError: it cannot be written.
        KeyError: a tensor's type is none of the format's.
    """
    pieces = _pieces(tensors, metadata)
    header = next(pieces)
    megabytes = sum(tensor.nbytes for tensor in tensors.values()) // _MEGABYTE
    temporary = path.with_name(f".{path.name}.part")
    with readable_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(header)
                task = (progress or SilentProgress()).task(f"writing {path.name}", max(1, megabytes), "MB")
                with task as written:
                    for piece in pieces:
                        before = file.tell() // _MEGABYTE
                        file.write(piece)
                        written.advance(file.tell() // _MEGABYTE - before)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def encode_tensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return what `write_tensors` writes.

    Raises:
        KeyError: a tensor's type is none of the format's.
    """
    return b"".join(_pieces(tensors, metadata))


def _pieces(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None) -> Iterator[bytes | memoryview]:
    """Yield the header, then the numbers of each tensor."""
    ranks = {kind: rank for rank, kind in enumerate(_TYPES)}
    order = sorted(tensors, key=lambda name: (ranks[tensors[name].dtype], name.encode()))
    header: dict[str, object] = {} if metadata is None else {"__metadata__": dict(metadata)}
    end = 0
    for name in order:
        begin, end = end, end + tensors[name].nbytes
        header[name] = {
            "dtype": _TYPES[tensors[name].dtype],
            "shape": list(tensors[name].shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNED)
    yield len(text).to_bytes(8, "little") + text
    for name in order:
        yield tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
