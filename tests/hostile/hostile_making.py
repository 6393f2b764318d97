"""How hostile files are put together: parts of pickles, archives and arrays."""

import io
import pickle
import struct
import zipfile
from typing import Any

import torch

MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
VERSION = pickle.dumps(1001, 2)
FACTS = pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, 2)


def text(value: str) -> bytes:
    """Push a text, protocol 2."""
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def stack_named(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def bare(value: Any) -> bytes:
    """What pushes a value: its pickle without beginning and end."""
    return (value if isinstance(value, bytes) else pickle.dumps(value, 2))[2:-1]


def tensor_pickle(count: int, offset: int, size: tuple[int, ...], stride: tuple[int, ...], times: int = 1) -> bytes:
    """A dictionary with tensors that look at the storage `0`."""
    storage = b"(" + text("storage") + named("torch", "FloatStorage") + text("0") + text("cpu") + bare(count) + b"tQ"
    tensor = named("torch._utils", "_rebuild_tensor_v2") + b"(" + storage + bare(offset) + bare(size) + bare(stride)
    return b"\x80\x02}(" + b"".join(text(str(number)) + tensor + b"\x89}tR" for number in range(times)) + b"u."


def many_tensors(name: str, count: int) -> bytes:
    """A state dict of tensors (1, 1, 1, 1) of one storage, each told in few operations."""
    storage = b"(" + text("storage") + named("torch", "FloatStorage") + text("0") + text("cpu") + b"K\x01tQ"
    rebuild = (
        b"("
        + storage
        + bare(0)
        + bare((1,) * 4)
        + bare((1,) * 4)
        + b"\x89}tq\x010"
        + named("torch._utils", "_rebuild_tensor_v2")
    )
    kept = b"\x80\x02" + rebuild + b"q\x020}("
    return kept + b"".join(text(name.format(number)) + b"h\x02h\x01R" for number in range(count)) + b"u."


def archive(
    members: dict[str, bytes] | list[tuple[str, bytes]], folder: str = "archive", method: int = zipfile.ZIP_STORED
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as opened:
        for name, content in members.items() if isinstance(members, dict) else members:
            entry_of = zipfile.ZipInfo(f"{folder}/{name}")
            entry_of.compress_type = method
            if f"{folder}/{name}" in opened.NameToInfo:
                opened.NameToInfo.pop(f"{folder}/{name}")  # zipfile warns of a name that is there
            opened.writestr(entry_of, content)
    return buffer.getvalue()


def two_folders(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("a/data.pkl", content)
        opened.writestr("b/data.pkl", content)
    return buffer.getvalue()


def entry(name: str) -> bytes:
    fields = (b"PK\x01\x02", 0, 0, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0)
    return struct.pack("<4s6H3L5H2L", *fields) + name.encode()


def flag_entries(content: bytes, flags: int) -> bytes:
    changed = bytearray(content)
    place = changed.find(b"PK\x01\x02")
    while place >= 0:
        changed[place + 8] |= flags
        place = changed.find(b"PK\x01\x02", place + 4)
    return bytes(changed)


def overlapping(content: bytes) -> bytes:
    """The second file of the directory lies where the first one is."""
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4)
    return content[: second + 42] + struct.pack("<I", 0) + content[second + 46 :]


def legacy(content: bytes, storages: bytes = b"") -> bytes:
    keys = pickle.dumps(["0"] if storages else [], 2)
    return MAGIC + VERSION + FACTS + content + keys + storages


def npy_header(shape: str) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def torch_bytes(content: Any, legacy_layout: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy_layout)
    return buffer.getvalue()
