"""Direction files: gdp's own (.safetensors) and the public ones (.npy, .pt), none of which can run code.

gdp's own hold the tensor `direction`, float32, (1, w_dim) or (num_ws, w_dim), and as metadata `format`
(`gdp-direction-1`), `name`, `scale` (JSON number), `layers` (JSON array or null), `teacher` (sha256) and `found`
(JSON object: method, samples, seed, measured effects). The fields of `Direction` say what they mean.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gdp.core.errors import CorruptFileError
from gdp.core.pairs.records import Json
from gdp.core.tensor_file import write_tensors
from gdp.support.directions.direction import Direction, normalised, root_mean_square_norm
from gdp.support.foreign import as_tensor, read_foreign

DIRECTION_FORMAT = "gdp-direction-1"
"""What the metadata of a file of directions says of its format."""
SUFFIXES = (".safetensors", ".npy", ".pt")
LARGEST_FILE = 256 * 2**20
"""Bytes; directions are some kilobytes, all components of a PCA some megabytes."""


def save_direction(direction: Direction, path: Path) -> None:
    """Write a direction as safetensors; everything but the vectors goes into its metadata.

    Raises:
        DiskFullError, RunFolderError: the file cannot be written.
    """
    metadata = {
        "format": DIRECTION_FORMAT,
        "name": direction.name,
        "scale": json.dumps(direction.scale),
        "layers": json.dumps(direction.layers),
        "teacher": direction.teacher,
        "found": json.dumps(direction.found, sort_keys=True),
    }
    write_tensors(path, {"direction": direction.vectors}, metadata)


def read_direction(path: Path, component: int | None = None) -> Direction:
    """Read a direction: a `.safetensors` file made by gdp, or a public `.npy` or `.pt` file.

    A `.npy` or `.pt` file holds (w_dim,), (1, w_dim), (num_ws, w_dim) or (1, num_ws, w_dim) floats of any norm. Its
    norm is set to 1 and noted in `found`, and its scale is measured on the teacher. A `.pt` file may also hold
    GANSpace's components, a dict of mean, comp and std; then `component` says which one, and its std is the scale.
    Both are read without executing any pickle: numpy's `allow_pickle=False`, torch's `weights_only=True`.

    Raises:
        CorruptFileError: the file cannot be read as a direction.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError(f"it is larger than {LARGEST_FILE >> 20} MB")
        if path.suffix == ".pt":
            return _from_torch(path, component)
        if component is not None:
            raise ValueError(f"only a .pt file has components, so #{component} means nothing")
        return _from_numpy(path) if path.suffix == ".npy" else _from_safetensors(path)
    except (
        *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError),
        *(AttributeError, SafetensorError),
    ) as error:
        reason = " ".join(str(error).split())[:300]
        raise CorruptFileError(
            f"{path}: this is no usable direction: {reason}. A direction is a .safetensors file made by gdp, or a "
            ".npy or .pt file with one row of w_dim floats, or one such row for each layer."
        ) from error


def _from_numpy(path: Path) -> Direction:
    array = numpy.load(path, allow_pickle=False)
    if not isinstance(array, numpy.ndarray) or array.dtype.kind != "f":
        raise ValueError("it does not hold floats")
    return _public(path.stem, torch.from_numpy(array.astype(numpy.float64)), "npy")


def _from_torch(path: Path, component: int | None) -> Direction:
    content = read_foreign(path).content
    if isinstance(content, dict):
        return _component(path, {name: as_tensor(value) for name, value in content.items()}, component)
    held = as_tensor(content)
    if held is None or not held.is_floating_point():
        raise ValueError("it does not hold floats")
    if component is not None:
        raise ValueError(f"it holds one direction, no components, so #{component} means nothing")
    return _public(path.stem, held, "pt")


def _component(path: Path, held: dict[Any, Any], component: int | None) -> Direction:
    """Take one principal component of GANSpace's: comp (K, 1, w_dim), std (K,)."""
    components, deviations = held.get("comp"), held.get("std")
    if not isinstance(components, Tensor) or not isinstance(deviations, Tensor) or not components.is_floating_point():
        raise ValueError(f"it is a dict of {', '.join(map(str, list(held)[:5]))}; expected mean, comp and std")
    if components.ndim not in (2, 3) or deviations.shape != components.shape[:1]:
        raise ValueError(f"comp is {tuple(components.shape)} and std {tuple(deviations.shape)}")
    if component is None or not 0 <= component < len(components):
        raise ValueError(f"it holds {len(components)} components; name one as {path.name}#0 to #{len(components) - 1}")
    direction = _public(f"{path.stem}-{component}", components[component].detach(), "ganspace")
    # std is that of the projection on the component as it is stored, whatever its norm.
    scale = float(deviations[component]) / direction.found["norm"]
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"std of component {component} is {float(deviations[component])}")
    found = {**direction.found, "component": component}
    return Direction(direction.name, direction.vectors, scale, found=found)


def _public(name: str, array: Tensor, file_format: str) -> Direction:
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2:
        raise ValueError(f"its shape is {tuple(array.shape)}")
    found: dict[str, Json] = {"format": file_format, "norm": root_mean_square_norm(array)}
    return Direction(name, normalised(array), found=found)


def _from_safetensors(path: Path) -> Direction:
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        if metadata.get("format") != DIRECTION_FORMAT:
            raise ValueError(f"its metadata does not say {DIRECTION_FORMAT}")
        vectors = file.get_tensor("direction")
    if vectors.ndim != 2:
        raise ValueError(f"its shape is {tuple(vectors.shape)}")
    scale, layers = json.loads(metadata["scale"]), json.loads(metadata["layers"])
    if scale is not None and not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"its scale is {scale}")
    return Direction(
        metadata["name"],
        normalised(vectors),
        scale,
        None if layers is None else tuple(int(layer) for layer in layers),
        metadata["teacher"],
        json.loads(metadata["found"]),
    )
