"""Direction files: gdp's own (safetensors) and the public ones (.npy).

gdp's own hold the tensor `direction`, float32, (1, w_dim) or (num_ws, w_dim), and as metadata `format`
(`gdp-direction-1`), `name`, `scale` (JSON number), `layers` (JSON array or null), `teacher` (sha256) and `found`
(JSON object: method, samples, seed, what was measured). The fields of `Direction` say what they mean.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gdp.core.errors import CorruptFileError, ShapeError, readable_os_errors
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.plugins.directions.config import BuiltinDirection, direction_path

FORMAT = "gdp-direction-1"


@dataclass(frozen=True)
class Direction:
    """A direction d in w and its scale.

    The score of a latent is its projection <w, d>. The scale is the standard deviation of that score over the
    teacher's samples w = mapping(z), z normal, without truncation. Strength s moves each chosen w by s * scale * d,
    hence its score by s standard deviations.
    """

    name: str
    vectors: Tensor
    """(1, w_dim), one for all layers, or (num_ws, w_dim); float32. The root mean square norm of rows not 0 is 1."""
    scale: float | None = None
    """Standard deviation of the score, in units of w; None where the file says nothing (measured on the teacher)."""
    layers: tuple[int, ...] | None = None
    """Numbers of the w's that the direction is made for; None for all."""
    teacher: str = ""
    """sha256 of the teacher that it was found on; empty where that is unknown."""
    found: dict[str, Any] = field(default_factory=dict)
    """How it was found: method, samples, seed, measurements; plain JSON values."""

    def displacement(
        self, teacher: LatentTeacher, strength: float, layers: Sequence[int] | Literal["all"] | None = None
    ) -> Tensor:
        """Return what `strength` adds to the ws of `teacher`: (num_ws, w_dim) float32 on the CPU.

        Args:
            teacher: the generator whose ws are moved.
            strength: in standard deviations of the direction's score.
            layers: numbers of the w's that are moved, or "all"; None for those that the file names.

        Raises:
            ShapeError: the direction or the layers do not fit the teacher.
        """
        rows, width = self.vectors.shape
        if width != teacher.w_dim or rows not in (1, teacher.num_ws):
            raise ShapeError(
                f"direction {self.name} has {rows} rows of {width} numbers; the teacher takes {teacher.num_ws} w's of "
                f"{teacher.w_dim} numbers (a direction must have 1 row or {teacher.num_ws}). It belongs to another "
                "generator: find one with `python -m gdp.plugins.directions.find`."
            )
        chosen = _chosen_layers(self.layers if layers is None else layers, teacher.num_ws, self.name)
        scale = measure_scale(teacher, self.vectors) if self.scale is None else self.scale
        moved = torch.zeros(teacher.num_ws, width)
        moved[chosen] = strength * scale * self.vectors.expand(teacher.num_ws, width)[chosen]
        return moved


def _chosen_layers(layers: Sequence[int] | Literal["all"] | None, num_ws: int, name: str) -> list[int]:
    if layers is None or isinstance(layers, str):
        return list(range(num_ws))
    if wrong := [layer for layer in layers if not 0 <= layer < num_ws]:
        raise ShapeError(f"direction {name}: the teacher has layers 0 to {num_ws - 1}; there is no layer {wrong[0]}")
    return list(layers)


def measure_scale(teacher: LatentTeacher, vectors: Tensor, samples: int = 4096, seed: int = 0) -> float:
    """Return the standard deviation of <w, d> over `samples` untruncated w's, in units of w.

    For a direction (num_ws, w_dim) with different rows: the root mean square over its rows that are not 0.
    """
    w = teacher.map(teacher.sample_z(seed, range(samples)))[:, 0].cpu().double()
    rows = vectors[vectors.norm(dim=1) > 0].double()
    return float((w @ rows.T).var(dim=0).mean().sqrt())


def normalised(vectors: Tensor) -> Tensor:
    """Scale (rows, w_dim) so that the root mean square norm of the rows that are not 0 is 1; float32.

    Raises:
        ValueError: it is 0 everywhere, or not finite.
    """
    norms = vectors.double().norm(dim=1)
    if not torch.isfinite(norms).all() or not (norms > 0).any():
        raise ValueError("it is 0 everywhere or holds NaN or infinite values")
    root_mean_square = norms[norms > 0].square().mean().sqrt()
    return torch.div(vectors.double(), root_mean_square).float()


def save_direction(direction: Direction, path: Path) -> None:
    """Write a direction as safetensors; everything but the vectors goes into its metadata.

    Raises:
        DiskFullError, RunFolderError: the file cannot be written.
    """
    metadata = {
        "format": FORMAT,
        "name": direction.name,
        "scale": json.dumps(direction.scale),
        "layers": json.dumps(direction.layers),
        "teacher": direction.teacher,
        "found": json.dumps(direction.found, sort_keys=True),
    }
    with readable_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(save({"direction": direction.vectors.contiguous()}, metadata))


def load_direction(spec: BuiltinDirection | Path) -> Direction:
    """Read a direction: `builtin:NAME`, a `.safetensors` file made by gdp, or a public `.npy` file.

    A `.npy` file holds (w_dim,), (1, w_dim), (num_ws, w_dim) or (1, num_ws, w_dim) floats of any norm; it is read
    without pickle, its norm is set to 1, and its scale is measured on the teacher.

    Raises:
        MissingResourceError: the file is not there.
        CorruptFileError: the file cannot be read as a direction.
    """
    path = direction_path(spec)
    try:
        return _read_numpy(path) if path.suffix == ".npy" else _read_safetensors(path)
    except (OSError, ValueError, KeyError, TypeError, EOFError, SafetensorError) as error:
        raise CorruptFileError(
            f"{path}: this is no usable direction: {error}. A direction is a .safetensors file made by gdp, "
            "or a .npy file with one row of w_dim floats, or one such row for each layer."
        ) from error


def _read_numpy(path: Path) -> Direction:
    array = numpy.load(path, allow_pickle=False)
    if not isinstance(array, numpy.ndarray) or array.dtype.kind != "f":
        raise ValueError("it does not hold floats")
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2:
        raise ValueError(f"its shape is {array.shape}")
    return Direction(path.stem, normalised(torch.from_numpy(array.astype(numpy.float64))))


def _read_safetensors(path: Path) -> Direction:
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise ValueError(f"its metadata does not say {FORMAT}")
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
