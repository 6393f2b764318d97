from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gdp.core.errors import CorruptFileError, MissingResourceError, ShapeError
from gdp.core.interfaces.context import BuildContext
from gdp.core.progress import SilentProgress
from gdp.plugins.faces import RenderedFacesConfig
from gdp.plugins.faces.renderer import RenderedFaces
from gdp.plugins.stylegan2 import StyleGAN2Config, TrainingSettings
from gdp.plugins.stylegan2.loading import load_discriminator
from gdp.plugins.stylegan2.networks import Discriminator, judge_alone
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher

State = dict[str, Tensor]


def small_discriminator(resolution: int = 16, seed: int = 0) -> Discriminator:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Discriminator(resolution, channels={4: 16, 8: 12, 16: 8, 32: 6}).eval()


def pictures(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_file(small_discriminator().state_dict(), tmp_path / "discriminator.safetensors")
    return tmp_path / "discriminator.safetensors"


def test_the_architecture_is_told_by_the_tensors(file: Path) -> None:
    assert torch.equal(load_discriminator(file)(pictures(4)), small_discriminator()(pictures(4)))


def test_a_number_that_no_tensor_holds_comes_from_the_metadata(file: Path, tmp_path: Path) -> None:
    save_file(load_file(file), tmp_path / "clamped.safetensors", {"conv_clamp": "0.05"})
    assert not torch.allclose(
        load_discriminator(tmp_path / "clamped.safetensors")(pictures(4)), load_discriminator(file)(pictures(4))
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("b8.conv0.weight"), "b8.conv0.weight is missing"),
        (lambda state: state.pop("b16.fromrgb.weight"), "b64.fromrgb.weight is expected"),
        (lambda state: state.pop("b4.out.bias"), "b4.out.bias"),
        (lambda state: state.update({"mapping.fc0.weight": torch.zeros(1)}), "class-conditional"),
        (lambda state: state.update({"b4.out.bias": torch.full((1,), torch.nan)}), "NaN"),
        (lambda state: state.update({"b16.fromrgb.weight": torch.zeros(8, 6, 1, 1)}), "6 channels, not RGB"),
        (lambda state: state.update({"synthesis.b4.const": torch.zeros(1)}), "not known"),
    ],
)
def test_weights_of_something_else_are_refused(
    change: Callable[[State], object], message: str, file: Path, tmp_path: Path
) -> None:
    state = load_file(file)
    change(state)
    save_file(state, tmp_path / "wrong.safetensors")
    with pytest.raises(CorruptFileError, match=message):
        load_discriminator(tmp_path / "wrong.safetensors")


def test_a_truncated_file_is_refused(file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    for length in (0, 100, len(content) - 1):
        (tmp_path / "cut.safetensors").write_bytes(content[:length])
        with pytest.raises(CorruptFileError, match=r"cut\.safetensors"):
            load_discriminator(tmp_path / "cut.safetensors")


def test_each_picture_is_judged_by_itself_as_it_is_beside_typical_ones(file: Path) -> None:
    alone, in_groups = load_discriminator(file), load_discriminator(file)
    typical = pictures(16)
    judge_alone(alone, typical)
    together = alone(typical)
    torch.testing.assert_close(torch.cat([alone(picture[None]) for picture in typical]), together)
    # The mean over the groups stands for the group's own deviation, so the logits are near those that it was trained
    # to give, and not those of a picture that differs from nothing.
    lonely = torch.cat([in_groups(picture[None]) for picture in typical])
    grouped = in_groups(typical)
    assert (together - grouped).abs().mean() < 0.2 * (lonely - grouped).abs().mean()
    assert alone.state_dict().keys() == in_groups.state_dict().keys()


def test_the_file_beside_the_weights_is_found(tiny_weights: Path, tmp_path: Path) -> None:
    (tmp_path / "generator.safetensors").write_bytes(tiny_weights.read_bytes())
    config = StyleGAN2Config(weights=tmp_path / "generator.safetensors")
    assert StyleGAN2Teacher(config, BuildContext()).discriminator is None
    save_file(small_discriminator().state_dict(), tmp_path / "discriminator.safetensors")
    found = StyleGAN2Teacher(config, BuildContext()).discriminator
    assert found is not None
    assert found(pictures(3)).shape == (3, 1)


def test_discriminators_that_do_not_belong_to_the_teacher_are_refused(tiny_weights: Path, tmp_path: Path) -> None:
    def discriminator(path: Path) -> object:
        return StyleGAN2Teacher(StyleGAN2Config(weights=tiny_weights, discriminator=path), BuildContext()).discriminator

    with pytest.raises(MissingResourceError, match=r"teacher\.discriminator"):
        discriminator(tmp_path / "nowhere.safetensors")
    save_file(small_discriminator(32).state_dict(), tmp_path / "large.safetensors")
    with pytest.raises(ShapeError, match="pictures of 32 px and the teacher makes 16 px"):
        discriminator(tmp_path / "large.safetensors")
    with pytest.raises(ValidationError, match="only converted"):
        StyleGAN2Config(weights=tiny_weights, discriminator=tmp_path / "d.pkl")


@pytest.mark.training
def test_a_training_leaves_its_discriminator_beside_the_generator(tmp_path: Path) -> None:
    settings = TrainingSettings(
        images=16, batch=8, shards=1, channel_base=64, channel_max=8, z_dim=8, w_dim=8, mapping_layers=2,
        precision="float32", statistics_every=8, samples_every=32, checkpoint_every=16,
    )  # fmt: skip
    faces = RenderedFaces(RenderedFacesConfig(count=16, resolution=16), BuildContext())
    weights = StyleGAN2Teacher.train(settings, faces, tmp_path, SilentProgress())
    teacher = StyleGAN2Teacher(StyleGAN2Config(weights=weights), BuildContext())
    assert teacher.discriminator is not None
    checkpoint = load_file(next((tmp_path / "checkpoints").rglob("tensors.safetensors")))
    for name, tensor in teacher.discriminator.state_dict().items():
        torch.testing.assert_close(tensor, checkpoint[f"discriminator.{name}"], atol=1e-3, rtol=1e-3)


def test_the_embedded_discriminator_is_small_enough_to_ship() -> None:
    teacher = StyleGAN2Teacher(StyleGAN2Config(), BuildContext())
    assert teacher.discriminator is not None
    assert sum(parameter.numel() for parameter in teacher.discriminator.parameters()) * 2 < 4_000_000
