"""Training with known latents: the generator learns to draw a picture from the numbers that determine it, and plays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from known_pictures import InterruptingProgress, KnownPictures
from pydantic import ValidationError

from gdp.core.errors import TrainingError
from gdp.core.interfaces.context import BuildContext
from gdp.core.progress import SilentProgress
from gdp.plugins.faces import RenderedFacesConfig
from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.renderer import RenderedFaces
from gdp.plugins.stylegan2 import TrainingSettings
from gdp.plugins.stylegan2.objectives import discriminator_loss, feature_distance
from gdp.plugins.stylegan2.training import _Training, train
from gdp.plugins.stylegan2.training_step import AdversarialStep, reconstruction_factor

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
    "path_length_weight": 0.0,
}
OBJECTIVE = {
    "feature_weight": 2.0,
    "l1_weight": 4.0,
    "adversarial_weight": 0.3,
    "free_share": 0.25,
    "style_mixing": 0.5,
    "truncated_share": 0.5,
}


@pytest.fixture(scope="module")
def plain_colours() -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (64, 3, 8, 8) uint8 of one colour each, and the three numbers that decide it."""
    latents = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    levels = (latents.clamp(-2, 2) + 2) / 4 * 255
    return levels.round().to(torch.uint8)[:, :, None, None].expand(64, 3, 8, 8).contiguous(), latents


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "statistics.jsonl").read_text().splitlines()]


def test_pictures_are_drawn_from_their_latents_beside_the_game_and_so_are_unseen_ones(
    tmp_path: Path, plain_colours: tuple[torch.Tensor, torch.Tensor]
) -> None:
    settings = TrainingSettings(**SETTINGS, **OBJECTIVE, samples_every=480)
    pictures = KnownPictures(*plain_colours, memory=1)
    train(pictures, settings, tmp_path, SilentProgress())
    told = [line for line in lines(tmp_path) if "loss_generator" in line]
    assert all({"loss_discriminator", "feature_distance", "l1"} <= line.keys() for line in told)
    assert told[-1]["l1"] < 0.5 * told[0]["l1"]
    held_out = [line["held_out_l1"] for line in lines(tmp_path) if "held_out_l1" in line]
    assert len(held_out) == 2
    assert held_out[-1] < 0.5 * told[0]["l1"]


