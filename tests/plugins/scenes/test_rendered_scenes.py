"""The dataset `rendered-scenes`: unpaired to train on, paired to measure with."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations
from typing import get_args

import pytest
import torch
from pydantic import ValidationError

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.datasets import Part
from gdp.plugins.scenes import RenderedScenesConfig
from gdp.plugins.scenes.parameters import sample_scenes
from gdp.plugins.scenes.renderer import RenderedScenes, render

PARTS: tuple[Part, ...] = get_args(Part)


def dataset(**settings: int) -> RenderedScenes:
    return RenderedScenes(RenderedScenesConfig(**({"train_count": 24, "test_count": 10} | settings)), BuildContext())


def test_every_part_has_its_count_of_uint8_pictures():
    scenes = dataset(resolution=32)
    assert scenes.resolution == 32
    for part in PARTS:
        count = scenes.count(part)
        assert count == (24 if part.startswith("train") else 10)
        pictures = scenes.images(part, range(count))
        assert pictures.shape == (count, 3, 32, 32)
        assert pictures.dtype == torch.uint8


def test_a_picture_is_the_same_whenever_it_is_asked_for():
    first, second = dataset(), dataset()
    together = first.images("trainB", range(24))
    assert torch.equal(second.images("trainB", [5, 20, 5]), together[[5, 20, 5]])
    assert torch.equal(first.images("trainB", [3]), together[[3]])
    assert torch.equal(second.images("trainB", [-1]), together[[23]])
    assert not torch.equal(dataset(seed=1).images("trainB", range(24)), together)


def test_no_scene_is_in_two_parts():
    scenes = dataset(train_count=40, test_count=40)
    photos = {
        part: (scenes.images if part.endswith("A") else scenes.truth)(part, range(40)).float().flatten(1)
        for part in PARTS
    }
    for first, second in combinations(PARTS, 2):
        assert torch.cdist(photos[first], photos[second]).min() > 500


def test_truth_is_the_same_scene_in_the_other_look():
    scenes = dataset()
    photos = render(sample_scenes(0, torch.tensor([3, 1])), "photo")
    paintings = render(sample_scenes(0, torch.tensor([3, 1])), "painting")
    for actual, expected in (
        (scenes.images("trainA", [3, 1]), photos),
        (scenes.truth("trainA", [3, 1]), paintings),
    ):
        assert torch.equal(actual, (expected + 1).mul(127.5).round().to(torch.uint8))
    assert not torch.equal(scenes.truth("testB", [0]), scenes.images("testB", [0]))


def test_an_index_beyond_the_part_is_refused():
    scenes = dataset()
    for method in (scenes.images, scenes.truth):
        with pytest.raises(IndexError):
            method("testA", [10])


def test_the_fingerprint_follows_the_settings():
    assert dataset().fingerprint == dataset().fingerprint
    assert len({dataset().fingerprint, dataset(seed=1).fingerprint, dataset(resolution=32).fingerprint}) == 3


@pytest.mark.parametrize(
    "setting", [{"resolution": 31}, {"resolution": 513}, {"train_count": 0}, {"test_count": 0}, {"counts": 3}]
)
def test_settings_out_of_bounds_are_refused(setting):
    with pytest.raises(ValidationError):
        RenderedScenesConfig(**setting)


@pytest.mark.process
def test_importing_the_plugin_imports_no_torch():
    code = "import sys, gdp.plugins.scenes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
