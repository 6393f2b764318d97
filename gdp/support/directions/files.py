"""Files of directions: gdp's own (.safetensors) and the public ones, none of which can run code.

gdp's own hold the tensor `direction`, float32, (1, w_dim) or (num_ws, w_dim), and as metadata `format`
(`gdp-direction-1`), `name`, `scale` (JSON number or null), `layers` (JSON array or null), `teacher` (sha256), `found`
(JSON object: method, samples, seed, measured effects) and, where it is not w, `space`. The fields of `Direction` say
what they mean.

Public ones hold an array (w_dim,), (1, w_dim), (num_ws, w_dim) or (1, num_ws, w_dim) of floats of any norm and width;
or the components of a PCA (GANSpace: mean, comp, std, or lat_comp and lat_stdev), or eigenvectors (SeFa, as
rosinality's closed_form_factorization.py saves them: eigvec, one in each column), of which `#3` names one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gdp.core.errors import CorruptFileError
from gdp.core.pairs.records import Json
from gdp.core.tensor_file import write_tensors
from gdp.support.direction_names import SUFFIXES
from gdp.support.directions.direction import Direction, Space, normalised, root_mean_square_norm
from gdp.support.foreign import as_tensor, printable, read_foreign

DIRECTION_FORMAT = "gdp-direction-1"
"""What the metadata of a file of directions says of its format."""
LARGEST_FILE = 256 * 2**20
"""Bytes; directions are some kilobytes, all components of a PCA some megabytes."""
LARGEST_SIDECAR = 2**20
"""Bytes of the JSON beside a public file."""
SMALLEST_WIDTH = 8
"""Numbers of a row; fewer are no direction in any w."""
ROUNDING = 1e-4
_UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError),
    *(AttributeError, SafetensorError),
)
_SPACES: Mapping[object, Space] = {"w": "w", "w+": "w", "z": "z"}


def save_direction(direction: Direction, path: Path) -> None:
    """Write a direction as safetensors; everything but the vectors goes into its metadata.

    Raises:
        DiskFullError, RunFolderError: the file cannot be written.
    """
    write_tensors(path, {"direction": direction.vectors}, direction_metadata(direction))


def direction_metadata(direction: Direction) -> dict[str, str]:
    """Return what a file of gdp's says of a direction beside its vectors."""
    return {
        "format": DIRECTION_FORMAT,
        "name": direction.name,
        "scale": json.dumps(direction.scale),
        "layers": json.dumps(direction.layers),
        "teacher": direction.teacher,
        "found": json.dumps(direction.found, sort_keys=True),
        **({} if direction.space == "w" else {"space": direction.space or "unknown"}),
    }


def read_direction(path: Path, component: int | None = None) -> Direction:
    """Read a direction: a `.safetensors` file made by gdp, or a public file.

    A public file's norm is set to 1 and noted in `found`, and its scale is measured on the teacher; components of a PCA
    have theirs. A JSON file of the same name beside it may say `space` ("w" or "z") and `teacher` (sha256).
    All are read without executing any pickle.

    Raises:
        CorruptFileError: the file cannot be read as a direction; the message says what it holds.
    """
    try:
        if path.suffix not in SUFFIXES:
            raise ValueError(f"its name ends in {path.suffix or 'nothing'}")
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError(f"it is larger than {LARGEST_FILE >> 20} MB")
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") == DIRECTION_FORMAT:
                    return _own(file.get_tensor("direction"), metadata, component)
        return _public(path, component)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:400]
        raise CorruptFileError(
            f"{path}: this is no usable direction: {reason}. A direction is a .safetensors file made by gdp, or a "
            ".npy, .npz, .pt or .safetensors file with one row of w_dim floats, or one such row for each layer."
        ) from error


def _own(vectors: Tensor, metadata: Mapping[str, str], component: int | None) -> Direction:
    """Take a direction of gdp's; one that was converted from a public file may say that its space is unknown."""
    if component is not None:
        raise ValueError(f"it holds one direction, no components, so #{component} means nothing")
    if vectors.ndim != 2:
        raise ValueError(f"its shape is {tuple(vectors.shape)}")
    scale, layers = json.loads(metadata["scale"]), json.loads(metadata["layers"])
    if scale is not None and not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"its scale is {scale}")
    found = json.loads(metadata["found"])
    # gdp's own finds are in w. Files that an earlier gdp converted hold nothing of their space.
    converted = isinstance(found, dict) and found.get("method") == "unknown"
    said = metadata.get("space", "unknown" if converted else "w")
    norm = root_mean_square_norm(vectors)
    return Direction(
        metadata["name"],
        normalised(vectors),
        scale,
        None if layers is None else tuple(int(layer) for layer in layers),
        metadata["teacher"],
        found if abs(norm - 1) < ROUNDING or "norm" in found else {**found, "norm": norm},
        _SPACES.get(said, ""),
    )


