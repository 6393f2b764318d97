"""Foreign files of StyleGAN2 become the very same tensors; what is not supported is refused with its name."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_files import ada_pickle, easy_dict, save_legacy, tag_as_cuda, tensorflow_pickle
from rosinality import rosinality_state
from torch import Tensor

from gdp.core.errors import CorruptFileError
from gdp.core.interfaces.context import BuildContext
from gdp.core.progress import SilentProgress
from gdp.plugins.stylegan2 import StyleGAN2Config
from gdp.plugins.stylegan2.loading import load_discriminator, load_generator
from gdp.plugins.stylegan2.networks import Discriminator, Generator
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher
from gdp.registry import PluginRegistry
from gdp.tools.convert import Conversion, convert


def new_generator(**settings: Any) -> Generator:
    torch.manual_seed(0)
    generator = Generator(8, 12, 16, channel_base=64, channel_max=8, mapping_layers=2, **settings)
    with torch.no_grad():
        for tensor in (*generator.parameters(), generator.mapping.w_avg):
            tensor.normal_()
    return generator.eval()


def new_discriminator(**settings: Any) -> Discriminator:
    torch.manual_seed(1)
    return Discriminator(16, channel_base=64, channel_max=8, **settings).eval()


def converted(path: Path, content: bytes | None = None) -> list[Conversion]:
    if content is not None:
        path.write_bytes(content)
    return convert(path, PluginRegistry.discover(), SilentProgress(), overwrite=True)


def assert_same(loaded: torch.nn.Module, expected: torch.nn.Module) -> None:
    ours, theirs = loaded.state_dict(), expected.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


ATTRIBUTES = {
    "synthesis.b4.conv1.": {"conv_clamp": 256},
    "mapping.fc0.": {"bias_gain": 0.02},
    "b4.conv.": {"conv_clamp": 128},
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_of_ada_pytorch_gives_identical_tensors_and_its_numbers(protocol: int, tmp_path: Path) -> None:
    generator = new_generator(conv_clamp=256, mapping_learning_rate_multiplier=0.02)
    discriminator = new_discriminator(conv_clamp=128)
    canary = tmp_path / "canary"
    source = f"open({str(canary)!r}, 'w')"
    content = ada_pickle(generator, discriminator, protocol, source, ATTRIBUTES)
    written = converted(tmp_path / "network-snapshot-025000.pkl", content)
    assert [part.path.name for part in written] == [
        "network-snapshot-025000.safetensors",
        "network-snapshot-025000.discriminator.safetensors",
    ]
    loaded = load_generator(written[0].path)
    assert_same(loaded, generator)
    assert_same(load_discriminator(written[1].path), discriminator)
    z = torch.randn(2, 8)
    assert torch.equal(loaded(z), generator(z))  # so the clamp and the learning rate multiplier are there, too
    assert not canary.exists()
    card = json.loads(written[0].path.with_suffix(".json").read_text())
    assert card["converter"]["name"] == "stylegan2-ada"
    assert card["architecture"]["resolution"] == 16
    assert card["architecture"]["conv_clamp"] == 256
    assert card["architecture"]["channels"] == {"4": 8, "8": 8, "16": 4}
    assert card["architecture"]["recorded"]["synthesis_kwargs"] == {"channel_base": 32768, "num_fp16_res": 4}
    assert card["licence"].startswith("unknown")
    assert "the source code of the networks, which was not looked at" in card["dropped"]


def test_the_teacher_takes_a_converted_file_and_finds_its_discriminator(tmp_path: Path) -> None:
    generator, discriminator = new_generator(), new_discriminator()
    written = converted(tmp_path / "net.pkl", ada_pickle(generator, discriminator))
    teacher = StyleGAN2Teacher(StyleGAN2Config(weights=written[0].path), BuildContext())
    ws = teacher.map(torch.randn(2, 8))
    assert torch.allclose(teacher.synthesize(ws), generator.synthesis(ws, "const"), atol=1e-5)
    assert teacher.discriminator is not None


def test_what_was_recorded_and_is_not_supported_is_refused(tmp_path: Path) -> None:
    generator = new_generator()
    for kwargs, message in (
        ({"synthesis_kwargs": easy_dict(architecture="resnet")}, "its architecture is resnet"),
        ({"mapping_kwargs": easy_dict(activation="relu")}, "its activation is relu"),
    ):
        with pytest.raises(CorruptFileError, match=rf"cannot be converted as stylegan2-ada: {message}"):
            converted(tmp_path / "net.pkl", ada_pickle(generator, **kwargs))
    generator.mapping.add_module("embed", torch.nn.Linear(3, 3))
    with pytest.raises(CorruptFileError, match="it is class-conditional"):
        converted(tmp_path / "net.pkl", ada_pickle(generator))


def test_a_layer_without_channels_is_refused(tmp_path: Path) -> None:
    generator = new_generator()
    layer = generator.synthesis.get_submodule("b8.conv1")
    layer.weight = torch.nn.Parameter(torch.empty(0, 8, 3, 3))
    with pytest.raises(CorruptFileError, match=r"synthesis\.b8\.conv1\.weight has shape \(0, 8, 3, 3\)"):
        converted(tmp_path / "net.pkl", ada_pickle(generator))


def test_another_filter_is_refused(tmp_path: Path) -> None:
    generator = new_generator()
    generator.synthesis.get_submodule("b8").resample_filter.mul_(2)
    with pytest.raises(CorruptFileError, match=r"resample_filter is another low-pass filter"):
        converted(tmp_path / "net.pkl", ada_pickle(generator))


def test_a_discriminator_that_is_not_supported_is_left_out(tmp_path: Path) -> None:
    discriminator = new_discriminator()
    discriminator.add_module("mapping", torch.nn.Linear(2, 2))
    written = converted(tmp_path / "net.pkl", ada_pickle(new_generator(), discriminator))
    assert len(written) == 1
    assert any(line.startswith("the discriminator, which is not supported") for line in written[0].card["dropped"])


# ---------------------------------------------------------------------- TensorFlow


def tensorflow_variables(generator: Generator) -> dict[str, Tensor]:
    """The other way round: TensorFlow's variables of a generator."""
    layers = {"conv0": "Conv0_up", "conv1": "Conv1", "torgb": "ToRGB"}
    found: dict[str, Tensor] = {"lod": torch.tensor(0.0), "dlatent_avg": generator.mapping.w_avg}
    for name, tensor in generator.state_dict().items():
        parts = name.split(".")
        if parts[0] == "mapping" and parts[1] != "w_avg":
            found[f"mapping/Dense{parts[1][2:]}/{parts[2]}"] = tensor.t() if tensor.ndim == 2 else tensor
        elif parts[-1] == "const":
            found["synthesis/4x4/Const/const"] = tensor[None]
        elif parts[-1] == "noise_const":
            number = 2 * (int(parts[1][1:]).bit_length() - 1) - (5 if parts[2] == "conv0" else 4)
            found[f"synthesis/noise{number}"] = tensor[None, None]
        elif parts[0] == "synthesis" and parts[-1] != "resample_filter":
            size = parts[1][1:]
            layer = "Conv" if (size, parts[2]) == ("4", "conv1") else layers[parts[2]]
            kind = ".".join(parts[3:])
            names = {"affine.weight": "mod_weight", "affine.bias": "mod_bias"}
            value = tensor
            if kind == "weight":
                value = tensor.permute(2, 3, 1, 0)
                value = value.flip(0, 1) if layer == "Conv0_up" else value
            elif kind == "affine.weight":
                value = tensor.t()
            elif kind == "affine.bias":
                value = tensor - 1
            found[f"synthesis/{size}x{size}/{layer}/{names.get(kind, kind)}"] = value.contiguous()
    return found


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_of_tensorflows_time_gives_the_same_picture(protocol: int, tmp_path: Path) -> None:
    generator = new_generator()
    canary = tmp_path / "canary"
    content = tensorflow_pickle(
        tensorflow_variables(generator), {}, protocol, f"open({str(canary)!r}, 'w')", fmap_base=32, conv_clamp=None
    )
    written = converted(tmp_path / "stylegan2-ffhq-config-f.pkl", content)
    z = torch.randn(2, 8)
    assert torch.allclose(load_generator(written[0].path)(z), generator(z), atol=1e-5)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_size": 10}, "it is class-conditional"),
        ({"architecture": "orig"}, "its architecture is orig"),
        ({"resample_kernel": [1, 2, 1]}, "its low-pass filter is"),
        ({"version": 2}, "they are older than StyleGAN2"),
        ({}, r"1 tensors are missing: mapping\.fc0\.bias"),
    ],
)
def test_other_networks_of_tensorflow_are_refused(arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    variables = tensorflow_variables(new_generator())
    if not arguments:
        del variables["mapping/Dense0/bias"]
    with pytest.raises(CorruptFileError, match=message):
        converted(tmp_path / "tf.pkl", tensorflow_pickle(variables, {}, **arguments))


# ---------------------------------------------------------------------- rosinality


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_converted_checkpoint_of_rosinality_gives_identical_tensors(prefix: str, tmp_path: Path) -> None:
    generator = new_generator()
    state = {f"{prefix}{name}": tensor for name, tensor in rosinality_state(generator).items()}
    torch.save({"g_ema": state, "latent_avg": generator.mapping.w_avg}, tmp_path / "ffhq.pt")
    written = converted(tmp_path / "ffhq.pt")
    assert_same(load_generator(written[0].path), generator)
    assert written[0].card["remarks"] == []


def test_the_decoder_of_psp_and_e4e_is_taken_with_its_mean(tmp_path: Path) -> None:
    generator = new_generator()
    state = {f"decoder.{name}": tensor for name, tensor in rosinality_state(generator).items()}
    state |= {"encoder.body.0.weight": torch.ones(2, 2)}
    mean = generator.mapping.w_avg.repeat(18, 1)
    torch.save({"state_dict": state, "latent_avg": mean, "opts": {"size": 8}}, tmp_path / "e4e.pt")
    written = converted(tmp_path / "e4e.pt")
    assert_same(load_generator(written[0].path), generator)
    assert written[0].card["remarks"] == []


def test_a_checkpoint_of_rosinalitys_training_gets_a_measured_mean(tmp_path: Path) -> None:
    generator = new_generator()
    content = {
        "g": {name: tensor + 1 for name, tensor in rosinality_state(generator).items()},
        "d": {"convs.0.0.weight": torch.ones(2, 3, 1, 1)},
        "g_ema": rosinality_state(generator),
        "g_optim": {"state": {0: {"exp_avg": torch.ones(2)}}},
        "args": argparse.Namespace(size=16),
        "ada_aug_p": 0.5,
    }
    save_legacy(content, tmp_path / "150000.pt")
    tag_as_cuda(tmp_path / "150000.pt")
    (written,) = converted(tmp_path / "150000.pt")
    loaded = load_generator(written.path)
    with torch.no_grad():
        w = generator.mapping(torch.randn(20_000, 8))[:, 0]
    assert torch.allclose(loaded.mapping.w_avg, w.mean(dim=0), atol=float(5 * w.std() / 100))
    assert "measured on 10,000 samples" in written.card["remarks"][0]
    assert any("the discriminator" in line for line in written.card["dropped"])
    again = converted(tmp_path / "150000.pt")[0]
    assert again.card["sha256"] == written.card["sha256"]
