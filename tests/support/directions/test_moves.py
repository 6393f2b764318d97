"""How far a direction goes: by deviations and by published factors, which are the same thing in two units."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import torch
from gaussian_teacher import GaussianTeacher, decaying
from torch import Tensor

from gdp.core.errors import ShapeError
from gdp.support.directions import Direction, plan_move, read_direction, sample_w, save_direction

WIDTH, COUNT = 32, 6


@pytest.fixture(scope="module")
def teacher() -> GaussianTeacher:
    return GaussianTeacher(decaying(WIDTH), COUNT)


def rows(count: int = 1, norm: float = 0.731) -> Tensor:
    made = torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    return norm * made / made.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("norm", [1.0, 0.731, 4.2426])
def test_a_published_factor_adds_the_files_vector_that_many_times(
    norm: float, teacher: GaussianTeacher, tmp_path: Path
) -> None:
    numpy.save(tmp_path / "age.npy", rows(norm=norm).numpy())
    move = plan_move(read_direction(tmp_path / "age.npy"), teacher, sample_w(teacher), 3.0, published=True)
    torch.testing.assert_close(move.displacement, 3 * rows(norm=norm).float().expand(COUNT, WIDTH))
    assert move.length == pytest.approx(3 * norm, rel=1e-5)
    assert move.moved == COUNT


def test_a_row_for_each_w_is_added_as_it_is(teacher: GaussianTeacher, tmp_path: Path) -> None:
    uneven = rows(COUNT) * torch.linspace(0.0, 1.0, COUNT, dtype=torch.float64)[:, None]  # the first row is 0
    numpy.save(tmp_path / "nose.npy", uneven[None].numpy())
    direction = read_direction(tmp_path / "nose.npy")
    move = plan_move(direction, teacher, sample_w(teacher), -20.0, [0, 2, 5], published=True)
    expected = torch.zeros(COUNT, WIDTH)
    expected[[0, 2, 5]] = -20 * uneven[[0, 2, 5]].float()
    torch.testing.assert_close(move.displacement, expected)


def test_ganspaces_sigma_is_a_published_factor_and_a_strength(teacher: GaussianTeacher, tmp_path: Path) -> None:
    axes = decaying(WIDTH)
    deviations, components = axes.norm(dim=1), axes / axes.norm(dim=1, keepdim=True)
    held = {"mean": torch.zeros(1, WIDTH), "comp": components[:, None].float(), "std": deviations.float()}
    torch.save(held, tmp_path / "pca.pt")
    numpy.savez(tmp_path / "pca.npz", lat_comp=held["comp"].numpy(), lat_stdev=held["std"].numpy(), lat_mean=[0.0])
    for name in ("pca.pt", "pca.npz"):
        direction = read_direction(tmp_path / name, 3)
        move = plan_move(direction, teacher, sample_w(teacher), 2.0, [1, 2], published=True)
        torch.testing.assert_close(move.displacement[1], (2 * axes[3]).float(), rtol=1e-4, atol=1e-5)
        assert move.displacement[0].abs().max() == 0
        assert move.strength == pytest.approx(2.0, rel=1e-4)
        assert "(sigma)" in move.describe()


def test_sefas_factor_counts_unit_eigenvectors(teacher: GaussianTeacher, tmp_path: Path) -> None:
    vectors, _ = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(1)))
    torch.save({"ckpt": "550000.pt", "eigvec": vectors}, tmp_path / "factor.pt")
    direction = read_direction(tmp_path / "factor.pt", 2)
    assert (direction.name, direction.space) == ("factor-2", "w")
    move = plan_move(direction, teacher, sample_w(teacher), 5.0, published=True)
    torch.testing.assert_close(move.displacement[0], 5 * vectors[:, 2])


def test_both_units_say_the_same(teacher: GaussianTeacher, tmp_path: Path) -> None:
    numpy.save(tmp_path / "age.npy", rows().numpy())
    direction, w = read_direction(tmp_path / "age.npy"), sample_w(teacher)
    published = plan_move(direction, teacher, w, 3.0, published=True)
    back = plan_move(direction, teacher, w, published.strength)
    torch.testing.assert_close(back.displacement, published.displacement)
    assert back.published == pytest.approx(3.0)
    torch.testing.assert_close(direction.displacement(teacher, 1.5), plan_move(direction, teacher, w, 1.5).displacement)
    spread = float((w @ (rows()[0] / rows()[0].norm())).std())
    assert published.deviation == pytest.approx(spread, rel=1e-5)
    assert published.strength == pytest.approx(3 * 0.731 / spread, rel=1e-5)


def test_a_converted_file_keeps_the_published_unit(teacher: GaussianTeacher, tmp_path: Path) -> None:
    numpy.save(tmp_path / "age.npy", rows().numpy())
    save_direction(read_direction(tmp_path / "age.npy"), tmp_path / "age.safetensors")
    found = [
        plan_move(read_direction(tmp_path / name), teacher, sample_w(teacher), 3.0, published=True).displacement
        for name in ("age.npy", "age.safetensors")
    ]
    torch.testing.assert_close(*found)


def test_a_files_own_scale_is_told_beside_what_is_measured(teacher: GaussianTeacher) -> None:
    move = plan_move(Direction("tilt", rows(norm=1.0).float(), scale=100.0), teacher, sample_w(teacher), 2.0)
    assert move.length == pytest.approx(200.0, rel=1e-5)
    assert move.to_data()["scale"] == 100.0
    assert move.to_data()["deviation"] < 10
    assert "by its file; measured" in move.describe()


def test_what_does_not_fit_is_refused(teacher: GaussianTeacher) -> None:
    w = sample_w(teacher)
    with pytest.raises(ShapeError, match="no layer 6"):
        plan_move(Direction("tilt", rows().float()), teacher, w, 1.0, [6], published=True)
    still = torch.zeros_like(w)
    with pytest.raises(ShapeError, match="w does not vary along it"):
        plan_move(Direction("tilt", rows().float()), teacher, still, 1.0, published=True)
    with pytest.raises(ShapeError, match=r"has 2 rows of 32 numbers; the teacher takes 6 w's"):
        plan_move(Direction("tilt", rows(2).float()), teacher, w, 1.0, published=True)