def _public(path: Path, component: int | None) -> Direction:
    """Read another program's file, whatever its container."""
    content = _content(path)
    if isinstance(content, Mapping):
        tensors = {str(name): as_tensor(value) for name, value in content.items()}
        if (found := _component(path, tensors, component)) is not None:
            return found
        arrays = {name: tensor for name, tensor in tensors.items() if tensor is not None}
        if len(arrays) != 1:
            names = ", ".join(printable(name) for name in list(tensors)[:5]) or "nothing"
            raise ValueError(
                f"it holds {names}; expected one array, or GANSpace's mean, comp and std, or SeFa's eigvec"
            )
        (content,) = arrays.values()
    held = as_tensor(content)
    if held is None or not held.is_floating_point():
        raise ValueError(f"it holds {_kind(held, content)}, no floats")
    if component is not None:
        raise ValueError(f"it holds one direction, no components, so #{component} means nothing")
    space, teacher = _sidecar(path)
    return public_direction(path.stem, held, path.suffix[1:], space=space, teacher=teacher)


def _content(path: Path) -> object:
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 # it is no dict
    if path.suffix in (".pt", ".pth"):
        return read_foreign(path).content
    loaded = numpy.load(path, allow_pickle=False)
    if isinstance(loaded, numpy.ndarray):
        return _as_tensor(loaded)
    with loaded:
        return {name: _as_tensor(loaded[name]) for name in loaded.files}


def _as_tensor(array: numpy.ndarray[Any, Any]) -> Tensor:
    if array.dtype.kind not in "fiub":
        raise ValueError(f"it does not hold floats but {array.dtype}")
    return torch.from_numpy(array.astype(numpy.float64) if array.dtype.kind == "f" else array.astype(numpy.int64))


def _kind(held: Tensor | None, content: object) -> str:
    return f"a {type(content).__name__}" if held is None else f"{held.dtype}".removeprefix("torch.")


def public_direction(name: str, array: Tensor, file_format: str, *, space: Space = "", teacher: str = "") -> Direction:
    """Take an array of another program's as a direction of norm 1.

    Args:
        name: what it is called.
        array: (w_dim,), (1, w_dim), (num_ws, w_dim) or (1, num_ws, w_dim), of any norm.
        file_format: for `found`.
        space: what is known of it.
        teacher: sha256, where it is known.

    Raises:
        ValueError: it is of another shape, 0 everywhere, or not finite.
    """
    shape = tuple(array.shape)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or not array.shape[0] or array.shape[1] < SMALLEST_WIDTH:
        raise ValueError(f"its shape is {shape}")
    found: dict[str, Json] = {"format": file_format, "norm": root_mean_square_norm(array)}
    return Direction(name, normalised(array), teacher=teacher, found=found, space=space)


def _component(path: Path, held: Mapping[str, Tensor | None], component: int | None) -> Direction | None:
    """Take one component of a PCA or one eigenvector; None where it holds neither."""
    eigenvectors = held.get("eigvec")
    if eigenvectors is not None:
        number = _number(path, component, eigenvectors.shape[-1])
        direction = public_direction(f"{path.stem}-{number}", eigenvectors[:, number].detach(), "sefa", space="w")
        return Direction(direction.name, direction.vectors, found={**direction.found, "component": number}, space="w")
    components, deviations = held.get("comp", held.get("lat_comp")), held.get("std", held.get("lat_stdev"))
    if components is None or deviations is None:
        return None
    return _principal(path, components, deviations, component)


def _principal(path: Path, components: Tensor, deviations: Tensor, component: int | None) -> Direction:
    """Take one principal component of GANSpace's: comp (K, 1, w_dim), std (K,)."""
    whole = components.is_floating_point() and components.ndim in (2, 3)
    if not whole or deviations.shape != components.shape[:1]:
        raise ValueError(f"comp is {tuple(components.shape)} and std {tuple(deviations.shape)}")
    number = _number(path, component, len(components))
    direction = public_direction(f"{path.stem}-{number}", components[number].detach(), "ganspace", space="w")
    # std is that of the projection on the component as it is stored, whatever its norm.
    scale = float(deviations[number]) / direction.norm
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"std of component {number} is {float(deviations[number])}")
    found = {**direction.found, "component": number}
    return Direction(direction.name, direction.vectors, scale, found=found, space="w")


def _number(path: Path, component: int | None, count: int) -> int:
    if component is None or not 0 <= component < count:
        raise ValueError(f"it holds {count} components; name one as {path.name}#0 to #{count - 1}")
    return component


def _sidecar(path: Path) -> tuple[Space, str]:
    """Read what the JSON of the same name beside a public file says of its space and teacher; it need not be there."""
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return "", ""
    if beside.stat().st_size > LARGEST_SIDECAR:
        raise ValueError(f"{beside.name} beside it is too large to tell about it")
    try:
        told = json.loads(beside.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{beside.name} beside it is no JSON ({error})") from error
    space, teacher = (told.get("space"), told.get("teacher", "")) if isinstance(told, dict) else (None, "")
    if space is not None and (not isinstance(space, str) or space not in _SPACES):
        raise ValueError(f'{beside.name} beside it says a space that is neither "w" nor "z"')
    if not isinstance(teacher, str):
        raise ValueError(f"{beside.name} beside it says a teacher that is no sha256 in quotes")
    return "" if space is None else _SPACES[space], teacher
