from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.renderer import render


def psnr(first: Tensor, second: Tensor) -> Tensor:
    """Decibels of each pair, for pictures in [-1, 1]."""
    return -10 * ((first - second) / 2).square().mean(dim=(1, 2, 3)).log10()


@pytest.mark.parametrize("resolution", [64, 128])
def test_pictures_are_float32_in_the_house_range(resolution):
    pictures = render(sample_attributes(1, range(6)), resolution)
    assert pictures.shape == (6, 3, resolution, resolution)
    assert pictures.dtype == torch.float32
    assert pictures.min() >= -1 and pictures.max() <= 1
    assert pictures.std() > 0.2


@pytest.mark.parametrize("resolution", [64, 128])
def test_a_face_has_the_same_bits_in_any_batch(resolution):
    faces = sample_attributes(1, range(40))
    together = render(faces, resolution)
    assert torch.equal(render(faces, resolution), together)
    for index in (0, 13, 39):
        assert torch.equal(render(faces[index], resolution)[0], together[index])
    assert torch.equal(render(faces[5:31], resolution), together[5:31])


def test_a_larger_picture_shows_the_same_face():
    faces = sample_attributes(1, range(32))
    shrunk = functional.avg_pool2d(render(faces, 128), 2)
    assert psnr(shrunk, render(faces, 64)).min() > 25


def test_no_faces_make_no_pictures():
    assert render(sample_attributes(1, range(0))).shape == (0, 3, 64, 64)


def test_thirty_years_are_clearly_visible():
    faces = sample_attributes(2, range(200))
    young = faces.with_age(6 + faces.age * 0.55)
    difference = psnr(render(young), render(young.older(30)))
    assert 18 < difference.mean() < 23
    assert difference.max() < 28


def test_ageing_goes_on_at_every_age():
    faces = sample_attributes(2, range(40))
    steps = [render(faces.with_age(float(age))) for age in range(10, 86, 5)]
    first = [psnr(steps[0], later).mean() for later in steps[1:]]
    assert all(nearer > farther for nearer, farther in pairwise(first))
    # Continuous: five years are a small change wherever they begin.
    assert min(psnr(one, other).mean() for one, other in pairwise(steps)) > 24


def test_ageing_leaves_the_background_alone():
    faces = sample_attributes(2, range(40))
    young, old = render(faces.with_age(20)), render(faces.with_age(80))
    assert torch.equal(young[..., :24, :3], old[..., :24, :3])
    assert torch.equal(young[..., :24, -3:], old[..., :24, -3:])


def test_ageing_greys_the_hair():
    faces = sample_attributes(2, range(60))
    dark = faces[faces.hair_colour <= 2]
    crown = (slice(None), slice(None), slice(6, 10), slice(28, 36))
    young, old = render(dark.with_age(20))[crown], render(dark.with_age(80))[crown]
    assert (old.mean(dim=(1, 2, 3)) > young.mean(dim=(1, 2, 3)) + 0.3).all()


@pytest.mark.parametrize("age", [10.0, 40.0, 80.0])
def test_skin_classes_stay_apart_at_every_age(age):
    faces = sample_attributes(2, range(40)).with_age(age)
    cheeks = [
        render(replace(faces, skin=torch.full_like(faces.skin, skin)))[:, :, 38:43, 24:40].mean(dim=(1, 2, 3))
        for skin in range(4)
    ]
    for lighter, darker in pairwise(cheeks):
        assert (lighter > darker + 0.1).all()


@pytest.mark.parametrize(("name", "value"), [("smile", 1.0), ("glasses", 1), ("hair_length", 2), ("yaw", 15.0)])
def test_every_attribute_shows(name, value):
    faces = replace(
        sample_attributes(2, range(20)), **{name: torch.zeros_like(getattr(sample_attributes(2, range(20)), name))}
    )
    changed = replace(faces, **{name: torch.full_like(getattr(faces, name), value)})
    assert psnr(render(faces), render(changed)).max() < 35
