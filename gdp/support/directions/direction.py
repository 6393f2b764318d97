"""A direction, its scale, and what it adds to the latents of a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from gdp.core.errors import ShapeError
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.pairs.records import Json

SAMPLES = 4096
"""Untruncated samples over which a teacher's w is measured, with the seed 0."""
_TOGETHER = 512

Space = Literal["w", "z", ""]
"""What a direction is added to: w (or W+), z, or unknown."""


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
        space: What its file says that it is added to; empty where it says nothing.
    """

    name: str
    vectors: Tensor
    scale: float | None = None
    layers: tuple[int, ...] | None = None
    teacher: str = ""
    found: dict[str, Json] = field(default_factory=dict)
    space: Space = "w"

    @property
    def norm(self) -> float:
        """Root mean square norm of the rows of its file, in units of w."""
        return float(self.found.get("norm", 1.0))

    @property
    def counts_deviations(self) -> bool:
        """Whether publications count how far along it in standard deviations: GANSpace's sigma along a component."""
        return self.found.get("format") == "ganspace" or self.found.get("method") == "pca"

    @property
    def published_unit(self) -> float:
        """How far a published factor of 1 goes: by its file's vector as it is, or by one sigma of a PCA's component.

        In units of w, the root mean square over its rows that are not 0.
        """
        if self.counts_deviations and self.scale is not None:
            return self.scale * self.norm**2
        return self.norm

    def is_foreign(self, teacher: LatentTeacher) -> bool:
        """Tell whether it is known to be another teacher's."""
        return self.teacher not in ("", teacher.fingerprint)

    def check_shape(self, teacher: LatentTeacher) -> None:
        """Make sure that it fits the teacher's ws.

        Raises:
            ShapeError: it has other rows, or rows of another length.
        """
        rows, width = self.vectors.shape
        if width == teacher.w_dim and rows in (1, teacher.num_ws):
            return
        or_z = ", or to z, which has as many numbers" if rows == 1 and width == teacher.z_dim else ""
        raise ShapeError(
            f"direction {self.name} has {rows} {'row' if rows == 1 else 'rows'} of {width} numbers; the teacher takes "
            f"{teacher.num_ws} w's of {teacher.w_dim} numbers (a direction must have 1 row or {teacher.num_ws}). It "
            f"belongs to another generator{or_z}: find one with `gdp find-direction`."
        )

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
        self.check_shape(teacher)
        known = None if self.is_foreign(teacher) else self.scale
        scale = measure_scale(teacher, self.vectors) if known is None else known
        return self.moved(teacher, strength * scale, layers)

    def moved(
        self, teacher: LatentTeacher, distance: float, layers: Sequence[int] | Literal["all"] | None = None
    ) -> Tensor:
        """Return `distance` (in units of w) times the direction in the chosen layers: (num_ws, w_dim) on the CPU.

        Raises:
            ShapeError: the direction or the layers do not fit the teacher.
        """
        self.check_shape(teacher)
        chosen = chosen_layers(self.layers if layers is None else layers, teacher.num_ws, self.name)
        moved = torch.zeros(teacher.num_ws, teacher.w_dim)
        moved[chosen] = distance * self.vectors.expand(teacher.num_ws, teacher.w_dim)[chosen]
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


def sample_w(teacher: LatentTeacher, samples: int = SAMPLES, seed: int = 0) -> Tensor:
    """Return untruncated w's (samples, w_dim), float64 on the CPU."""
    # A teacher maps to ws, of which one is looked at: all at once they would be some hundred megabytes.
    parts = [range(start, min(start + _TOGETHER, samples)) for start in range(0, samples, _TOGETHER)]
    return torch.cat([teacher.map(teacher.sample_z(seed, part))[:, 0].cpu() for part in parts]).double()


def measure_scale(teacher: LatentTeacher, vectors: Tensor, samples: int = SAMPLES, seed: int = 0) -> float:
    """Return the standard deviation of <w, d> over `samples` untruncated w's, in units of w.

    For a direction (num_ws, w_dim) with different rows: the root mean square over its rows that are not 0.
    """
    return scale_over(sample_w(teacher, samples, seed), vectors)


def scale_over(w: Tensor, vectors: Tensor) -> float:
    """Return the same over w's (N, w_dim) that are drawn already."""
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
