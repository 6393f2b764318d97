"""`gdp make-judge` makes what the presets read; random weights in the published layouts stand in for the
checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import onnxruntime
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet34
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.core.interfaces.context import BuildContext
from gdp.plugins.onnx_filters.classifier import OnnxClassifierFilter
from gdp.plugins.onnx_filters.config import OnnxClassifierConfig
from gdp.plugins.onnx_filters.making import SIDE

WIDTH, LAYERS, PATCH, HIDDEN = 64, 2, 32, 96


def make_judge(*arguments: object) -> dict[str, object]:
    done = CliRunner().invoke(app, ["make-judge", *map(str, arguments), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    card: dict[str, object] = json.loads(done.stdout)
    return card


def refused(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["make-judge", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 1 and done.stderr.startswith("error: "), done.output
    return " ".join(done.stderr.split())


def run_onnx(path: Path, pictures: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["logits"], {"pictures": pictures.numpy()})[0])


def pictures(count: int = 3) -> Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1


def judged_by(path: Path, preset: str) -> list[str]:
    """The names of the scores that the filter reads with the preset."""
    filter_ = OnnxClassifierFilter(OnnxClassifierConfig(weights=path, preset=preset), BuildContext())
    return sorted(filter_._read(pictures(1))[0])


def vit_state() -> dict[str, Tensor]:
    """Random tensors by the names that transformers gives a ViTForImageClassification."""
    generator = torch.Generator().manual_seed(2)
    state: dict[str, Tensor] = {}

    def add(name: str, *shape: int) -> None:
        state[name] = 0.2 * torch.randn(shape, generator=generator)

    add("vit.embeddings.cls_token", 1, 1, WIDTH)
    add("vit.embeddings.position_embeddings", 1, (SIDE // PATCH) ** 2 + 1, WIDTH)
    layers = {"vit.embeddings.patch_embeddings.projection": (WIDTH, 3, PATCH, PATCH), "classifier": (9, WIDTH)}
    for number in range(LAYERS):
        layer = f"vit.encoder.layer.{number}"
        for name in ("query", "key", "value"):
            layers[f"{layer}.attention.attention.{name}"] = (WIDTH, WIDTH)
        layers[f"{layer}.attention.output.dense"] = (WIDTH, WIDTH)
        layers[f"{layer}.intermediate.dense"] = (HIDDEN, WIDTH)
        layers[f"{layer}.output.dense"] = (WIDTH, HIDDEN)
        layers[f"{layer}.layernorm_before"] = layers[f"{layer}.layernorm_after"] = (WIDTH,)
    layers["vit.layernorm"] = (WIDTH,)
    for name, shape in layers.items():
        add(f"{name}.weight", *shape)
        add(f"{name}.bias", shape[0])
    return state


def vit_forward(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """The transformer of Dosovitskiy et al. (2021), written out: normalise, attend, normalise, two layers, each
    added."""

    def linear(values: Tensor, name: str) -> Tensor:
        return functional.linear(values, state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(values: Tensor, name: str) -> Tensor:
        return functional.layer_norm(values, (WIDTH,), state[f"{name}.weight"], state[f"{name}.bias"], 1e-12)

    patches = "vit.embeddings.patch_embeddings.projection"
    x = (
        functional.conv2d(x, state[f"{patches}.weight"], state[f"{patches}.bias"], stride=PATCH)
        .flatten(2)
        .transpose(1, 2)
    )
    x = torch.cat([state["vit.embeddings.cls_token"].expand(len(x), -1, -1), x], dim=1)
    x = x + state["vit.embeddings.position_embeddings"]
    for number in range(LAYERS):
        layer = f"vit.encoder.layer.{number}"
        y = norm(x, f"{layer}.layernorm_before")
        query, key, value = (linear(y, f"{layer}.attention.attention.{name}") for name in ("query", "key", "value"))
        shares = (query @ key.transpose(1, 2) / WIDTH**0.5).softmax(dim=2)  # one head of 64 channels
        x = x + linear(shares @ value, f"{layer}.attention.output.dense")
        y = functional.gelu(linear(norm(x, f"{layer}.layernorm_after"), f"{layer}.intermediate.dense"))
        x = x + linear(y, f"{layer}.output.dense")
    return linear(norm(x, "vit.layernorm")[:, 0], "classifier")


@pytest.mark.parametrize("prefix", ["", "module."])
def test_fairfaces_checkpoint_becomes_what_its_preset_reads(tmp_path: Path, prefix: str) -> None:
    torch.manual_seed(3)
    network: nn.Module = resnet34(num_classes=18).eval()
    source = tmp_path / "res34_fair_align_multi_7_20190809.pt"
    torch.save({prefix + name: tensor for name, tensor in network.state_dict().items()}, source)
    path = tmp_path / "fairface.onnx"
    card = make_judge("fairface", source, "-o", path)
    assert "CC BY 4.0" in str(card["licence"]) and "fairface.onnx" in str(card["use"])
    with torch.no_grad():
        assert torch.allclose(run_onnx(path, pictures()), network(pictures()), atol=1e-3)
    assert "age_low" in judged_by(path, "fairface") and "gender" in judged_by(path, "fairface")


def test_the_transformer_of_ages_becomes_what_its_preset_reads(tmp_path: Path) -> None:
    state, path = vit_state(), tmp_path / "vit.onnx"
    folder = tmp_path / "vit-age-classifier"
    folder.mkdir()
    save_file(state, folder / "model.safetensors")
    make_judge("vit-age-classifier", folder, "-o", path)
    assert torch.allclose(run_onnx(path, pictures()), vit_forward(state, pictures()), atol=1e-3)
    assert judged_by(path, "vit-age-classifier") == ["age", "age_confidence", "age_high", "age_low"]


def test_another_networks_checkpoint_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    source = tmp_path / "other.pt"
    torch.save({"layer.weight": torch.zeros(3)}, source)
    for name in ("fairface", "vit-age-classifier"):
        told = refused(name, source, "-o", tmp_path / "new.onnx")
        assert "these are not the weights of" in told and "It is made from" in told
    state = vit_state()
    state["classifier.weight"], state["classifier.bias"] = torch.zeros(4, WIDTH), torch.zeros(4)
    save_file(state, tmp_path / "four.safetensors")
    told = refused("vit-age-classifier", tmp_path / "four.safetensors", "-o", tmp_path / "new.onnx")
    assert "this one has 4 classes" in told
    assert "there is no such file" in refused("fairface", tmp_path / "none.pt")
    numpy.save(tmp_path / "array.npy", numpy.zeros(3))
    assert "array.npy" in refused("fairface", tmp_path / "array.npy", "-o", tmp_path / "new.onnx")
    assert not list(tmp_path.glob("new.*"))
