"""Where a direction belongs, as far as it can be known: by its file, its name, and w's variance along it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from gaussian_teacher import REAL, GaussianTeacher, decaying, like_ffhq

from gdp.support.directions import (
    BELONGS,
    Direction,
    chance_deviations,
    normalised,
    origin_by_name,
    public_direction,
    read_direction,
    sample_w,
    scale_over,
    trace_origin,
)

needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the folder of public directions is not here")


@pytest.fixture(scope="module")
def teacher() -> GaussianTeacher:
    return GaussianTeacher(decaying(64))


def test_random_vectors_lie_at_chance_and_what_varies_in_w_far_above(teacher: GaussianTeacher) -> None:
    w = sample_w(teacher)
    random = torch.randn(300, 64, generator=torch.Generator().manual_seed(2))
    counted = torch.tensor([chance_deviations(w, vector) for vector in random])
    assert abs(float(counted.mean())) < 0.2
    assert float(counted.std()) == pytest.approx(1.0, abs=0.12)
    axes = decaying(64)
    assert chance_deviations(w, axes[0]) > BELONGS
    assert chance_deviations(w, axes[-1]) < -BELONGS
    assert chance_deviations(w, 7 * axes[0]) == pytest.approx(chance_deviations(w, -axes[0]), rel=1e-6)


def test_a_w_that_varies_alike_everywhere_tells_nothing() -> None:
    even = torch.eye(8, dtype=torch.float64).repeat(500, 1)
    signs = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat_interleave(2000)[:, None]
    assert abs(chance_deviations(even * signs, torch.arange(8.0))) < BELONGS


@pytest.mark.parametrize(
    ("name", "in_z"),
    [
        ("pggan_celebahq_age_boundary", True),
        ("pggan_celebahq_age_c_gender_boundary", True),
        ("stylegan_ffhq_age_boundary", True),
        ("stylegan_ffhq_age_w_boundary", False),
        ("age_z_boundary", True),
        ("age", False),
        ("boundary", False),
        ("stylegan2_age", False),
        ("rotate_z", False),
    ],
)
def test_names_of_boundaries_in_z_are_known(name: str, in_z: bool, teacher: GaussianTeacher) -> None:
    direction = public_direction(name, decaying(64)[0], "npy")
    assert bool(origin_by_name(direction)) == in_z
    assert trace_origin(direction, teacher, sample_w(teacher)).fits != in_z, "it is this w's widest component"
    whole = public_direction(name, decaying(64)[0].expand(6, 64), "npy")
    assert not origin_by_name(whole), "z has one row"


def origin(direction: Direction, teacher: GaussianTeacher) -> tuple[bool, str]:
    found = trace_origin(direction, teacher, sample_w(teacher))
    return found.fits, found.words


def test_a_row_of_unknown_origin_is_taken_only_where_w_varies_along_it(teacher: GaussianTeacher) -> None:
    chance = torch.randn(64, generator=torch.Generator().manual_seed(3))
    own, other = public_direction("age", decaying(64)[1], "npy"), public_direction("age", chance, "npy")
    assert origin(own, teacher)[0]
    fits, words = origin(other, teacher)
    assert not fits
    assert "says neither w nor z and no generator" in words
    assert "above chance" in words or "below chance" in words


def test_what_a_file_says_decides(teacher: GaussianTeacher) -> None:
    chance = normalised(torch.randn(1, 64, generator=torch.Generator().manual_seed(3)))
    assert origin(Direction("tilt", chance), teacher)[0], "gdp's own files are in w"
    assert origin(Direction("tilt", chance, teacher=teacher.fingerprint), teacher) == (
        True,
        "it was found on this teacher",
    )
    fits, words = origin(Direction("tilt", chance, teacher="ab" * 32), teacher)
    assert not fits
    assert "found on another teacher (abababababab)" in words
    fits, words = origin(Direction("tilt", normalised(decaying(64)[:1]), teacher="ab" * 32), teacher)
    assert fits, "a teacher that was fine-tuned from it, say"
    assert "found on another teacher (abababababab), yet" in words
    fits, words = origin(Direction("tilt", normalised(decaying(64)[:1]), space="z"), teacher)
    assert not fits
    assert "direction in z" in words


def test_a_row_for_each_w_is_no_boundary_in_z(teacher: GaussianTeacher) -> None:
    chance = torch.randn(6, 64, generator=torch.Generator().manual_seed(3))
    for rows in (chance, chance[:1].expand(6, 64)):
        fits, words = origin(public_direction("nose", rows, "npy"), teacher)
        assert fits
        assert "no generator is told" in words
    different = Direction("nose", normalised(chance), teacher="ab" * 32)
    assert not origin(different, teacher)[0], "but one that names another teacher is asked about"


def test_components_of_another_generator_are_known_by_their_own_spread(teacher: GaussianTeacher) -> None:
    axes = decaying(64)
    spread = float(axes[4].norm())

    def component(scale: float) -> Direction:
        return Direction("pca-4", normalised(axes[4:5]), scale, found={"format": "ganspace", "norm": 1.0})

    assert origin(component(spread), teacher)[0]
    fits, words = origin(component(2 * spread), teacher)
    assert not fits
    assert "component of another generator's w" in words
    chance = normalised(torch.randn(1, 64, generator=torch.Generator().manual_seed(3)))
    alike = Direction("pca-4", chance, scale_over(sample_w(teacher), chance), found={"format": "ganspace"})
    assert not origin(alike, teacher)[0], "the same spread by chance"


@needs_real
def test_public_directions_are_told_from_boundaries_in_z_and_those_of_other_generators() -> None:
    teacher = like_ffhq()
    w = sample_w(teacher)
    own = [*(REAL / "e4e" / f"{name}.pt" for name in ("age", "pose", "smile"))]
    own += sorted((REAL / "seeprettyface_NC").glob("*.npy"))
    others = sorted((REAL / "interfacegan").glob("*.npy"))
    assert (len(own), len(others)) == (7, 39)
    for path in own:
        origin = trace_origin(read_direction(path), teacher, w)
        assert origin.fits, path
        assert origin.deviations is not None
        assert origin.deviations > BELONGS + 0.5, path
    for path in others:
        named = read_direction(path)
        assert bool(origin_by_name(named)) == ("_w_" not in path.name)
        origin = trace_origin(public_direction("age", named.vectors, "npy"), teacher, w)
        assert not origin.fits, f"{path} without its name"
        assert origin.deviations is not None
        assert origin.deviations < BELONGS - 0.5, path


@needs_real
def test_ganspaces_published_components_and_w_plus_files_are_taken() -> None:
    teacher = like_ffhq()
    w = sample_w(teacher)
    for number in (0, 9, 54, 79):
        assert trace_origin(read_direction(REAL / "e4e" / "ffhq_pca.pt", number), teacher, w).fits
    files: list[Path] = sorted((REAL / "agiardina").glob("*.npy"))
    assert len(files) == 6
    for path in files:
        assert trace_origin(read_direction(path), teacher, w).fits
