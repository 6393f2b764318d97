"""Trainings in float16 with a scaled loss, as GPUs without bf16 do them: here on a processor, with its float16."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from tiny_training import BecomesNan, TinyStudent, both_losses, train
from together import checkpoint_of, differing, run_together
from torch import Tensor, nn

from gdp.core.errors import NonFiniteError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.losses import Loss, TrainingStep
from gdp.core.tensor_file import StoredTensors
from gdp.core.training import WeightedLoss, loop
from gdp.core.training.group import Group, training_group, trains_in
from gdp.core.training.optimizer import Descent
from gdp.core.training.precision import LossScaler, half_type, training_type

pytestmark = pytest.mark.training
CPU, GPU = torch.device("cpu"), torch.device("cuda")


def in_float16() -> Any:
    return mock.patch.object(loop, "training_type", lambda *asked: torch.float16)


class Steep(Loss):
    """So large on the ranks and in the calls of its config that a gradient in float16 is infinite at first."""

    calls = 0

    def generator(self, step: TrainingStep) -> Tensor:
        self.calls += 1
        ranks, calls = self.config
        chosen = training_group().rank in ranks and self.calls in calls
        return (step.prediction - step.target).abs().mean() * (1e5 if chosen else 1.0)


def steep_losses(ranks: tuple[int, ...] = (0,), calls: range = range(1, 3)) -> list[WeightedLoss]:
    return [*both_losses(), WeightedLoss("steep", 1.0, Steep((ranks, calls), BuildContext()))]


def weights(folder: Path, step: int) -> dict[str, Tensor]:
    tensors = StoredTensors(folder / "checkpoints" / f"step-{step:08d}" / "tensors.safetensors")
    return {name: tensors[name] for name in tensors if name.startswith(("generator/", "(loss", "generator_optimizer/"))}


def test_a_step_that_overflows_is_skipped_and_the_training_learns_on(tmp_path: Path) -> None:
    first = {name: weight.clone() for name, weight in TinyStudent().generator.named_parameters()}
    with in_float16():
        done = train(tmp_path, losses=steep_losses(), steps=30, checkpoint_every=2, log_every=2)
    lines = [json.loads(line) for line in (tmp_path / "statistics.jsonl").read_text().splitlines()]
    assert done.computed_in == "float16"
    assert [line["generator.skipped"] for line in lines[:3]] == [1.0, 0.0, 0.0]
    assert [line["generator.loss_scale"] for line in lines[:2]] == [0.75 * 2**16, 2**14]
    assert lines[0]["generator.gradient_norm"] == 0.0 and lines[1]["generator.gradient_norm"] > 0.0
    train(tmp_path / "float32", losses=steep_losses(calls=range(0)), steps=30, log_every=2)
    exact = [json.loads(line) for line in (tmp_path / "float32" / "statistics.jsonl").read_text().splitlines()]
    assert lines[-1]["generator.l1"] == pytest.approx(exact[-1]["generator.l1"], rel=0.01)
    with in_float16():
        train(tmp_path / "two", losses=steep_losses(), steps=2, checkpoint_every=1, log_every=1)
    kept = weights(tmp_path / "two", 1)
    assert all(torch.equal(weight, kept[f"generator/{name}"]) for name, weight in first.items())


@pytest.mark.parametrize("stopped_at", [1, 2, 5])
def test_a_training_that_was_stopped_goes_on_with_its_scales_to_the_same_bits(tmp_path: Path, stopped_at: int) -> None:
    asked = {"steps": 8, "checkpoint_every": 4, "log_every": 2}
    with in_float16():
        train(tmp_path / "whole", losses=steep_losses(), **asked)
        losses, steps = steep_losses(), iter(range(1, 9))
        assert not train(tmp_path / "broken", losses=losses, stop=lambda: next(steps) == stopped_at, **asked).finished
        assert scales(tmp_path / "broken", stopped_at)[0] < 2.0**16
        train(tmp_path / "broken", losses=losses, **asked)
    assert differing(checkpoint_of(tmp_path / "whole", 8), checkpoint_of(tmp_path / "broken", 8)) == []


def scales(folder: Path, step: int) -> list[float]:
    """Return the scales of generator and discriminator in a checkpoint."""
    checkpoint = checkpoint_of(folder, step)
    return [float(checkpoint[f"{who}_optimizer/(loss scale)/scale"]) for who in ("generator", "discriminator")]


def overflow_on_the_second(group: Group, folder: Path) -> None:
    own = folder / f"{group.rank} of {group.world}"
    with trains_in(group), in_float16():
        train(own, losses=steep_losses(ranks=(1,), calls=range(3, 4)), steps=5, checkpoint_every=1, log_every=1)


@pytest.mark.process
def test_what_overflows_on_one_of_two_processes_is_skipped_by_both(tmp_path: Path) -> None:
    run_together(2, overflow_on_the_second, tmp_path, tmp_path)
    ranks = [tmp_path / f"{rank} of 2" for rank in (0, 1)]
    assert differing(*(checkpoint_of(folder, 5) for folder in ranks)) == []
    for folder in ranks:
        lines = [json.loads(line) for line in (folder / "statistics.jsonl").read_text().splitlines()]
        assert [line["generator.skipped"] for line in lines][2:] == [1.0, 0.0, 0.0]


def test_what_no_scale_helps_ends_the_training_with_its_name(tmp_path: Path) -> None:
    class NoGradient(BecomesNan):
        """Is a number, and its gradient is none."""

        def generator(self, step: TrainingStep) -> Tensor:
            return (step.prediction - step.prediction.detach()).abs().sqrt().mean()

    losses = [*both_losses(), WeightedLoss("none", 1.0, NoGradient((), BuildContext()))]
    with in_float16(), pytest.raises(NonFiniteError, match=r"generator\.gradient_norm became (nan|inf)") as failed:
        train(tmp_path, losses=losses, steps=40)
    assert 'train.precision = "float32"' in str(failed.value)
    assert "at step 18" in str(failed.value)  # 2^16 was halved 17 times


def test_nothing_is_scaled_in_other_types() -> None:
    weight = nn.Parameter(torch.ones(3))
    descent = Descent({"weight": weight}, 0.1, (0.5, 0.9), kind=torch.bfloat16)
    told = descent.descend(weight.square().sum(), 1.0)
    assert [*told] == ["gradient_norm"]
    assert [*descent.state()] == ["weight/step", "weight/exp_avg", "weight/exp_avg_sq"]
    assert LossScaler(CPU, torch.float32).tensors() == {}


@pytest.mark.parametrize(
    ("capability", "precision", "kind", "said"),
    [
        ((9, 0), "auto", torch.bfloat16, ""),
        ((7, 5), "auto", torch.float16, "computes in float16, and scales the loss"),
        ((7, 5), "bf16", torch.float16, 'with precision = "bf16" the training computes in float16'),
        ((7, 5), "float32", torch.float32, ""),
        ((6, 1), "auto", torch.float32, "the training computes in float32"),
    ],
)
def test_a_gpu_trains_in_what_it_computes_fast_and_it_is_said(
    capability: tuple[int, int], precision: Any, kind: torch.dtype, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: capability >= (8, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "some GPU")
    told: list[str] = []
    assert training_type(precision, GPU, told.append) == kind
    assert len(told) == bool(said) and all(said in sentence for sentence in told)
    assert half_type(GPU) == training_type("auto", GPU)
