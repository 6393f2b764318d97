from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.core.interfaces.context import BuildContext
from gdp.core.progress import ProgressTask, SilentProgress
from gdp.plugins.faces import RenderedFacesConfig
from gdp.plugins.faces.renderer import RenderedFaces
from gdp.plugins.stylegan2 import StyleGAN2Config, TrainingSettings
from gdp.plugins.stylegan2.loading import load_generator
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher


def test_architecture_is_told_by_the_tensors(tiny_teacher: StyleGAN2Teacher) -> None:
    assert (tiny_teacher.resolution, tiny_teacher.z_dim, tiny_teacher.w_dim, tiny_teacher.num_ws) == (16, 16, 24, 6)
    assert tiny_teacher.module(*tiny_teacher.example_inputs()).shape == (1, 3, 16, 16)


def test_fingerprint_is_the_files_sha256(tiny_teacher: StyleGAN2Teacher, tiny_weights: Path) -> None:
    assert tiny_teacher.fingerprint == hashlib.sha256(tiny_weights.read_bytes()).hexdigest()
    assert list(StyleGAN2Teacher.weight_files(tiny_teacher.config)) == [tiny_weights]


def test_pictures_are_the_networks_own(tiny_teacher: StyleGAN2Teacher) -> None:
    z = tiny_teacher.sample_z(0, range(3))
    expected = tiny_teacher.module(z, truncation_psi=0.6, truncation_cutoff=4)
    found = tiny_teacher.synthesize(tiny_teacher.map(z, 0.6, 4))
    torch.testing.assert_close(found, expected)


def test_a_row_has_the_same_bits_in_every_batch(tiny_teacher: StyleGAN2Teacher) -> None:
    z = tiny_teacher.sample_z(5, range(70))
    ws = tiny_teacher.map(z, 0.7)
    images = tiny_teacher.synthesize(ws)
    order = torch.randperm(70, generator=torch.Generator().manual_seed(0))
    assert torch.equal(tiny_teacher.map(z[order], 0.7), ws[order])
    assert torch.equal(tiny_teacher.synthesize(ws[order]), images[order])
    for start, stop in ((0, 1), (3, 8), (61, 70)):
        assert torch.equal(tiny_teacher.map(z[start:stop], 0.7), ws[start:stop])
        assert torch.equal(tiny_teacher.synthesize(ws[start:stop]), images[start:stop])


def test_half_precision_storage_is_read_as_float32(tiny_weights: Path, tmp_path: Path) -> None:
    state = {name: tensor.half() for name, tensor in load_file(tiny_weights).items()}
    save_file(state, tmp_path / "half.safetensors")
    generator = load_generator(tmp_path / "half.safetensors")
    assert {parameter.dtype for parameter in generator.parameters()} == {torch.float32}
    z = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(generator(z), load_generator(tiny_weights)(z), atol=0.05, rtol=0.05)


def test_numbers_that_no_tensor_holds_come_from_the_metadata(tiny_weights: Path, tmp_path: Path) -> None:
    save_file(load_file(tiny_weights), tmp_path / "clamped.safetensors", {"conv_clamp": "0.25"})
    z = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    clamped, free = load_generator(tmp_path / "clamped.safetensors"), load_generator(tiny_weights)
    assert not torch.allclose(clamped(z), free(z))


def test_a_file_without_the_constant_filters_is_whole(tiny_weights: Path, tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in load_file(tiny_weights).items() if "resample_filter" not in name}
    save_file(state, tmp_path / "bare.safetensors")
    z = torch.randn(1, 16)
    assert torch.equal(load_generator(tmp_path / "bare.safetensors")(z), load_generator(tiny_weights)(z))


@pytest.mark.parametrize("weights", ["g.pkl", "g.pt", "g.pth"])
def test_pickle_files_are_refused_by_name(weights: str) -> None:
    command = rf"`gdp convert {weights} -o g\.safetensors`"
    with pytest.raises(ValidationError, match=rf"only converted \.safetensors files are accepted.*{command}"):
        StyleGAN2Config(weights=Path(weights))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("builtin:ffhq", "there is builtin:faces64"),
        ("https://example.org/g.pkl", "convert it with gdp convert"),
        ("https://example.org/g.safetensors", "#sha256="),
        ("http://example.org/g.safetensors#sha256=" + 64 * "0", "only https"),
        ("g.onnx", ".safetensors"),
    ],
)
def test_other_weights_are_refused_with_what_is_accepted(weights: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StyleGAN2Config.model_validate({"weights": weights})


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match=r"nowhere\.safetensors"):
        StyleGAN2Teacher(StyleGAN2Config(weights=tmp_path / "nowhere.safetensors"), BuildContext())


