"""Directions in a teacher's w, what is added to a latent so that one thing in the picture changes, and their files.

Files are gdp's own (.safetensors) or the public ones (.npy, .pt), none of which can run code. gdp's own hold the tensor
`direction`, float32, (1, w_dim) or (num_ws, w_dim), and as metadata `format` (`gdp-direction-1`), `name`, `scale` (JSON
number), `layers` (JSON array or null), `teacher` (sha256) and `found` (JSON object: method, samples, seed, measured
effects). The fields of `Direction` say what they mean.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gdp.core.errors import CorruptFileError, ShapeError
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.pairs.records import Json
from gdp.core.tensor_file import write_tensors
from gdp.support.foreign import as_tensor, read_foreign


@dataclass(frozen=True)
class Direction:
    """A direction d in w and its scale.

    The score of a latent is its projection <w, d>. The scale is the standard deviation of that score over the
    teacher's samples w = mapping(z), z normal, without truncation. Strength s moves each chosen w by s * scale * d,
    hence its score by s standard deviations.

    Attributes:
        name: What it is called, such as smile.
        vectors: (1, w_dim), one for all layers, or (num_ws, w_dim); float32. The root mean square norm of rows not 0 is
            1.
        scale: Standard deviation of the score, in units of w; None where the file says nothing (measured on the
            teacher).
        layers: Numbers of the w's that the direction is made for; None for all.
        teacher: sha256 of the teacher that it was found on; empty where that is unknown.
        found: Where it comes from: method, samples, seed, measured effects, or a public file's format and norm.
    """

    name: str
    vectors: Tensor
    scale: float | None = None
    layers: tuple[int, ...] | None = None
    teacher: str = ""
    found: dict[str, Json] = field(default_factory=dict)

    def is_foreign(self, teacher: LatentTeacher) -> bool:
        """Tell whether it is known to be another teacher's."""
        return self.teacher not in ("", teacher.fingerprint)

    def displacement(
        self, teacher: LatentTeacher, strength: float, layers: Sequence[int] | Literal["all"] | None = None
    ) -> Tensor:
        """Return what `strength` adds to the ws of `teacher`: (num_ws, w_dim) float32 on the CPU.

        The scale is the file's, or measured where the file has none or the direction is another teacher's.

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
                "generator: find one with `gdp find-direction`."
            )
        chosen = chosen_layers(self.layers if layers is None else layers, teacher.num_ws, self.name)
        known = None if self.is_foreign(teacher) else self.scale
        scale = measure_scale(teacher, self.vectors) if known is None else known
        moved = torch.zeros(teacher.num_ws, width)
        moved[chosen] = strength * scale * self.vectors.expand(teacher.num_ws, width)[chosen]
        return moved


def chosen_layers(layers: Sequence[int] | Literal["all"] | None, num_ws: int, name: str) -> list[int]:
    """Return the numbers of the w's that are moved.

    Raises:
        ShapeError: the teacher has no such layer.
    """
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


def root_mean_square_norm(vectors: Tensor) -> float:
    """Return the root mean square norm of the rows of (rows, w_dim) that are not 0.

    Raises:
        ValueError: they are 0 everywhere, or not finite.
    """
    norms = vectors.double().norm(dim=1)
    if not torch.isfinite(norms).all() or not (norms > 0).any():
        raise ValueError("it is 0 everywhere or holds NaN or infinite values")
    return float(norms[norms > 0].square().mean().sqrt())


def normalised(vectors: Tensor) -> Tensor:
    """Scale (rows, w_dim) so that the root mean square norm of the rows that are not 0 is 1; float32.

    Raises:
        ValueError: it is 0 everywhere, or not finite.
    """
    return torch.div(vectors.double(), root_mean_square_norm(vectors)).float()


MOVES_AT_LEAST = 0.05
"""Standard deviations of its own score, at strength 1."""
SMALL_LEAK = 0.03
"""Largest share of the wanted change that another score may change by before mixing goes on: the samples' own error."""
SMALLEST_EFFECT = 0.02
"""Combinations of scores that no direction moves, by this share of the best moved one, are given up."""


def project_out(direction: Tensor, normals: Sequence[Tensor]) -> Tensor:
    """Take out of `direction` (w_dim,) its part in the span of `normals`, (w_dim,) each, by their QR decomposition.

    Shen and others, "Interpreting the Latent Space of GANs for Semantic Face Editing" (CVPR 2020), section 2.2:
    conditional manipulation; with several conditions the projection on the subspace that their normals span.
    """
    if not normals:
        return direction
    basis, _ = torch.linalg.qr(torch.stack(list(normals), dim=1))  # (w_dim, K), orthonormal
    return torch.sub(direction, basis @ (basis.T @ direction))


def project_out_of_spread(direction: Tensor, normals: Sequence[Tensor], covariance: Tensor) -> Tensor:
    """Make `direction` (w_dim,) orthogonal to `normals` by a change that stays where w is dense.

    d - S B (B' S B)^-1 B' d, with the normals as columns of B and the covariance S (w_dim, w_dim) of w: of all
    directions orthogonal to B the nearest one in units of w's own spread.
    """
    if not normals:
        return direction
    stacked = torch.stack(list(normals), dim=1)
    spread = covariance @ stacked  # S B, (w_dim, K)
    held = torch.linalg.lstsq(stacked.T @ spread, stacked.T @ direction[:, None], driver="gelsd").solution
    return torch.sub(direction, (spread @ held)[:, 0])


def hold_by_effects(
    moves: Tensor, effects: Callable[[Tensor], Tensor], unit: Callable[[Tensor], Tensor], rounds: int
) -> tuple[Tensor, Tensor]:
    """Mix directions until each changes its own score alone, by what they are measured to do.

    Scores are not linear in w, so directions that are orthogonal to each other's normals still change each other's
    scores. With E[i, j] the measured change of score j along direction i, the rows of E^-1 D change one score each,
    as far as the effects add up; measuring and mixing again brings that closer.

    Args:
        moves: D (K, w_dim) float64, what strength 1 of each direction adds to w.
        effects: measures E (K, K) of such moves, in standard deviations of the scores.
        unit: scales moves (K, w_dim) to strength 1.
        rounds: how often to mix.

    Returns:
        Of each direction that of the round with the least leak, (K, w_dim), and the leaks (rounds, K): the largest
        change of another score as a share of that of its own.
    """
    best, least = moves.clone(), torch.full((len(moves),), torch.inf, dtype=moves.dtype)
    leaks = []
    for number in range(rounds + 1):
        found = effects(moves)
        own, others = found.diagonal(), (found - torch.diag(found.diagonal())).abs().amax(dim=1)
        leaks.append(others / own.abs().clamp(min=1e-12))
        # A direction that hardly moves its own score is no direction for it, however little else it moves.
        better = (own > MOVES_AT_LEAST) & (leaks[-1] < least)
        best[better], least[better] = moves[better], leaks[-1][better]
        if number == rounds or bool((least < SMALL_LEAK).all()):
            break
        moves = unit(torch.linalg.pinv(found, rtol=SMALLEST_EFFECT) @ moves)
    return best, torch.stack(leaks)


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
