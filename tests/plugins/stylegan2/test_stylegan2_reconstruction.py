"""Training with known latents: the generator learns to draw a picture from the numbers that determine it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from gdp.core.errors import TrainingError
from gdp.core.interfaces.context import BuildContext
from gdp.plugins.faces import RenderedFacesConfig
from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.renderer import RenderedFaces
from gdp.plugins.stylegan2 import TrainingSettings
from gdp.plugins.stylegan2.training import train
from gdp.plugins.stylegan2.training_step import reconstruction_loss

pytestmark = pytest.mark.training

SETTINGS = {
    "images": 960,
    "batch": 8,
    "shards": 1,
    "precision": "float32",
    "z_dim": 8,
    "w_dim": 16,
    "mapping_layers": 2,
    "mapping_learning_rate_multiplier": 1.0,
    "channel_base": 128,
    "channel_max": 16,
    "noise": False,
    "statistics_every": 80,
    "learning_rate": 0.01,
}


@pytest.fixture(scope="module")
def plain_colours() -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (64, 3, 8, 8) uint8 of one colour each, and the three numbers that decide it."""
    latents = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    levels = (latents.clamp(-2, 2) + 2) / 4 * 255
    return levels.round().to(torch.uint8)[:, :, None, None].expand(64, 3, 8, 8).contiguous(), latents


def test_pictures_are_drawn_from_their_latents_and_the_game_joins_later(
    tmp_path: Path, plain_colours: tuple[torch.Tensor, torch.Tensor]
) -> None:
    images, latents = plain_colours
    settings = TrainingSettings(**SETTINGS, reconstruction_weight=10, reconstruction_images=800)
    train(images, settings, tmp_path, latents=latents)
    lines = [json.loads(line) for line in (tmp_path / "statistics.jsonl").read_text().splitlines()]
    alone = [line for line in lines if line["images"] <= 800]
    assert all("loss_discriminator" not in line for line in alone)
    assert all("loss_discriminator" in line for line in lines if line["images"] > 880)
    assert alone[-1]["reconstruction"] < 0.4 * alone[0]["reconstruction"]


def test_a_dataset_without_latents_is_refused(tmp_path: Path, plain_colours: tuple[torch.Tensor, torch.Tensor]) -> None:
    with pytest.raises(TrainingError, match="latents are known"):
        train(plain_colours[0], TrainingSettings(**SETTINGS, reconstruction_weight=1), tmp_path)


@pytest.mark.parametrize("wrong", [{"reconstruction_images": 8}, {"reconstruction_weight": 1.0, "mirror": True}])
def test_settings_that_contradict_each_other_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="reconstruction"):
        TrainingSettings.model_validate({**SETTINGS, **wrong})


def test_the_distance_of_equal_pictures_is_zero_and_of_a_shifted_one_the_shift() -> None:
    images = torch.rand(2, 3, 8, 8)
    assert reconstruction_loss(images, images).tolist() == [0, 0]
    assert reconstruction_loss(images, images + 0.25).tolist() == pytest.approx([0.25, 0.25])


def test_the_latents_of_rendered_faces_are_normal_and_decide_the_attributes() -> None:
    faces = RenderedFaces(RenderedFacesConfig(count=500, seed=3), BuildContext())
    latents = faces.latents(range(500))
    assert torch.equal(latents[[7, 400]], faces.latents([7, 400]))
    assert latents.mean(dim=0).abs().max() < 0.25
    assert (latents.std(dim=0) - 1).abs().max() < 0.2
    age = sample_attributes(3, range(500)).age
    assert torch.equal(age.argsort(), latents[:, 0].argsort()), "the first number decides the age"
