"""Tensors and archives that are made to do harm, or are damaged, and files that are none of weights."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Iterator

import numpy as np
import torch
from foreign_files import AnyName, Called, ada_pickle, dump
from hostile_making import (
    FACTS,
    MAGIC,
    VERSION,
    archive,
    bare,
    entry,
    flag_entries,
    legacy,
    many_tensors,
    npy_header,
    overlapping,
    tensor_pickle,
    text,
    torch_bytes,
    two_folders,
)
from torch import nn


def wrong_tensors(command: str) -> Iterator[tuple[str, bytes]]:
    """Tensors that look where nothing is, or are larger than the file."""
    for name, count, offset, size, stride in (
        ("storage-of-an-exabyte", 2**60, 0, (1,), (1,)),
        ("tensor-beyond-storage", 4, 2, (4,), (1,)),
        ("tensor-of-stride-0", 4, 0, (10**12,), (0,)),
        ("tensor-of-negative-stride", 4, 3, (4,), (-1,)),
        ("tensor-of-negative-size", 4, 0, (-4,), (1,)),
        ("tensor-of-negative-offset", 4, -2, (2,), (1,)),
        ("tensor-of-many-dimensions", 4, 0, (1,) * 100, (1,) * 100),
        ("tensor-of-unequal-dimensions", 4, 0, (2, 2), (1,)),
        ("tensor-of-endless-size", 4, 0, (2**62, 2**62), (1, 1)),
    ):
        content = tensor_pickle(count, offset, size, stride)
        yield f"zip-{name}", archive({"data.pkl": content, "data/0": struct.pack("<4f", 1, 2, 3, 4)})
        yield f"legacy-{name}", legacy(content, struct.pack("<q", min(count, 2**62)) + struct.pack("<4f", 1, 2, 3, 4))
    shared = tensor_pickle(2**20, 0, (2**20,), (1,), times=5000)
    for name in ("model.{}.conv_block.1.weight", "model.{}.weight", "mapping.fc{}.weight", "style.{}.weight"):
        yield f"a-network-of-{name.format('')}", archive({"data.pkl": many_tensors(name, 9999), "data/0": bytes(4)})
    yield "more-tensors-than-any-network", archive({"data.pkl": many_tensors("{}", 10_001), "data/0": bytes(4)})
    yield "tensors-that-share", archive({"data.pkl": shared, "data/0": bytes(2**22)})
    reconstruct = AnyName("numpy.core.multiarray", "_reconstruct")
    array = b"\x80\x02" + bare(dump(Called(reconstruct, AnyName("numpy", "ndarray"), (0,), b"b"), 2))
    dtype = bare(dump(Called(AnyName("numpy", "dtype"), "f8", False, True), 2))
    shape = bare((10**9, 10**9))
    yield "array-of-an-exabyte", array + b"(K\x01" + shape + dtype + b"\x89" + text("abcd") + b"tb."
    yield "npy-of-an-exabyte", npy_header("(1000000000, 1000000000)") + bytes(64)
    yield "npy-of-code", npy_header("__import__('os').system('" + command + "')") + bytes(64)
    yield "nan-weights", torch_bytes({"style.1.weight": torch.full((2, 2), float("nan"))})


def wrong_archives(command: str) -> Iterator[tuple[str, bytes]]:
    good = pickle.dumps({"a": 1}, 2)
    yield "zip-twice", archive([("data.pkl", good), ("data.pkl", good)])
    yield "zip-outside", archive([("data.pkl", good), ("../../../../tmp/evil", b"x")])
    yield "zip-absolute", archive({"data.pkl": good}, folder="/etc")
    yield "zip-backslash", archive([("data.pkl", good), ("data\\..\\evil", b"x")])
    yield "zip-bomb", archive({"data.pkl": good, "data/0": bytes(2**26)}, method=zipfile.ZIP_DEFLATED)
    yield "zip-of-two-folders", two_folders(good)
    yield "zip-of-nothing", archive({})
    yield "zip-of-pictures", archive({"a.jpg": b"x"})
    plain = archive({"data.pkl": good, "data/0": b"abcd"})
    yield "zip-encrypted", flag_entries(plain, flags=1)
    yield "zip-overlapping", overlapping(plain)
    end = plain.rindex(b"PK\x05\x06")
    yield "zip-directory-beyond", plain[: end + 16] + struct.pack("<I", 2**32 - 2) + plain[end + 20 :]
    yield "zip-directory-of-many", plain[: end + 8] + struct.pack("<2H", 65535, 65535) + plain[end + 12 :]
    wide = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 10**9, 10**9, 2**62, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    yield "zip-64-of-billions", plain[:end] + wide + locator + plain[end:]
    many = b"".join(entry(f"x/{number}") for number in range(200_000))
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(many), 4, 0)
    many_64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 200_000, 200_000, len(many), 4)
    yield (
        "zip-of-200000-files",
        b"PK\x03\x04" + many + many_64 + struct.pack("<4sLQL", b"PK\x06\x07", 0, 4 + len(many), 1) + tail,
    )
    flipped = bytearray(archive({"data.pkl": good, "data/0": b"abcd"}))
    flipped[flipped.index(b"}q") + 3] ^= 4
    yield "zip-checksum", bytes(flipped)
    yield "zip-big-endian", archive({"data.pkl": good, "byteorder": b"big"})


def damaged(command: str) -> Iterator[tuple[str, bytes]]:
    weights = {f"layer.{number}.weight": torch.arange(64.0) for number in range(8)}
    whole, old = torch_bytes(weights), torch_bytes(weights, legacy_layout=True)
    plain = ada_pickle(nn.Linear(4, 4))
    for share in (0.02, 0.3, 0.7, 0.99):
        yield f"zip-cut-at-{share}", whole[: int(share * len(whole))]
        yield f"legacy-cut-at-{share}", old[: int(share * len(old))]
        yield f"pickle-cut-at-{share}", plain[: int(share * len(plain))]
    for place in (30, 60, 100, 140):  # in the pickles, where a bit changes what is read
        yield f"legacy-flipped-at-{place}", old[:place] + bytes([old[place] ^ 0x41]) + old[place + 1 :]
    for place in (100, len(whole) // 2, len(whole) - 30):
        yield f"zip-flipped-at-{place}", whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :]
    yield "legacy-other-version", MAGIC + pickle.dumps(1002, 2) + FACTS
    yield "legacy-big-endian", MAGIC + VERSION + pickle.dumps({"little_endian": False}, 2)


def of_other_kinds(command: str) -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "one-byte", b"\x80"
    yield "web-page", b"<!DOCTYPE html><html>404</html>"
    yield "git-lfs-pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    yield "shell-script", f"#!/bin/sh\n{command}\n".encode()
    yield "python", f"import os\nos.system({command!r})\n".encode()
    yield "hdf5", b"\x89HDF\r\n\x1a\n" + bytes(100)
    yield "gzip", gzip.compress(pickle.dumps({"a": 1}))
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as opened:
        opened.addfile(tarfile.TarInfo("storages"), io.BytesIO(b""))
    yield "tar", tar.getvalue()
    yield "noise", np.random.default_rng(0).bytes(4096)
    yield "zeros", bytes(4096)
