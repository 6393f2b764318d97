"""Pickles that are made to do harm; see `hostile_files` for what `command` is."""

import io
import pickle
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from foreign_files import WRITES, AnyName, Called, ada_pickle, dump, persistent, tensorflow_pickle
from hostile_making import FACTS, MAGIC, VERSION, archive, legacy, named, stack_named, text
from torch import nn


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
