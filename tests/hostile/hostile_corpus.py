"""Files that are made to do harm, or are damaged, in every layout that is read.

`system` is what most of them would have run: it makes the canary, which must never be there.
"""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from foreign_files import WRITES, AnyName, Called, ada_pickle, dump, persistent, tensorflow_pickle
from torch import nn

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


def hostile_files(canary: Path) -> dict[str, bytes]:
    """All of them by their names."""
    command = f"touch {canary}"
    groups: list[Callable[[str], Iterator[tuple[str, bytes]]]] = [
        by_operation,
        by_name,
        by_known_names,
        nested,
        with_source,
        recursive,
        oversized,
        wrong_tensors,
        wrong_archives,
        damaged,
        of_other_kinds,
    ]
    files: dict[str, bytes] = {}
    for group in groups:
        for name, content in group(command):
            assert name not in files
            files[name] = content
    return files


def by_operation(command: str) -> Iterator[tuple[str, bytes]]:
    """os.system by every operation that can call."""
    argument, system = text(command), named("os", "system")
    yield "reduce-text", f"cos\nsystem\n(S'{command}'\ntR.".encode()
    yield "reduce", b"\x80\x02" + system + argument + b"\x85R."
    yield "reduce-stack-global", b"\x80\x04" + stack_named("posix", "system") + argument + b"\x85R."
    yield "inst", f"(S'{command}'\nios\nsystem\n.".encode()
    yield "obj", b"\x80\x02(" + system + argument + b"o."
    yield "newobj", b"\x80\x02" + named("subprocess", "Popen") + argument + b"\x85\x81."
    popen = named("subprocess", "Popen") + b")" + b"}" + text("args") + argument + b"s" + text("shell") + b"\x88s"
    yield "newobj-ex", b"\x80\x04" + popen + b"\x92."
    yield "newobj-ex-of-known", b"\x80\x04" + named("argparse", "Namespace") + b")}" + text("a") + b"Ns\x92."
    yield "build-of-function", b"\x80\x02" + system + b"}" + text("__call__") + argument + b"sb."
    yield "build-of-module", b"\x80\x02" + named("os", "environ") + b"}" + text("PATH") + argument + b"sb."
    yield "build-slots", b"\x80\x02]" + b"N}" + text("__class__") + argument + b"s\x86b."
    for code, number in ((b"\x82", b"\xf0"), (b"\x83", b"\xf0\x00"), (b"\x84", b"\xf0\x00\x00\x00")):
        yield f"extension-{len(number)}", b"\x80\x02" + code + number + argument + b"\x85R."
    yield "persistent-text", f"Pos.system {command}\n.".encode()
    yield "persistent", b"\x80\x02(" + text("storage") + system + argument + b"tQ."
    yield "persistent-plain", b"\x80\x02" + argument + b"Q."
    yield "call-of-text", b"\x80\x02" + argument + b")R."
    yield "call-without-arguments", b"\x80\x02" + named("collections", "OrderedDict") + b"NR."
    yield "in-a-list-of-weights", pickle.dumps({"weight": [1.0]})[:-1] + b"0" + system + argument + b"\x85R."
    yield "second-pickle", pickle.dumps({"nothing": 1}) + b"\x80\x02" + system + argument + b"\x85R."


