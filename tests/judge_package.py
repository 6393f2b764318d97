"""The published weights of a judge of photographed faces, with random numbers in them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy
import torch
from torch import Tensor

from gdp.plugins.face_ages.network import expected_shapes
from gdp.plugins.face_ages.published import MANIFEST


def random_model() -> tuple[bytes, bytes, dict[str, Tensor]]:
    """A manifest, its numbers, and the tensors in torch's layout; weights in 8 bits, biases in 32."""
    random = numpy.random.default_rng(3)
    entries, content, tensors = [], b"", {}
    for name, shape in expected_shapes().items():
        entry: dict[str, object] = {"name": name, "dtype": "float32"}
        stored, order = shape, tuple(range(len(shape)))
        if len(shape) == 4:  # to TensorFlow's (h, w, in, out), depthwise (h, w, in, 1)
            order = (2, 3, 0, 1) if name.endswith("depthwise_filter") else (2, 3, 1, 0)
            stored = tuple(shape[axis] for axis in order)
        entry["shape"] = list(stored)
        if name.endswith("bias"):
            values = random.normal(0, 0.1, stored).astype("<f4")
            content += values.tobytes()
        else:
            levels = random.integers(0, 256, stored).astype("u1")
            entry["quantization"] = {"dtype": "uint8", "scale": 0.003, "min": -0.4}
            values = levels * numpy.float32(0.003) + numpy.float32(-0.4)
            content += levels.tobytes()
        entries.append(entry)
        back = tuple(order.index(axis) for axis in range(len(shape)))
        tensors[name] = torch.from_numpy(values.transpose(back).copy())
    return json.dumps([{"weights": entries, "paths": ["age_gender_model.bin"]}]).encode(), content, tensors


def package(
    path: Path, manifest: bytes, content: bytes, change: Callable[[tarfile.TarInfo], None] | None = None
) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for name, data in ((MANIFEST, manifest), ("age_gender_model.bin", content)):
            member = tarfile.TarInfo(f"package/model/{name}")
            member.size = len(data)
            if change is not None:
                change(member)
            made.addfile(member, io.BytesIO(data))
    return path