def test_another_hash_than_the_recipes_is_refused(tiny_weights: Path, tiny_teacher: StyleGAN2Teacher) -> None:
    StyleGAN2Teacher(StyleGAN2Config(weights=tiny_weights, sha256=tiny_teacher.fingerprint), BuildContext())
    with pytest.raises(CorruptFileError, match=tiny_teacher.fingerprint):
        StyleGAN2Teacher(StyleGAN2Config(weights=tiny_weights, sha256="0" * 64), BuildContext())


def test_a_truncated_file_is_refused(tiny_weights: Path, tmp_path: Path) -> None:
    content = tiny_weights.read_bytes()
    for length in (0, 5, 100, len(content) // 2, len(content) - 1):
        (tmp_path / "cut.safetensors").write_bytes(content[:length])
        with pytest.raises(CorruptFileError, match=r"cut\.safetensors"):
            load_generator(tmp_path / "cut.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("synthesis.b8.conv0.weight"), "synthesis.b8.conv0.weight"),
        (lambda state: state.pop("mapping.fc0.weight"), "mapping.fc0.weight"),
        (lambda state: state.pop("synthesis.b8.conv1.weight"), "synthesis.b8.conv1.weight is missing"),
        (lambda state: state.update({"mapping.embed.weight": torch.zeros(2, 2)}), "class-conditional"),
        (lambda state: state.update({"mapping.w_avg": torch.zeros(25)}), "wrong shape"),
        (lambda state: state.update({"mapping.w_avg": torch.full((24,), torch.nan)}), "NaN"),
        (lambda state: state.update({"discriminator": torch.zeros(1)}), "not known"),
        (lambda state: state.update({"synthesis.b16.conv1.weight": torch.zeros(8)}), "shape"),
    ],
)
def test_weights_of_something_else_are_refused_with_the_tensors_name(
    change: object, message: str, tiny_weights: Path, tmp_path: Path
) -> None:
    state = load_file(tiny_weights)
    assert callable(change)
    change(state)
    save_file(state, tmp_path / "wrong.safetensors")
    with pytest.raises(CorruptFileError, match=message):
        load_generator(tmp_path / "wrong.safetensors")


@pytest.mark.training
def test_projection_finds_a_picture_of_its_own(tiny_teacher: StyleGAN2Teacher) -> None:
    target = tiny_teacher.synthesize(tiny_teacher.map(tiny_teacher.sample_z(1, [0]), 0.5))
    projection = tiny_teacher.project(target, 30, SilentProgress())
    mean = tiny_teacher.synthesize(tiny_teacher.map(tiny_teacher.sample_z(1, [0]), 0.0))
    assert projection.ws.shape == (1, 6, 24)
    assert (projection.images - target).square().mean() < (mean - target).square().mean()
    assert projection.steps == 30


class CountingProgress(SilentProgress):
    """Counts the units of each piece of work."""

    def __init__(self) -> None:
        self.units: dict[str, int] = {}

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        units = self.units
        units[name] = done

        class Task:
            def advance(self, amount: int = 1, **status: float | str) -> None:
                units[name] += amount

        yield Task()
        assert units[name] == total, name


@pytest.mark.training
def test_a_trained_teacher_can_be_used_as_one(tmp_path: Path) -> None:
    settings = TrainingSettings(
        images=32, batch=8, shards=1, channel_base=64, channel_max=8, z_dim=8, w_dim=8, mapping_layers=2,
        precision="float32", statistics_every=8, samples_every=32, checkpoint_every=16,
    )  # fmt: skip
    faces = RenderedFaces(RenderedFacesConfig(count=20, resolution=16), BuildContext())
    progress = CountingProgress()
    weights = StyleGAN2Teacher.train(settings, faces, tmp_path, progress)
    teacher = StyleGAN2Teacher(StyleGAN2Config(weights=weights), BuildContext())
    assert (teacher.resolution, teacher.w_dim) == (16, 8)
    assert set(progress.units.values()) == {20, 32}
    longer = settings.model_copy(update={"images": 48})
    resumed = CountingProgress()
    StyleGAN2Teacher.train(longer, faces, tmp_path, resumed)
    assert set(resumed.units.values()) == {48}, "two batches are read, and not all pictures"
