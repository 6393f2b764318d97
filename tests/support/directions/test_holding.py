"""Holding other scores still: by orthogonalisation, and by what directions are measured to do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gdp.support.directions import hold_by_effects, project_out, project_out_of_spread


def vectors(count: int, width: int = 12, seed: int = 0) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(width, generator=random, dtype=torch.float64) for _ in range(count)]


def test_what_is_projected_out_is_orthogonal_to_every_normal_though_these_are_not_to_each_other() -> None:
    direction, *normals = vectors(4)
    held = project_out(direction, normals)
    assert torch.stack(normals).mv(held).abs().max() < 1e-12
    torch.testing.assert_close(project_out(held, normals), held)
    assert project_out(direction, []) is direction


def test_in_units_of_spread_too_the_result_is_orthogonal_and_nearest() -> None:
    direction, *normals = vectors(3)
    root = torch.stack(vectors(12, seed=5))
    covariance = root @ root.T
    held = project_out_of_spread(direction, normals, covariance)
    assert torch.stack(normals).mv(held).abs().max() < 1e-9
    inverse = torch.linalg.inv(covariance)

    def distance(vector: Tensor) -> float:
        return float((vector - direction) @ inverse @ (vector - direction))

    assert distance(held) < distance(project_out(direction, normals))


def tangled(moves: Tensor) -> Tensor:
    """Effects of two scores that share a number of w and bend: no projection of normals holds one of them still."""
    first = torch.tanh(moves[:, 0] + 0.8 * moves[:, 1])
    second = torch.tanh(0.5 * moves[:, 0] - moves[:, 1] + 0.3 * moves[:, 0] ** 3)
    return torch.stack([first, second], dim=1)


def test_mixing_by_measured_effects_holds_what_bends() -> None:
    moves = torch.eye(2, 6, dtype=torch.float64)

    def unit(mixed: Tensor) -> Tensor:
        return mixed / mixed.norm(dim=1, keepdim=True)

    best, leaks = hold_by_effects(moves, tangled, unit, rounds=6)
    effects = tangled(best)
    assert leaks[0].max() > 0.5
    assert effects.diagonal().min() > 0.3
    assert abs(effects[0, 1]) < 0.05 * effects[0, 0]
    assert abs(effects[1, 0]) < 0.05 * effects[1, 1]
    unchanged, _ = hold_by_effects(moves, tangled, unit, rounds=0)
    torch.testing.assert_close(unchanged, moves)


def test_a_direction_that_moves_nothing_is_not_taken_for_a_still_one() -> None:
    def effects(moves: Tensor) -> Tensor:
        return torch.stack([moves[:, 0], 0.5 * moves[:, 0]], dim=1)  # the two scores are one

    best, leaks = hold_by_effects(torch.eye(2, 3, dtype=torch.float64), effects, lambda moves: moves, rounds=2)
    assert best[0, 0] == pytest.approx(1.0)
    assert leaks[0, 0] == pytest.approx(0.5)
