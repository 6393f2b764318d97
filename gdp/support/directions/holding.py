"""Holding scores still: what is taken out of a direction, by theory and by what it is measured to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

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
