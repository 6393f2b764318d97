"""A training goes on from given networks, wider ones as the same function, and says what does not fit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from known_pictures import InterruptingProgress, KnownPictures
from safetensors.torch import load_file, save_file
from torch import Tensor

from gdp.core.errors import CorruptFileError, MissingResourceError, ShapeError, TrainingError
from gdp.core.progress import SilentProgress
from gdp.plugins.stylegan2 import TrainingSettings
from gdp.plugins.stylegan2.loading import load_discriminator, load_generator
from gdp.plugins.stylegan2.starting import read_given
from gdp.plugins.stylegan2.training import train
from gdp.plugins.stylegan2.training_step import AdversarialStep, build_networks

pytestmark = pytest.mark.training

SIZES: dict[str, Any] = {
    "z_dim": 8, "w_dim": 12, "mapping_layers": 2, "mapping_learning_rate_multiplier": 0.5,
    "channel_base": 128, "channel_max": 8,
}  # fmt: skip
TRAINING: dict[str, Any] = {
    **SIZES, "images": 16, "batch": 8, "shards": 1, "precision": "float32", "device": "cpu",
    "checkpoint_every": 8, "samples_every": 1000, "statistics_every": 8,
}  # fmt: skip
SIZE = 16
PICTURES = torch.randint(0, 256, (16, 3, SIZE, SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def random_numbers(network: torch.nn.Module) -> dict[str, Tensor]:
    """Return tensors none of which is zero, unlike fresh ones."""
    random = torch.Generator().manual_seed(3)
    return {
        name: tensor + 0.2 * torch.randn(tensor.shape, generator=random) * (not name.endswith("resample_filter"))
        for name, tensor in network.state_dict().items()
    }


@pytest.fixture
def given(tmp_path: Path) -> Path:
    generator, discriminator = build_networks(TrainingSettings(**SIZES), SIZE)
    metadata = {"mapping_learning_rate_multiplier": "0.5"}
    save_file(random_numbers(generator), tmp_path / "small.safetensors", metadata)
    save_file(random_numbers(discriminator), tmp_path / "small.discriminator.safetensors")
    return tmp_path / "small.safetensors"


def begun(weights: Path | str, **changes: Any) -> AdversarialStep:
    settings = TrainingSettings(**{**TRAINING, **changes})
    networks = read_given(weights, SilentProgress())
    networks.require_fit(settings, SIZE)
    step = AdversarialStep(settings, SIZE, networks)
    step.close()
    return step


@pytest.mark.parametrize("widths", [{}, {16: 12}, {8: 11, 16: 9}, {4: 10, 8: 16}, {4: 9, 8: 9, 16: 9}], ids=str)
@torch.no_grad()
def test_a_wider_generator_draws_the_same_pictures(given: Path, widths: dict[int, int]) -> None:
    step = begun(given, generator_channels=widths)
    z = torch.randn(6, 8)
    small = load_generator(given)
    torch.testing.assert_close(step.generator(z, 0.7), small(z, 0.7), atol=1e-5, rtol=1e-5)
    kept = step.average.tensors["synthesis.b16.conv1.weight"]
    assert kept.shape[0] == {**{16: 8}, **widths}[16], "the average begins there, too"
    assert torch.equal(kept, step.generator.synthesis.b16.conv1.weight)


@torch.no_grad()
def test_a_wider_discriminator_judges_the_same(given: Path) -> None:
    step = begun(given, discriminator_channels={8: 12, 16: 9})
    pictures = torch.rand(8, 3, SIZE, SIZE) * 2 - 1
    small = load_discriminator(given.with_name("small.discriminator.safetensors"))
    torch.testing.assert_close(step.discriminator(pictures), small(pictures), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_discriminator_that_is_wider_at_4_pixels_too_differs_by_its_deviation_alone(given: Path) -> None:
    step = begun(given, discriminator_channels={4: 11})
    pictures = torch.rand(8, 3, SIZE, SIZE) * 2 - 1
    small = load_discriminator(given.with_name("small.discriminator.safetensors"))
    for network in (step.discriminator, small):
        network.b4.mbstd = torch.nn.ZeroPad3d((0, 0, 0, 0, 0, 1))  # no deviation: one map of zeros
    torch.testing.assert_close(step.discriminator(pictures), small(pictures), atol=1e-4, rtol=1e-4)


def test_what_is_new_in_a_wider_generator_learns(given: Path) -> None:
    step = AdversarialStep(TrainingSettings(**{**TRAINING, "generator_channels": {16: 12}}), SIZE)
    read_given(given, SilentProgress()).fill(step.generator, step.discriminator)
    weight = step.generator.synthesis.b16.torgb.weight
    assert torch.count_nonzero(weight[:, 8:]) == 0
    step.run(torch.rand(8, 3, SIZE, SIZE) * 2 - 1, 1)
    step.close()
    assert torch.count_nonzero(weight[:, 8:]) == weight[:, 8:].numel()


def train_from(weights: Path | str | None, folder: Path, **changes: Any) -> Path:
    settings = TrainingSettings(**{**TRAINING, "from_weights": weights, **changes})
    return train(KnownPictures(PICTURES), settings, folder, SilentProgress())


def test_a_training_goes_on_from_a_file_and_from_a_checkpoint(given: Path, tmp_path: Path) -> None:
    hardly = {"learning_rate": 1e-9, "ema_half_life": 0}
    first = train_from(given, tmp_path / "first", **hardly)
    z = torch.randn(4, 8)
    drawn = load_generator(given)(z)
    torch.testing.assert_close(load_generator(first)(z), drawn, atol=2e-2, rtol=0)  # stored as float16
    judged = load_file(tmp_path / "first" / "discriminator.safetensors")
    before = load_file(given.with_name("small.discriminator.safetensors"))
    torch.testing.assert_close(judged["b4.out.weight"].float(), before["b4.out.weight"], atol=1e-2, rtol=1e-2)
    (newest, _) = sorted((tmp_path / "first" / "checkpoints").iterdir(), reverse=True)
    second = train_from(newest / "tensors.safetensors", tmp_path / "second", **hardly)
    torch.testing.assert_close(load_generator(second)(z), drawn, atol=2e-2, rtol=0)
    shutil.rmtree(tmp_path / "first")
    given.unlink()
    train_from(
        None, tmp_path / "second", **hardly, images=24
    )  # it has begun: where from need not be said, nor be there


def test_a_training_that_has_begun_is_not_begun_from_elsewhere(given: Path, tmp_path: Path) -> None:
    train_from(None, tmp_path / "run")
    with pytest.raises(TrainingError, match=r"other settings \(from_weights\)"):
        train_from(given, tmp_path / "run", images=24)


def test_a_generator_alone_begins_with_a_fresh_discriminator_and_says_so(given: Path) -> None:
    given.with_name("small.discriminator.safetensors").unlink()
    progress = InterruptingProgress()
    assert read_given(given, progress).discriminator is None
    assert "no discriminator beside this generator" in progress.told[0]


def test_the_built_in_weights_can_be_gone_on_from() -> None:
    given = read_given("builtin:faces64", SilentProgress())
    assert given.discriminator is not None
    with pytest.raises(ShapeError, match=r"Set dataset\.resolution = 64"):
        given.require_fit(TrainingSettings(), 32)


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"z_dim": 9}, ["another z_dim", "  z_dim = 8"]),
        ({"w_dim": 16, "mapping_layers": 3}, ["w_dim = 12", "mapping_layers = 2"]),
        ({"mapping_learning_rate_multiplier": 0.01}, ["mapping_learning_rate_multiplier = 0.5"]),
        ({"conv_clamp": 256}, ["and no conv_clamp"]),
        ({"generator_channels": {16: 7}}, ["the generator of the", "generator_channels = { 4 = 8, 8 = 8, 16 = 8 }"]),
        ({"discriminator_channels": {8: 2}}, ["discriminator_channels = { 4 = 8, 8 = 8, 16 = 8 }"]),
    ],
)  # fmt: skip
def test_sizes_that_do_not_fit_are_told_with_the_lines_that_do(
    given: Path, changes: dict[str, Any], lines: list[str]
) -> None:
    with pytest.raises(TrainingError) as refused:
        begun(given, **changes)
    for line in lines:
        assert line in str(refused.value)
    if "conv_clamp" not in changes:
        begun(given, **{**changes, **_pasted(str(refused.value))})


def _pasted(message: str) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(message.partition("belong:\n")[2])


def test_files_that_hold_no_such_networks_are_refused(given: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match=r"Mend train\.from_weights \(--from\)"):
        read_given(tmp_path / "nowhere.safetensors", SilentProgress())
    (tmp_path / "cut.safetensors").write_bytes(given.read_bytes()[:1000])
    with pytest.raises(CorruptFileError, match="no whole safetensors file"):
        read_given(tmp_path / "cut.safetensors", SilentProgress())
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CorruptFileError, match=r"other\.safetensors: not the weights of a StyleGAN2 generator"):
        read_given(tmp_path / "other.safetensors", SilentProgress()).require_fit(TrainingSettings(), SIZE)
