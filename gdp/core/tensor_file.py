"""Write named tensors as safetensors, the same bytes for the same content, and read them one at a time.

The safetensors library copies all tensors first and writes metadata in an order that changes from run to run, so that
the same weights get another hash. The format: the header's length as 64 bits, the header in JSON, the numbers; the
order of the tensors is the library's, so that without metadata the bytes are, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from gdp.core.files import write_atomically
from gdp.core.progress import Progress, ProgressTask, SilentProgress

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
_BY_NAME = {name: kind for kind, name in _TYPES.items()}
LARGEST_HEADER = 2**22
"""Bytes: of some 40,000 tensors."""
_MOST_LENGTHS = 16
"""Of a tensor's shape."""
_LENGTH = 8
"""Bytes of the header's length."""
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
    megabytes = (len(header) + sum(tensor.nbytes for tensor in tensors.values())) // _MEGABYTE
    with (progress or SilentProgress()).task(f"writing {path.name}", max(1, megabytes), "MB") as task:
        write_atomically(path, _told(chain([header], pieces), task))


def _told(pieces: Iterable[bytes | memoryview], task: ProgressTask) -> Iterator[bytes | memoryview]:
    """Pass pieces on, and tell of each megabyte that is written."""
    done = 0
    for piece in pieces:
        yield piece
        before, done = done // _MEGABYTE, done + len(piece)
        task.advance(done // _MEGABYTE - before)


def encode_tensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return what `write_tensors` writes.

    Raises:
        KeyError: a tensor's type is none of the format's.
    """
    return b"".join(_pieces(tensors, metadata))


class StoredTensors(Mapping[str, Tensor]):
    """A safetensors file whose tensors are read when they are asked for, each into memory of its own.

    The library maps the whole file instead, which then counts as memory beside the weights that it is copied to.

    Args:
        path: the file.

    Raises:
        SafetensorError: it is damaged, or no such file.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(_LENGTH), "little")
            if size > LARGEST_HEADER:
                raise SafetensorError(f"{path}: its header has {size:,} bytes, and {LARGEST_HEADER:,} are the most")
            content = file.read(size)
        with safe_open(path, framework="pt"):
            pass  # which refuses what is damaged, by its header and its size
        self.path = path
        try:
            header = json.loads(content)
        except RecursionError as error:
            raise OSError(f"{path}: its header's values stand deeper in each other than can be read") from error
        self._start = _LENGTH + size
        self._entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        if unknown := sorted({entry["dtype"] for entry in self._entries.values()} - _BY_NAME.keys()):
            raise OSError(f"{path}: it holds numbers of the kind {unknown[0]}, which no network here has")
        if any(len(entry["shape"]) > _MOST_LENGTHS for entry in self._entries.values()):
            raise OSError(f"{path}: it holds a tensor of more than {_MOST_LENGTHS} lengths, which no network here has")

    def __getitem__(self, name: str) -> Tensor:
        entry = self._entries[name]
        tensor = torch.empty(entry["shape"], dtype=_BY_NAME[entry["dtype"]])
        if tensor.numel():
            content = tensor.reshape(-1).view(torch.uint8).numpy()
            with self.path.open("rb") as file:
                file.seek(self._start + entry["data_offsets"][0])
                if file.readinto(content.data) != content.nbytes:
                    raise OSError(f"{self.path}: the file became shorter while it was read")
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return each tensor's shape; none is read."""
        return {name: tuple(entry["shape"]) for name, entry in self._entries.items()}


@torch.no_grad()
def fill_module(module: nn.Module, tensors: Mapping[str, Tensor], prefix: str = "") -> None:
    """Copy tensors into a module's parameters and buffers, one at a time; each keeps its place and memory format.

    Args:
        module: of any device.
        tensors: its state, by `prefix` and name; others are passed over.
        prefix: what the names of its tensors begin with.

    Raises:
        KeyError: a tensor of the module is missing.
        RuntimeError: one has another shape, or complex or whole numbers for real ones.
    """
    for name, value in module.state_dict().items():
        stored = tensors[prefix + name]
        if stored.shape != value.shape:
            raise RuntimeError(f"{prefix}{name} is {tuple(stored.shape)}, and {tuple(value.shape)} was due")
        if stored.is_complex() and not value.is_complex():
            raise RuntimeError(f"{prefix}{name} holds complex numbers, and real ones were due")
        if value.is_floating_point() and not stored.is_floating_point():
            raise RuntimeError(f"{prefix}{name} holds whole numbers, and real ones were due")
        value.copy_(stored)


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
    yield len(text).to_bytes(_LENGTH, "little") + text
    for name in order:
        yield tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