def test_held_out_pictures_are_never_trained_on(
    tmp_path: Path, plain_colours: tuple[torch.Tensor, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[int] = set()
    load = _Training._load
    monkeypatch.setattr(_Training, "_load", lambda self, indices: seen.update(indices) or load(self, indices))
    settings = TrainingSettings(**{**SETTINGS, "images": 200}, **OBJECTIVE, held_out=4)
    train(KnownPictures(*plain_colours, memory=1), settings, tmp_path, SilentProgress())
    assert seen == set(range(60))


def test_an_interrupted_training_of_this_kind_ends_in_the_same_bits(
    tmp_path: Path, plain_colours: tuple[torch.Tensor, torch.Tensor]
) -> None:
    falls = {"reconstruction_falls": (16, 48), "reconstruction_floor": 0.2, "learning_rate_end": 0.1}
    short = {**SETTINGS, "images": 64, "shards": 2, "batch": 16, "checkpoint_every": 32}
    settings = TrainingSettings(**short, **OBJECTIVE, **falls)
    pictures = KnownPictures(*plain_colours)
    whole = train(pictures, settings, tmp_path / "whole", SilentProgress())
    with pytest.raises(KeyboardInterrupt):
        train(pictures, settings, tmp_path / "broken", InterruptingProgress(48))
    broken = train(pictures, settings, tmp_path / "broken", SilentProgress())
    assert broken.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("objective", [{}, OBJECTIVE])
def test_the_discriminator_looks_at_each_picture_once_and_learns_what_two_looks_would_teach(
    objective: dict[str, float], plain_colours: tuple[torch.Tensor, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = AdversarialStep(TrainingSettings(**SETTINGS, **objective), 8)
    step._rates = [0.0, 0.0]  # weights that stay what they are, so that the looks can be repeated
    looks: list[torch.Tensor] = []
    look = step.discriminator.features

    def counted(images: torch.Tensor, *rest: torch.dtype) -> list[torch.Tensor]:
        looks.append(images.detach())
        return look(images, *rest)

    monkeypatch.setattr(step.discriminator, "features", counted)
    real = plain_colours[0][:8] / 127.5 - 1
    step.run(real, 1, plain_colours[1][:8] if objective else None)  # one without R1
    step.close()
    fake, seen = looks
    assert torch.equal(seen, real)
    loss = discriminator_loss(step.discriminator(real), step.discriminator(fake)).mean()
    gradients = torch.autograd.grad(loss, list(step.discriminator.parameters()))
    assert all(
        torch.equal(*both) for both in zip((p.grad for p in step.discriminator.parameters()), gradients, strict=True)
    )


def test_the_weight_of_the_reconstruction_falls_to_its_floor_between_two_numbers_of_pictures() -> None:
    falling = TrainingSettings(l1_weight=1, reconstruction_falls=(100, 300), reconstruction_floor=0.2)
    assert [reconstruction_factor(falling, seen) for seen in (0, 100, 200, 300, 999)] == pytest.approx(
        [1, 1, 0.6, 0.2, 0.2]
    )
    assert reconstruction_factor(TrainingSettings(l1_weight=1), 10**9) == 1


def test_a_share_of_the_batch_is_drawn_freely_mixed_and_truncated() -> None:
    settings = TrainingSettings(
        **SETTINGS, l1_weight=1, free_share=0.5, style_mixing=1, truncated_share=0.5, lowest_truncation=0.25
    )
    step = AdversarialStep(settings, 8)
    step.generator.requires_grad_(False)
    step.close()
    step._random = step._choices = [torch.Generator().manual_seed(0)]
    known = torch.randn(400, 3)
    ws, mean, count = step._all_latents(400, 0, known)
    assert (ws.shape, count) == ((400, step.generator.num_ws, 16), 200)
    assert mean.shape == (16,)
    assert torch.equal(ws[:200], ws[:200, :1].expand_as(ws[:200])), "a picture's own latent is neither mixed nor pulled"
    assert not torch.equal(ws[200:, 0], ws[200:, -1])
    step._random = step._choices = [torch.Generator().manual_seed(0)]
    plain = AdversarialStep(settings.model_copy(update={"truncated_share": 0.0}), 8)
    plain.generator.requires_grad_(False)
    plain.close()
    plain._random = plain._choices = [torch.Generator().manual_seed(0)]
    psi = (ws[200:] / plain._all_latents(400, 0, known)[0][200:])[:, 0, 0]  # the mean w is still zero
    pulled = psi[psi < 0.999]
    assert 0.35 < len(pulled) / 200 < 0.65
    assert 0.25 <= float(pulled.min()) < 0.35
    assert 0.9 < float(pulled.max()) < 1


def test_a_dataset_without_latents_is_refused(tmp_path: Path, plain_colours: tuple[torch.Tensor, torch.Tensor]) -> None:
    with pytest.raises(TrainingError, match="latents are known"):
        train(KnownPictures(plain_colours[0]), TrainingSettings(**SETTINGS, l1_weight=1), tmp_path, SilentProgress())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"l1_weight": 1.0, "mirror": True}, "mirrored picture has another latent"),
        ({"free_share": 0.5}, "need a feature_weight or an l1_weight"),
        ({"l1_weight": 1.0, "reconstruction_falls": (300, 100)}, "the smaller one first"),
        ({"reconstruction_weight": 20, "reconstruction_images": 100}, "set feature_weight and l1_weight"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TrainingSettings.model_validate({**SETTINGS, **wrong})


def test_the_distance_of_features_is_a_share_of_their_size() -> None:
    features = [torch.full((2, 3, 4, 4), 2.0), torch.full((2, 5, 2, 2), -4.0)]
    assert float(feature_distance(features, features)) == 0
    assert float(feature_distance([each + 1 for each in features], features)) == pytest.approx((1 / 2 + 1 / 4) / 2)


def test_the_latents_of_rendered_faces_are_normal_and_decide_the_attributes() -> None:
    faces = RenderedFaces(RenderedFacesConfig(count=500, seed=3), BuildContext())
    latents = faces.latents(range(500))
    assert torch.equal(latents[[7, 400]], faces.latents([7, 400]))
    assert latents.mean(dim=0).abs().max() < 0.25
    assert (latents.std(dim=0) - 1).abs().max() < 0.2
    age = sample_attributes(3, range(500)).age
    assert torch.equal(age.argsort(), latents[:, 0].argsort()), "the first number decides the age"
