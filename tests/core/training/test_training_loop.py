"""Training a student, whole: what it writes, what it learns, what it refuses."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny_training import (
    CPU,
    SIZE,
    Adversarial,
    BecomesNan,
    Distance,
    TinyStudent,
    both_losses,
    settings,
    tiny_pairs,
    train,
)
from torch import Tensor

from gdp.core.errors import NonFiniteError, OutOfMemoryError, TrainingError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.losses import TrainingStep
from gdp.core.interfaces.students import TrainingPhase
from gdp.core.memory import MemoryBound
from gdp.core.training import TrainingPairs, WeightedLoss, rehearse
from gdp.core.training import loader as training_pairs
from gdp.core.training.objective import train_step
from gdp.core.training.optimizer import Descent
from gdp.core.training.precision import autocaster
from gdp.core.training.ways import Batch

pytestmark = pytest.mark.training


def test_training_learns_the_target_and_ships_the_averaged_weights(tmp_path: Path) -> None:
    student = TinyStudent()
    result = train(
        tmp_path,
        student=student,
        losses=both_losses()[1:],
        steps=100,
        learning_rate=0.01,
        sample_every=100,
        checkpoint_every=100,
    )
    lines = [json.loads(line) for line in (tmp_path / "statistics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[-1]["generator.l1"] < 0.6 * lines[0]["generator.l1"]
    assert (result.finished, result.steps, result.pairs) == (True, 100, 18)
    assert result.seconds > 0
    assert result.images_per_second == pytest.approx(400 / result.seconds)
    shipped = load_file(result.weights)
    assert shipped.keys() == student.generator.state_dict().keys()
    assert all(torch.equal(shipped[name], value) for name, value in student.generator.state_dict().items())
    assert not student.generator.training
    last = load_file(tmp_path / "checkpoints" / "step-00000100" / "tensors.safetensors")
    assert torch.equal(shipped["first.weight"], last["average/first.weight"])
    assert not torch.equal(shipped["first.weight"], last["generator/first.weight"])


def test_statistics_name_every_term_and_listeners_get_the_same(tmp_path: Path) -> None:
    told: list[tuple[int, dict[str, float]]] = []
    losses = [*both_losses(), ("l1", 2.0, Distance(None, BuildContext()))]
    train(tmp_path, losses=losses, steps=12, on_metrics=lambda step, numbers: told.append((step, dict(numbers))))
    lines = [json.loads(line) for line in (tmp_path / "statistics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [5, 10, 12]
    assert [(line.pop("step"), line) for line in lines if line.pop("phase") == "all"] == told
    numbers = told[0][1]
    assert numbers.keys() == {
        "generator.adversarial",
        "generator.l1",
        "generator.l1-2",
        "generator",
        "generator.gradient_norm",
        "discriminator.adversarial",
        "discriminator",
        "discriminator.gradient_norm",
        "learning_rate",
        "seconds",
        "images_per_s",
    }
    assert numbers["generator"] == pytest.approx(numbers["generator.adversarial"] + 12 * numbers["generator.l1"])


def test_sample_grids_show_source_target_and_student_of_the_held_out_pairs(tmp_path: Path) -> None:
    told: list[tuple[int, Path]] = []
    train(tmp_path, steps=10, sample_every=4, on_images=lambda step, path: told.append((step, path)))
    assert told == [(step, tmp_path / "samples" / f"step-{step:06d}.png") for step in (0, 4, 8, 10)]
    source, target = tiny_pairs().load_uint8([3, 5])
    with Image.open(told[-1][1]) as picture:
        assert picture.size == (3 * (SIZE + 2) + 2, 2 * (SIZE + 2) + 2)
        pixels = torch.tensor(list(picture.convert("RGB").tobytes())).view(picture.height, picture.width, 3)
    rows = [pixels[2 + row * (SIZE + 2) :][:SIZE] for row in (0, 1)]
    for row, (before, after) in zip(rows, zip(source, target, strict=True), strict=True):
        assert torch.equal(row[:, 2 : 2 + SIZE], before.permute(1, 2, 0))
        assert torch.equal(row[:, 4 + SIZE : 4 + 2 * SIZE], after.permute(1, 2, 0))


def test_pairs_that_do_not_fit_in_memory_are_read_ahead_and_train_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = load_file(train(tmp_path / "memory").weights)
    monkeypatch.setattr(training_pairs, "CACHE_LIMIT", 0)
    read_ahead = load_file(train(tmp_path / "disk").weights)
    assert all(torch.equal(read_ahead[name], value) for name, value in in_memory.items())


def test_with_little_memory_pairs_are_read_ahead_and_train_the_same(tmp_path: Path) -> None:
    whole, most = tiny_pairs(), []
    much = load_file(train(tmp_path / "much", memory=MemoryBound(2**40)).weights)

    def load(indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        most.append(len(indices))
        return whole.load_uint8(indices)

    pairs = TrainingPairs(whole.train, whole.held_out, load)
    little = load_file(train(tmp_path / "little", pairs=pairs, memory=MemoryBound(1)).weights)
    assert all(torch.equal(little[name], value) for name, value in much.items())
    assert max(most) == 4, "never more than a batch"


def test_weights_that_are_not_averaged_are_stored_once(tmp_path: Path) -> None:
    train(tmp_path, steps=4, ema_half_life=0)
    stored = load_file(tmp_path / "checkpoints" / "step-00000004" / "tensors.safetensors")
    assert {name.split("/")[0] for name in stored} >= {"generator", "discriminator", "generator_optimizer"}
    assert not any(name.startswith("average/") for name in stored)
    shipped = load_file(tmp_path / "student.safetensors")
    assert all(torch.equal(value, stored[f"generator/{name}"]) for name, value in shipped.items())


def test_a_step_that_does_not_fit_into_memory_is_told_with_what_to_lower(tmp_path: Path) -> None:
    class TooLarge(Distance):
        def generator(self, step: TrainingStep) -> Tensor:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9663676416 bytes")

    with pytest.raises(OutOfMemoryError, match=r"training in steps of 4 pairs did not fit .* lower train\.batch"):
        train(tmp_path, losses=[*both_losses(), ("large", 1.0, TooLarge(None, BuildContext()))])


def test_an_error_of_the_store_in_the_background_comes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_pairs, "CACHE_LIMIT", 0)
    whole = tiny_pairs()
    loads = itertools.count()

    def load(indices: object) -> tuple[Tensor, Tensor]:
        if next(loads) == 5:
            raise TrainingError("pair 7 is damaged")
        return whole.load_uint8([0, 1, 2, 4])

    with pytest.raises(TrainingError, match="pair 7 is damaged"):
        train(tmp_path, pairs=TrainingPairs(whole.train, whole.held_out, load))


@pytest.mark.parametrize(("pool", "runs"), [(0, 2), (3, 3)])
def test_the_discriminator_sees_each_picture_once(tmp_path: Path, pool: int, runs: int) -> None:
    student = TinyStudent()
    train(tmp_path, student=student, steps=4, image_pool=pool)
    assert student._discriminator.runs == 4 * runs


def test_without_adversarial_losses_the_discriminator_rests(tmp_path: Path) -> None:
    student = TinyStudent()
    before = {name: value.clone() for name, value in student._discriminator.state_dict().items()}
    train(tmp_path, student=student, losses=both_losses()[1:], steps=3)
    assert student._discriminator.runs == 0
    assert all(torch.equal(value, before[name]) for name, value in student._discriminator.state_dict().items())


def late_adversary(begins: float = 0.5) -> list[WeightedLoss]:
    adversarial, distance = both_losses()
    return [adversarial._replace(begins=begins), distance]


def test_a_loss_that_begins_later_costs_nothing_before_and_its_discriminator_rests(tmp_path: Path) -> None:
    student = TinyStudent()
    before = {name: weight.clone() for name, weight in student.discriminator.state_dict().items()}
    stopped = iter([*[False] * 11, True])
    train(tmp_path, student=student, losses=late_adversary(), stop=lambda: next(stopped), log_every=5)
    assert student.discriminator.runs == 0
    assert all(torch.equal(weight, before[name]) for name, weight in student.discriminator.state_dict().items())
    again = TinyStudent()
    train(tmp_path, student=again, losses=late_adversary(), log_every=5)
    assert again.discriminator.runs > 0
    assert not all(torch.equal(weight, before[name]) for name, weight in again.discriminator.state_dict().items())
    lines = [json.loads(line) for line in (tmp_path / "statistics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines if "generator.adversarial" not in line] == [5, 10, 12]
    assert [line["step"] for line in lines if "generator.adversarial" in line] == [15, 20, 24]


def test_before_a_loss_begins_the_training_is_that_without_it(tmp_path: Path) -> None:
    weights = []
    for name, losses in (("late", late_adversary(0.9)), ("without", both_losses()[1:])):
        student, stopped = TinyStudent(), iter([*[False] * 9, True])
        train(tmp_path / name, student=student, losses=losses, stop=lambda stopped=stopped: next(stopped))
        weights.append(student.generator.state_dict())
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())


def test_a_rehearsal_tries_each_stretch_of_steps_alike(tmp_path: Path) -> None:
    about = {"seed": 1, "device": CPU}
    with rehearse(TinyStudent(), late_adversary(), tiny_pairs(), settings(), tmp_path, **about) as rehearsal:
        assert rehearsal.stretch_ends == [12, 24]
        for number in (0, 1, 12, 13):
            rehearsal.step(number)
        rehearsal.open_files()
        rehearsal.log()
    line = json.loads((tmp_path / "statistics.jsonl").read_text(encoding="utf-8"))
    assert "generator.adversarial" in line


def test_a_training_in_which_every_loss_begins_later_is_refused(tmp_path: Path) -> None:
    losses = [term._replace(begins=0.25) for term in both_losses()]
    with pytest.raises(TrainingError, match="every loss begins later than the training does, the first one, adversar"):
        train(tmp_path, losses=losses)


def test_flat_frames_need_stored_targets(tmp_path: Path) -> None:
    pairs = dataclasses.replace(tiny_pairs(), teach=lambda source: -source)
    with pytest.raises(TrainingError, match=r"train\.flat_frames replaces targets as well as sources"):
        train(tmp_path, pairs=pairs, flat_frames=0.1)


def test_one_step_has_the_gradients_of_the_textbook(tmp_path: Path) -> None:
    student = TinyStudent()
    student.generator.eval()  # dropout would draw other numbers
    source, target = torch.rand(2, 4, 3, SIZE, SIZE) * 2 - 1
    generator, discriminator = student.generator, student._discriminator
    fake = generator(source)
    judged, real = student.discriminate(source, fake)[0], student.discriminate(source, target)[0]
    objective = (judged[-1] - 1).square().mean() + (judged[0] - real[0].detach()).abs().mean()
    objective = objective + 10 * (fake - target).abs().mean()
    expected = dict(
        zip(
            [name for name, _ in generator.named_parameters()],
            torch.autograd.grad(objective, list(generator.parameters())),
            strict=True,
        )
    )
    judged, real = student.discriminate(source, fake.detach())[0], student.discriminate(source, target)[0]
    adversarial = 0.5 * ((real[-1] - 1).square().mean() + judged[-1].square().mean())
    expected_adversary = torch.autograd.grad(adversarial, list(discriminator.parameters()))

    train_step(
        student,
        Batch(source, target),
        both_losses(),
        generate=generator,
        generator_descent=Descent(dict(generator.named_parameters()), 1e-3, (0.5, 0.999)),
        discriminator_descent=Descent(dict(discriminator.named_parameters()), 1e-3, (0.5, 0.999)),
        factor=1.0,
        autocast=autocaster("float32", CPU),
    )
    for name, weight in generator.named_parameters():
        torch.testing.assert_close(weight.grad, expected[name])
    for weight, gradient in zip(discriminator.parameters(), expected_adversary, strict=True):
        torch.testing.assert_close(weight.grad, gradient)


def test_phases_train_their_parameters_at_their_size(tmp_path: Path) -> None:
    phases = (
        TrainingPhase("half", 0.5, frozenset({"first.weight", "first.bias"})),
        TrainingPhase("rest", 0.5, frozenset({"last.weight", "last.bias"})),
    )
    student = TinyStudent({"phases": phases})
    sizes: list[int] = []
    student.generator.register_forward_pre_hook(
        lambda module, inputs: sizes.append(inputs[0].shape[2]) if module.training else None
    )
    first, last = student.generator.first.weight.clone(), student.generator.last.weight.clone()
    kept: dict[str, Tensor] = {}

    def keep(step: int, path: Path) -> None:
        if step == 5:
            kept.update({name: value.clone() for name, value in student.generator.state_dict().items()})

    train(tmp_path, student=student, steps=10, sample_every=5, on_images=keep, ema_half_life=0)
    assert sizes == [SIZE // 2] * 5 + [SIZE] * 5
    assert torch.equal(kept["last.weight"], last)
    assert not torch.equal(kept["first.weight"], first)
    assert torch.equal(student.generator.first.weight, kept["first.weight"])
    assert not torch.equal(student.generator.last.weight, last)
    lines = [json.loads(line) for line in (tmp_path / "statistics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["phase"] for line in lines] == ["half", "rest"]


def test_a_phase_with_unknown_parameters_is_refused(tmp_path: Path) -> None:
    student = TinyStudent({"phases": (TrainingPhase("all", 1.0, frozenset({"frist.weight"})),)})
    with pytest.raises(TrainingError, match=r"phase all names unknown parameters: frist\.weight"):
        train(tmp_path, student=student)


def test_training_stops_at_the_first_loss_that_is_not_finite_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    losses = [*both_losses(), ("broken", 1.0, BecomesNan({17}, BuildContext()))]
    with pytest.raises(NonFiniteError, match=r"at step 17: generator\.broken became nan\. .* step 14 is kept"):
        train(tmp_path, losses=losses)
    assert sorted(path.name for path in (tmp_path / "checkpoints").glob("step-*")) == ["step-00000007", "step-00000014"]
    weights = load_file(tmp_path / "checkpoints" / "step-00000014" / "tensors.safetensors")
    assert all(bool(value.isfinite().all()) for value in weights.values() if value.is_floating_point())
    assert not (tmp_path / "student.safetensors").exists()


def test_the_callers_random_numbers_are_not_touched(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    train(tmp_path, steps=2)
    assert torch.equal(torch.get_rng_state(), before)


def test_bf16_trains_float32_weights(tmp_path: Path) -> None:
    weights = load_file(train(tmp_path, steps=3, precision="bf16").weights)
    assert weights["first.weight"].dtype == torch.float32


def test_what_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    class Alone(TinyStudent):
        discriminator = None

    with pytest.raises(TrainingError, match="losses adversarial need a discriminator"):
        train(tmp_path, student=Alone(), losses=[("adversarial", 1.0, Adversarial(None, BuildContext()))])
    with pytest.raises(TrainingError, match="needs at least one"):
        train(tmp_path, losses=[])
    with pytest.raises(TrainingError, match="no pair to train on"):
        train(tmp_path, pairs=TrainingPairs([], [1], tiny_pairs().load_uint8))
    train(tmp_path, steps=5, stop=lambda: True)
    with pytest.raises(TrainingError, match="made with another seed, train section"):
        train(tmp_path, steps=6, seed=2)
    assert settings().steps == 24
