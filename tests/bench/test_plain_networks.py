"""The plain networks are gdp's: the same weights load, and the same pictures come out."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import torch
from plain import cyclegan, pix2pixhd
from plain.stylegan2_training import build_discriminator, build_generator
from torch import Tensor, nn

from gdp.plugins.pix2pixhd.networks import GlobalGenerator, MultiscaleDiscriminator
from gdp.plugins.resnet.networks import GeneratorChannels, PatchDiscriminator, ResnetGenerator
from gdp.plugins.stylegan2 import TrainingSettings
from gdp.plugins.stylegan2.training_step import build_networks

TOLERANCE = 1e-4


@pytest.fixture(autouse=True)
def seeded_and_without_gradients() -> Iterator[None]:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(3)
        yield


def moved(network: nn.Module, by: float = 0.02) -> nn.Module:
    """Give biases and noise strengths, which begin at 0, values that would be missed."""
    for name, weight in network.named_parameters():
        if name.endswith(("bias", "noise_strength")):
            weight.add_(torch.randn_like(weight), alpha=by)
    return network


def pictures(size: int, channels: int = 3, count: int = 1) -> Tensor:
    return torch.rand(count, channels, size, size) * 2 - 1


def assert_near(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= TOLERANCE * max(1.0, float(ours.abs().max()))


def test_stylegan2_gives_gdps_pictures_logits_and_latents() -> None:
    settings = TrainingSettings(z_dim=8, w_dim=12, mapping_layers=2, channel_base=128, channel_max=16, noise=False)
    generator, discriminator = build_networks(settings, 16)
    moved(generator, by=0.3), moved(discriminator, by=0.3)
    plain = build_generator(settings, generator.state_dict())
    judge = build_discriminator(settings, discriminator.state_dict())
    z = torch.randn(8, 8)
    ws = generator.mapping(z)
    assert_near(ws, plain.mapping(z))
    ws = torch.cat([ws[:, :3], ws[:, 3:].flip(0)], dim=1)  # every layer must take its own
    fake = generator.synthesis(ws, "none")
    assert_near(fake, plain.synthesis(ws, noise=False))
    assert_near(discriminator(fake), judge(fake))


def test_stylegan2_adds_noise_of_the_learned_strength() -> None:
    settings = TrainingSettings(z_dim=8, w_dim=12, mapping_layers=2, channel_base=128, channel_max=16)
    generator, _ = build_networks(settings, 16)
    plain = build_generator(settings, generator.state_dict())
    ws = torch.randn(2, plain.synthesis.num_ws, 12)
    assert torch.equal(plain.synthesis(ws, noise=True), plain.synthesis(ws, noise=False))
    moved(plain, by=0.3)
    assert not torch.allclose(plain.synthesis(ws, noise=True), plain.synthesis(ws, noise=False))


def test_pix2pixhd_gives_gdps_pictures_and_judgements() -> None:
    ours, judge = moved(GlobalGenerator(width=4)), moved(MultiscaleDiscriminator(width=4))
    plain, plain_judge = pix2pixhd.GlobalGenerator(width=4), pix2pixhd.MultiscaleDiscriminator(width=4)
    plain.load_state_dict(ours.state_dict())
    plain_judge.load_state_dict(judge.state_dict())
    x, both = pictures(32), pictures(32, channels=6)
    assert_near(ours(x), plain(x))
    for scale, plain_scale in zip(judge(both), plain_judge(both), strict=True):
        for feature, plain_feature in zip(scale, plain_scale, strict=True):
            assert_near(feature, plain_feature)


def test_cyclegan_gives_gdps_pictures_and_logits() -> None:
    ours, judge = moved(ResnetGenerator(GeneratorChannels.uniform(4, 9))), moved(PatchDiscriminator(width=4))
    plain, plain_judge = cyclegan.Generator(width=4), cyclegan.PatchDiscriminator(width=4)
    plain.load_state_dict(ours.state_dict())
    plain_judge.load_state_dict(judge.state_dict())
    x = pictures(32)
    assert_near(ours(x), plain(x))
    assert_near(judge(x)[0][-1], plain_judge(x))


def test_published_networks_have_their_published_number_of_parameters() -> None:
    with torch.device("meta"):
        global_generator, resnet = pix2pixhd.GlobalGenerator(), cyclegan.Generator()
    assert sum(weight.numel() for weight in global_generator.parameters()) == 182_443_267
    assert sum(weight.numel() for weight in resnet.parameters()) == 11_378_179


def test_image_pool_shows_what_it_is_given_until_it_is_full_and_then_half_of_the_time_an_earlier_picture() -> None:
    random.seed(3)
    pool = cyclegan.ImagePool(2)
    first, second = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    assert torch.equal(pool.query(first), first)
    assert torch.equal(pool.query(second), second)
    shown = [float(pool.query(torch.full((1, 3, 2, 2), float(number))).mean()) for number in range(2, 42)]
    earlier = sum(value < number for number, value in enumerate(shown, start=2))
    assert 8 <= earlier <= 32
