"""Read the age network out of face-api.js's published files (TensorFlow.js, 8 bits a weight); nothing of them is
run."""

from __future__ import annotations

import io
import json
import math
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from gdp import CorruptFileError, MissingResourceError
from gdp.plugins.face_ages.network import check_tensors

MANIFEST = "age_gender_model-weights_manifest.json"
_WEIGHTS = ("age_gender_model.bin", "age_gender_model-shard1")
"""Names of the file of numbers: of @vladmandic/face-api, and of face-api.js itself."""
_IN_PACKAGE = "package/model/"
_LARGEST = 4 * 2**20
"""Bytes of each of these files."""


def read_published(source: Path) -> tuple[dict[str, Tensor], bytes]:
    """Return the network's tensors in torch's layout, and the bytes that they were made from.

    Args:
        source: the npm package as a .tgz file, or a folder with it or with the two files of the model.

    Raises:
        MissingResourceError: there is no such file, or it lacks the model.
        CorruptFileError: it is damaged, or another network.
    """
    manifest, numbers = _files(source)
    try:
        entries = json.loads(manifest)[0]["weights"]
        tensors, used = _tensors(entries, numbers)
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise CorruptFileError(f"{source}: {MANIFEST} is no manifest of TensorFlow.js's weights ({error!r})") from error
    if used != len(numbers):
        raise CorruptFileError(f"{source}: the model's weights have {len(numbers):,} bytes, and {used:,} are expected")
    check_tensors(tensors, str(source))
    return tensors, numbers


def _files(source: Path) -> tuple[bytes, bytes]:
    if source.is_dir():
        folders = [source, source / "model", source / "package" / "model"]
        folder = next((each for each in folders if (each / MANIFEST).is_file()), None)
        found = {} if folder is None else {path.name: path for path in folder.iterdir() if path.is_file()}
        read = {
            name: _limited(path.read_bytes(), name) for name, path in found.items() if name in (MANIFEST, *_WEIGHTS)
        }
    elif source.is_file():
        read = _unpacked(source)
    else:
        raise MissingResourceError(f"{source}: there is no such file or folder.")
    numbers = next((read[name] for name in _WEIGHTS if name in read), None)
    if MANIFEST not in read or numbers is None:
        raise MissingResourceError(
            f"{source}: there are no {MANIFEST} and {' or '.join(_WEIGHTS)} in it. Take the package as "
            f"`npm pack @vladmandic/face-api@1.7.15` writes it"
        )
    return read[MANIFEST], numbers


def _unpacked(source: Path) -> dict[str, bytes]:
    """Read two files of a .tgz into memory; nothing is written, no link is followed."""
    wanted = {_IN_PACKAGE + name: name for name in (MANIFEST, *_WEIGHTS)}
    read: dict[str, bytes] = {}
    try:
        with tarfile.open(source, "r:gz") as package:
            for member in package:
                if member.name in wanted and member.isreg() and member.size <= _LARGEST:
                    file = package.extractfile(member)
                    read[wanted[member.name]] = b"" if file is None else file.read(_LARGEST)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise CorruptFileError(f"{source}: this is no npm package (.tgz), or a damaged one ({error})") from error
    return read


def _limited(content: bytes, name: str) -> bytes:
    if len(content) > _LARGEST:
        raise CorruptFileError(f"{name}: {len(content):,} bytes are not what this model has")
    return content


def _tensors(entries: Any, numbers: bytes) -> tuple[dict[str, Tensor], int]:
    """Return the tensors that a manifest tells of, dequantised (value = level * scale + min), and the bytes used."""
    stream = io.BytesIO(numbers)
    tensors = {}
    for entry in entries:
        shape = [int(side) for side in entry["shape"]]
        if any(side < 1 for side in shape) or math.prod(shape) > _LARGEST:
            raise ValueError(f"{entry['name']} has the shape {shape}")
        quantised: Mapping[str, Any] | None = entry.get("quantization")
        kind = numpy.dtype("u1" if quantised is not None else "<f4")
        content = stream.read(math.prod(shape) * kind.itemsize)
        if len(content) < math.prod(shape) * kind.itemsize:
            raise ValueError(f"{entry['name']} is cut off")
        values = numpy.frombuffer(content, kind).reshape(shape).astype(numpy.float32)
        if quantised is not None:
            values = values * numpy.float32(quantised["scale"]) + numpy.float32(quantised["min"])
        tensors[str(entry["name"])] = torch.from_numpy(_in_torchs_layout(str(entry["name"]), values).copy())
    return tensors, stream.tell()


def _in_torchs_layout(name: str, values: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
    if values.ndim != 4:
        return values
    if name.endswith("depthwise_filter"):
        return values.transpose(2, 3, 0, 1)  # (h, w, in, 1) -> (in, 1, h, w)
    return values.transpose(3, 2, 0, 1)  # (h, w, in, out) -> (out, in, h, w)
