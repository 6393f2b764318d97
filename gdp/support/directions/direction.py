"""A direction in w with its scale: what is added to a latent so that one thing in the picture changes.

Keeping other attributes still: conditional orthogonalisation, and its repetition on measured effects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from gdp.core.errors import ShapeError
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.pairs.records import Json


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
    found: dict[str, Json] = field(default_factory=dict)
    """Where it comes from: method, samples, seed, measured effects, or a public file's format and norm."""

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