def by_name(command: str) -> Iterator[tuple[str, bytes]]:
    """Names that block lists have forgotten."""
    names = [
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("builtins", "compile"),
        ("builtins", "open"),
        ("__builtin__", "apply"),
        ("importlib", "import_module"),
        ("pickle", "loads"),
        ("_pickle", "loads"),
        ("torch", "load"),
        ("torch.serialization", "load"),
        ("torch.hub", "load"),
        ("torch.jit.unsupported_tensor_ops", "execWrapper"),
        ("torch.utils.collect_env", "run"),
        ("numpy", "load"),
        ("numpy.testing._private.utils", "runstring"),
        ("runpy", "_run_code"),
        ("pty", "spawn"),
        ("timeit", "timeit"),
        ("functools", "partial"),
        ("operator", "attrgetter"),
        ("operator", "methodcaller"),
        ("asyncio.unix_events", "_UnixSubprocessTransport._start"),
        ("torch", "serialization.os.system"),
        ("collections", "abc.sys.modules"),
        ("collections", "OrderedDict.__init__.__globals__"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ("argparse", "_os.system"),
        ("", "system"),
        ("os\nsystem", "x"),
    ]
    for module, name in names:
        safe = f"{module}-{name}".replace("\n", "_")
        yield f"name-{safe}", b"\x80\x04" + stack_named(module, name) + text(command) + b"\x85R."


def by_known_names(command: str) -> Iterator[tuple[str, bytes]]:
    """Names that are on the list, in ways in which no file of weights uses them."""
    known = {
        "call-of-inert-name": Called(AnyName("builtins", "int"), command),
        "call-of-storage-class": Called(AnyName("torch", "FloatStorage"), 10**12),
        "call-of-parameter": Called(AnyName("torch.nn.parameter", "Parameter"), command),
        "bytearray-of-a-terabyte": Called(AnyName("builtins", "bytearray"), 10**12),
        "set-of-a-number": Called(AnyName("builtins", "set"), 5),
        "encode-by-another-codec": Called(AnyName("_codecs", "encode"), command, "rot13"),
        "old-object-of-unknown-class": Called(
            AnyName("copyreg", "_reconstructor"), AnyName("builtins", "object"), AnyName("builtins", "object"), None
        ),
        "tensor-by-another-function": Called(
            AnyName("torch._tensor", "_rebuild_from_type_v2"),
            AnyName("_codecs", "encode"),
            None,
            (command, "latin1"),
            {},
        ),
        "tensor-of-text": Called(AnyName("torch._utils", "_rebuild_tensor_v2"), command, 0, (1,), (1,), False, None),
        "array-of-objects": Called(AnyName("numpy", "dtype"), "O8", False, True),
        "array-of-records": Called(AnyName("numpy", "dtype"), "V8", False, True),
        "scalar-of-text": Called(AnyName("numpy.core.multiarray", "scalar"), command, b"12"),
        "array-of-another-class": Called(
            AnyName("numpy.core.multiarray", "_reconstruct"), AnyName("builtins", "object"), (0,), b"b"
        ),
        "namespace-alone": Called(AnyName("argparse", "Namespace"), command),
        "device": Called(AnyName("torch", "device"), command),
    }
    for name, value in known.items():
        yield name, dump(value, 2)


def nested(command: str) -> Iterator[tuple[str, bytes]]:
    """Pickles within files: each part of each layout."""
    evil = b"\x80\x02" + named("os", "system") + text(command) + b"\x85R."
    load = AnyName("torch.storage", "_load_from_bytes")
    yield "storage-that-is-a-pickle", dump({"w": Called(load, evil)})
    yield "storage-that-is-a-torch-file", dump({"w": Called(load, MAGIC + VERSION + FACTS + evil)})
    inner = legacy(dump(Called(load, evil), 2))
    yield "storage-within-a-storage", dump({"w": Called(load, inner)})
    yield "legacy-facts", MAGIC + VERSION + evil
    yield "legacy-content", MAGIC + VERSION + FACTS + evil
    yield "legacy-keys", MAGIC + VERSION + FACTS + pickle.dumps({}, 2) + evil
    source = (
        b"\x80\x02(" + text("module") + named("argparse", "Namespace") + text("m.py") + text(f"'{command}'") + b"tQ."
    )
    yield "legacy-module-with-source", MAGIC + VERSION + FACTS + source
    yield "zip-content", archive({"data.pkl": evil})
    yield (
        "torchscript",
        archive({"data.pkl": pickle.dumps({}), "constants.pkl": evil, "code/__torch__.py": b"import os"}),
    )
    objects = io.BytesIO()
    np.save(objects, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    yield "npy-of-objects", objects.getvalue()
    packed = io.BytesIO()
    np.savez(packed, a=np.ones(3))
    yield "npz", packed.getvalue()


def with_source(command: str) -> Iterator[tuple[str, bytes]]:
    """Embedded source that would make the canary; the networks are none that is known."""
    source = WRITES.format(canary=command.removeprefix("touch "))
    yield "ada-source", ada_pickle(nn.Linear(2, 2), source=source)
    yield "ada-source-alone", dump(persistent("Generator", {}, source))
    yield (
        "ada-source-without-state",
        dump(Called(AnyName("torch_utils.persistence", "_reconstruct_persistent_obj"), {})),
    )
    yield "tensorflow-source", tensorflow_pickle({"x": torch.ones(2)}, {}, source=source)
    yield "tensorflow-old", tensorflow_pickle({"x": torch.ones(2)}, {}, source=source, version=2)


def recursive(command: str) -> Iterator[tuple[str, bytes]]:
    loop: list[Any] = []
    loop.append(loop)
    yield "list-in-itself", pickle.dumps(loop)
    turning: dict[str, Any] = {}
    turning["G_ema"] = turning["g_ema"] = turning
    yield "dictionary-in-itself", pickle.dumps(turning)
    # A module whose child is itself: memo 0 is the object, recalled for its own state.
    module = b"\x80\x02" + named("argparse", "Namespace") + b")\x81q\x00}" + text("_modules") + b"}" + text("b4")
    yield "network-in-itself", module + b"h\x00ss" + text("_parameters") + b"}sb."
    whole = module[:2] + b"}" + text("G_ema") + module[2:] + b"h\x00ssbs."
    yield "generator-in-itself", whole
    laughs = b"\x80\x02)" + b"".join(b"2\x86" for _ in range(200)) + b"."
    yield "doubling-tuples", laughs
    yield "doubling-weights", b"\x80\x02}" + text("g_ema") + laughs[2:-1] + b"s."
    yield "deep-lists", b"\x80\x02" + b"]" * 150_000 + b"a" * 149_999 + b"."
    yield "deep-tuples", b"\x80\x02)" + b"\x85" * 390_000 + b"."
    chain = b"".join(b"}" + text("_modules") + b"}" + text("a") for _ in range(2000))
    yield "deep-dictionaries", b"\x80\x02" + chain + b"N" + b"ss" * 2000 + b"."


def oversized(command: str) -> Iterator[tuple[str, bytes]]:
    """Lengths that are stated and not there, and work without end."""
    start = b"\x80\x05"
    yield "long-1", start + b"\x8a\xff" + b"\x01" * 255 + b"."
    yield "long-4", start + b"\x8b" + struct.pack("<I", 2**31 - 1) + b"\x01" * 100 + b"."
    yield "long-4-there", start + b"\x8b" + struct.pack("<I", 2**20) + b"\x01" * 2**20 + b"."
    yield "long-line", b"L" + b"9" * 2**20 + b"L\n."
    yield "int-line", b"I" + b"9" * 5000 + b"\n."
    for name, code, layout in (
        ("binbytes", b"B", "<I"),
        ("binbytes-8", b"\x8e", "<Q"),
        ("bytearray-8", b"\x96", "<Q"),
        ("binunicode", b"X", "<I"),
        ("binunicode-8", b"\x8d", "<Q"),
        ("binstring", b"T", "<I"),
        ("frame", b"\x95", "<Q"),
    ):
        yield f"{name}-oversized", start + code + struct.pack(layout, 2 ** (8 * struct.calcsize(layout)) - 1) + b"abc."
    yield "text-of-32-megabytes", start + b"X" + struct.pack("<I", 2**25) + b"a" * 2**25 + b"."
    yield "memo-place", start + b"Nr" + struct.pack("<I", 2**32 - 1) + b"0" + b"h\x01."
    yield "memo-place-text", start + b"Np" + b"9" * 60 + b"\ng1\n."
    yield "recall-of-nothing", start + b"j" + struct.pack("<I", 2**32 - 1) + b"."
    yield "five-million-operations", start + b"N0" * 2_500_000 + b"N."
    yield "many-empty-sets", start + b"(" + b"\x8f" * 399_990 + b"t."
    collisions = b"".join(
        b"\x8a\x0a" + (number * (2**61 - 1)).to_bytes(10, "little") + b"N" for number in range(100_000)
    )
    yield "keys-that-collide", start + b"}(" + collisions + b"u."
    yield "key-of-a-list", start + b"}]Ns."
    yield "key-of-a-float", start + b"}G" + struct.pack(">d", 1e300) + b"Ns."
    yield "lines-of-nothing", b"(" + b"I1" * 100_000 + b"."
    yield "buffer", start + b"\x97."
    yield "read-only-buffer", start + b"\x98."
    yield "protocol-6", b"\x80\x06N."
    yield "operation-unknown", start + b"\xff."
    yield "append-to-tuple", start + b")Na."
    yield "items-of-a-number", start + b"K\x01NNs."
    yield "odd-items", start + b"}(N" + b"u."
    yield "marks-alone", start + b"(" * 1000
    yield "stack-empty", start + b"R."


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


def bare(value: Any) -> bytes:
    """What pushes a value: its pickle without beginning and end."""
    return (value if isinstance(value, bytes) else pickle.dumps(value, 2))[2:-1]


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


# ---------------------------------------------------------------------- how they are made


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
