"""ONNX files and pictures for the tests: small models of known weights, and the real ones of others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import Tensor

_GOLDEN = Path(os.environ.get("GDP_GOLDEN") or Path(__file__).parents[3].parent / "shared" / "golden")
REAL = _GOLDEN.parent / "real"
"""Models and pictures made by others; tests that need them skip where they are absent."""


def write_model(
    path: Path,
    weights: Tensor,
    *,
    bias: Sequence[float] = (),
    batch: int | str = "batch",
    size: int | str = 8,
    layout: str = "NCHW",
    outputs: dict[str, tuple[int, ...]] | None = None,
) -> Path:
    """Write a model: the mean of each colour over the picture, times `weights` (3, K), plus `bias`.

    `outputs` splits the K numbers and gives each part its shape without the batch, under its name.
    """
    count = weights.shape[1]
    axes = [2, 3] if layout == "NCHW" else [1, 2]
    shape = [batch, 3, size, size] if layout == "NCHW" else [batch, size, size, 3]
    names = outputs or {"logits": (count,)}
    constants = {
        "weights": weights.numpy().astype(numpy.float32),
        "bias": numpy.array(bias or [0.0] * count, numpy.float32),
        "axes": numpy.array(axes, numpy.int64),
        "lengths": numpy.array([int(numpy.prod(part)) for part in names.values()], numpy.int64),
    }
    rows = batch if isinstance(batch, int) else -1
    constants |= {f"shape_{name}": numpy.array([rows, *part], numpy.int64) for name, part in names.items()}
    nodes = [
        helper.make_node("ReduceMean", ["picture", "axes"], ["colours"], keepdims=0),
        helper.make_node("Gemm", ["colours", "weights", "bias"], ["numbers"]),
        helper.make_node("Split", ["numbers", "lengths"], [f"flat_{name}" for name in names], axis=1),
        *(helper.make_node("Reshape", [f"flat_{name}", f"shape_{name}"], [name]) for name in names),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *part]) for name, part in names.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def plain(*levels: tuple[float, float, float], size: int = 8) -> Tensor:
    """Return pictures (N, 3, size, size) of one colour each, given as red, green and blue from 0 to 255."""
    colours = torch.tensor(levels, dtype=torch.float32) / 127.5 - 1
    return colours[:, :, None, None].expand(-1, -1, size, size).clone()


def read_pictures(paths: Sequence[Path], side: int, *, draft: bool = False) -> Tensor:
    """Read the middle squares of picture files as (N, 3, side, side) in [-1, 1], resized by Pillow's bicubic.

    With `draft`, JPEG's own reduction saves most of the time and changes the pictures a little.
    """
    pictures = []
    for path in paths:
        with Image.open(path) as file:
            if draft:
                file.draft("RGB", (side, side))
            picture = file.convert("RGB")
        edge = min(picture.size)
        left, top = (picture.width - edge) // 2, (picture.height - edge) // 2
        square = picture.resize((side, side), Image.Resampling.BICUBIC, box=(left, top, left + edge, top + edge))
        pictures.append(torch.from_numpy(numpy.array(square)).permute(2, 0, 1).float() / 127.5 - 1)
    return torch.stack(pictures)
