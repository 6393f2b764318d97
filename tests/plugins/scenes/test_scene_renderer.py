"""Rendered scenes: the same scene for ever, in two looks that share their geometry."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gdp.plugins.scenes.parameters import RANGES, sample_scenes
from gdp.plugins.scenes.renderer import Look, render

LOOKS: tuple[Look, ...] = ("photo", "painting")


def psnr(first: Tensor, second: Tensor) -> Tensor:
    """Decibels of each pair, for pictures in [-1, 1]."""
    return -10 * ((first - second) / 2).square().mean(dim=(1, 2, 3)).log10()


def edges(pictures: Tensor) -> Tensor:
    """How much brightness changes at each pixel, (N, pixels), of mean 0 and length 1."""
    luminance = functional.avg_pool2d(pictures.mean(dim=1, keepdim=True), 3, stride=1)
    across, down = luminance.diff(dim=3)[:, :, 1:], luminance.diff(dim=2)[..., 1:]
    strength = (across.square() + down.square()).sqrt().flatten(1)
    return functional.normalize(strength - strength.mean(dim=1, keepdim=True), dim=1)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("resolution", [32, 64, 100])
def test_pictures_are_float32_in_the_house_range(look, resolution):
    pictures = render(sample_scenes(1, range(6)), look, resolution)
    assert pictures.shape == (6, 3, resolution, resolution)
    assert pictures.dtype == torch.float32
    assert pictures.min() >= -1 and pictures.max() <= 1
    assert pictures.std() > 0.2


@pytest.mark.parametrize("look", LOOKS)
def test_a_scene_has_the_same_bits_in_any_batch(look):
    together = render(sample_scenes(3, range(40)), look)
    for indices in (range(1), range(39, 40), range(7, 40)):
        assert torch.equal(render(sample_scenes(3, indices), look), together[list(indices)])


def test_every_seed_and_every_number_gives_another_scene():
    tables = torch.cat([sample_scenes(seed, range(50)).table for seed in (0, 1, -1)])
    assert len(tables.unique(dim=0)) == 150


def test_the_numbers_of_scenes_are_uniform_and_independent():
    table = sample_scenes(5, range(4000)).table
    assert table.min() >= 0 and table.max() < 1
    assert (table.mean(dim=0) - 0.5).abs().max() < 0.02
    correlation = torch.corrcoef(table.T) - torch.eye(len(RANGES))
    assert correlation.abs().max() < 0.08


def test_the_looks_differ_clearly():
    scenes = sample_scenes(2, range(64))
    assert psnr(render(scenes, "photo"), render(scenes, "painting")).mean() < 19


def test_a_painting_has_its_photos_geometry_and_no_other_photos():
    scenes = sample_scenes(4, range(48))
    agreement = edges(render(scenes, "painting")) @ edges(render(scenes, "photo")).T
    own = agreement.diagonal()
    others = (agreement.sum(dim=1) - own) / (len(scenes) - 1)
    assert own.mean() > 0.55
    assert (own > others + 0.15).all()
    assert agreement.argmax(dim=1).eq(torch.arange(len(scenes))).all()


def test_darker_stays_darker_in_the_painting():
    scenes = sample_scenes(6, range(48))
    photo, painting = (
        functional.avg_pool2d(render(scenes, look).mean(dim=1, keepdim=True), 8).flatten(1) for look in LOOKS
    )
    together = torch.stack([photo, painting])
    correlation = torch.stack([torch.corrcoef(together[:, number])[0, 1] for number in range(len(scenes))])
    assert correlation.mean() > 0.75


@pytest.mark.parametrize("look", LOOKS)
def test_a_scene_is_the_same_at_any_resolution(look):
    scenes = sample_scenes(7, range(16))
    fine = functional.avg_pool2d(render(scenes, look, 128), 2)
    assert psnr(fine, render(scenes, look, 64)).mean() > 30


def test_all_kinds_of_scenes_occur():
    scenes = sample_scenes(8, range(400))
    for name, threshold in (("water", 0.5), ("house", 0.4), ("daytime", 0.9), ("season", 0.8)):
        share = (scenes.number(name) < threshold).float().mean()
        assert abs(share - threshold) < 0.1
    assert scenes.number("ranges").floor().unique().tolist() == [1, 2, 3]
    assert scenes.number("tree_count").floor().unique().tolist() == list(range(7))
