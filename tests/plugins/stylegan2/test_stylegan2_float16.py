"""StyleGAN2's training in float16 with a scaled loss, as GPUs without bf16 do it: here with a processor's float16."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import pytest
import torch
from known_pictures import InterruptingProgress, KnownPictures
from safetensors.torch import load_file
from torch import Tensor

from gdp.core.errors import NonFiniteError
from gdp.core.progress import SilentProgress, Stopped
from gdp.plugins.stylegan2 import TrainingSettings, training_step
from gdp.plugins.stylegan2.layers import (
    SynthesisLayer,
    demodulation,
    modulated_convolution,
    within_float16,
)
from gdp.plugins.stylegan2.training import train

pytestmark = pytest.mark.training

TINY = TrainingSettings(
    images=96, batch=8, adversarial_weight=8.0, shards=2, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64,
    channel_max=8, r1_interval=4, path_length_interval=3, checkpoint_every=32, samples_every=96, statistics_every=8,
)  # fmt: skip


@pytest.fixture(autouse=True)
def in_float16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_step, "training_type", lambda *asked: torch.float16)


def pictures() -> KnownPictures:
    random = torch.Generator().manual_seed(1)
    return KnownPictures(torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8, generator=random))


def lines(folder: Path) -> list[dict[str, float]]:
    kept = [json.loads(line) for line in (folder / "statistics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in line.items() if "second" not in name} for line in kept]


def newest(folder: Path) -> dict[str, Tensor]:
    return load_file(sorted((folder / "checkpoints").iterdir())[-1] / "tensors.safetensors")


def test_steps_that_overflow_are_skipped_and_the_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    train(pictures(), TINY, tmp_path / "whole", SilentProgress())
    told = lines(tmp_path / "whole")
    skipped = [number for number, line in enumerate(told) if line["skipped_generator"]]
    assert 0 < len(skipped) < 12
    for number, line in enumerate(told):
        assert line["loss_scale_generator"] == 2.0 ** (16 - sum(skip < number for skip in skipped))
    with pytest.raises(Stopped):
        train(pictures(), TINY, tmp_path / "stopped", InterruptingProgress(16, Stopped))
    assert float(newest(tmp_path / "stopped")["generator_scale.scale"]) < 2.0**16
    train(pictures(), TINY, tmp_path / "stopped", SilentProgress())
    whole, stopped = newest(tmp_path / "whole"), newest(tmp_path / "stopped")
    assert whole.keys() == stopped.keys()
    assert all(torch.equal(tensor, stopped[name]) for name, tensor in whole.items())
    assert lines(tmp_path / "stopped") == told


def test_a_gradient_that_no_scale_helps_ends_the_training(tmp_path: Path) -> None:
    with (
        mock.patch.object(training_step, "generator_loss", lambda logits: (logits - logits.detach()).abs().sqrt()),
        pytest.raises(NonFiniteError, match="A loss or gradient of the generator phase became NaN or infinite"),
    ):
        train(pictures(), TINY.model_copy(update={"images": 8 * 40}), tmp_path, SilentProgress())
    assert lines(tmp_path)[-1]["step"] == 17  # 2^16 was halved 17 times


def test_a_loss_that_is_no_number_ends_the_training_at_once(tmp_path: Path) -> None:
    with (
        mock.patch.object(training_step, "generator_loss", lambda logits: logits * float("nan")),
        pytest.raises(NonFiniteError, match="A loss or gradient of the generator phase became NaN or infinite"),
    ):
        train(pictures(), TINY, tmp_path, SilentProgress())
    assert lines(tmp_path) == []


def test_weights_and_styles_of_any_size_stay_within_float16_and_make_the_same_features() -> None:
    random = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(shape, generator=random) for shape in ((2, 64, 8, 8), (16, 64, 3, 3)))
    style = 30 * torch.randn(2, 64, generator=random)

    def features(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
        scale = demodulation(weight, style)[:, :, None, None]
        return modulated_convolution(x, weight, style).float() * scale

    exact, x = features(40 * x, 30 * weight, style), (40 * x).half()
    assert not features(x, 30 * weight, style).isfinite().all()
    torch.testing.assert_close(features(x, *within_float16(30 * weight, style)), exact, rtol=0.02, atol=0.2)
    layer = SynthesisLayer(64, 16, 8, 8)
    with torch.no_grad():
        layer.weight.mul_(3000)
        w = torch.randn(2, 8, generator=random)
        half, full = (layer(each, w, "none").float() for each in (x, x.float()))
    torch.testing.assert_close(half, full, rtol=0.02, atol=0.2)
