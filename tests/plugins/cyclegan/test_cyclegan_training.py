"""Training a CycleGAN: the published objective, official file names, exact resume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.datasets import Part, UnpairedDataset
from gdp.core.progress import Progress, SilentProgress
from gdp.core.training.objective import train_step
from gdp.core.training.optimizer import Descent
from gdp.core.training.precision import autocaster
from gdp.core.training.ways import Batch
from gdp.plugins.cyclegan import CycleGANConfig, CycleGANTraining
from gdp.plugins.cyclegan.bundle import untrained_networks
from gdp.plugins.cyclegan.teacher import CycleGANTeacher
from gdp.plugins.cyclegan.training import _losses
from gdp.plugins.resnet import ResnetConfig
from gdp.plugins.resnet.student import ResnetStudent

pytestmark = pytest.mark.training

SIZE = 32
CPU = torch.device("cpu")
SETTINGS: dict[str, Any] = {
    "steps": 6,
    "batch": 2,
    "width": 2,
    "blocks": 2,
    "discriminator_width": 2,
    "discriminator_layers": 2,
    "image_pool": 3,
    "checkpoint_every": 2,
    "sample_every": 6,
    "jitter": 36,
    "precision": "float32",
    "seed": 5,
}


class Noise(UnpairedDataset):
    """Random pictures; domain B is brighter, and the truth of A is its brighter self."""

    counts: dict[Part, int] = {"trainA": 5, "trainB": 4, "testA": 2, "testB": 2}  # noqa: RUF012 # never changed

    @property
    def resolution(self) -> int:
        return SIZE

    @property
    def fingerprint(self) -> str:
        return "noise"

    def count(self, part: Part) -> int:
        return self.counts[part]

    def images(self, part: Part, indices: Sequence[int]) -> Tensor:
        generator = torch.Generator().manual_seed(len(part) + ord(part[-1]) + (part.startswith("test")))
        pictures = torch.randint(0, 128, (self.counts[part], 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
        return (pictures + (100 if part.endswith("B") else 0))[list(indices)]

    def truth(self, part: Part, indices: Sequence[int]) -> Tensor | None:
        return self.images(part, indices) + 100 if part.endswith("A") else None


def train(
    folder: Path, dataset: UnpairedDataset | None = None, progress: Progress | None = None, **changes: Any
) -> Path:
    settings = CycleGANTraining.model_validate({**SETTINGS, **changes})
    dataset = dataset or Noise(None, BuildContext())
    return CycleGANTeacher.train(settings, dataset, folder, progress or SilentProgress())


def test_the_defaults_are_the_published_recipe() -> None:
    published = CycleGANTraining.model_validate({})
    assert (published.epochs, published.batch, published.learning_rate, published.betas) == (200, 1, 2e-4, (0.5, 0.999))
    assert (published.schedule, published.decay_from, published.image_pool, published.flip) == ("linear", 0.5, 50, True)
    weights = (published.adversarial_weight, published.cycle_weight, published.identity_weight)
    assert (published.width, published.blocks, *weights) == (64, 9, 1, 10, 5)
    assert CycleGANTraining.model_validate({"steps": 3}).epochs is None


def test_one_step_has_the_gradients_of_the_published_objective() -> None:
    context = BuildContext(seed=1, resolution=SIZE)
    config = ResnetConfig(blocks=2, width=2, opposite="trained", discriminator_width=2, discriminator_layers=2)
    student = ResnetStudent(config, context)
    student.initialise(None)
    there, opposite = student.generator, student.opposite
    assert opposite is not None
    back, judge_b, judge_a = opposite.generator, student.discriminator, opposite.discriminator
    assert judge_a is not None
    assert judge_b is not None
    a, b = torch.rand(2, 2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2)) * 2 - 1

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return (x - y).abs().mean()

    def judged(judge: nn.Module, picture: Tensor) -> Tensor:
        logits: Tensor = judge(picture)[0][-1]
        return logits

    fake_b, fake_a = there(a), back(b)
    objective = (judged(judge_b, fake_b) - 1).square().mean() + (judged(judge_a, fake_a) - 1).square().mean()
    objective = objective + 10 * (distance(back(fake_b), a) + distance(there(fake_a), b))
    objective = objective + 5 * (distance(there(b), b) + distance(back(a), a))
    generators = {f"{n}.{key}": w for n, net in (("there", there), ("back", back)) for key, w in net.named_parameters()}
    expected = torch.autograd.grad(objective, list(generators.values()))
    adversarial = sum(
        0.5 * ((judged(judge, real) - 1).square().mean() + judged(judge, fake.detach()).square().mean())
        for judge, real, fake in ((judge_b, b, fake_b), (judge_a, a, fake_a))
    )
    assert isinstance(adversarial, Tensor)
    judges = {f"{n}.{key}": w for n, net in (("b", judge_b), ("a", judge_a)) for key, w in net.named_parameters()}
    expected_judges = torch.autograd.grad(adversarial, list(judges.values()))

    values = train_step(
        student,
        Batch(a, None, b),
        _losses(CycleGANTraining.model_validate({}), context),
        generate=there,
        generator_descent=Descent(generators, 1e-3, (0.5, 0.999)),
        discriminator_descent=Descent(judges, 1e-3, (0.5, 0.999)),
        factor=1.0,
        autocast=autocaster("float32", CPU),
    )
    torch.testing.assert_close(values["generator"], objective.detach())
    torch.testing.assert_close(values["discriminator"], adversarial.detach())
    for weights, gradients in ((generators, expected), (judges, expected_judges)):
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
            torch.testing.assert_close(weight.grad, gradient, msg=lambda text, name=name: f"{name}: {text}")


def test_a_teacher_is_trained_and_teaches(tmp_path: Path) -> None:
    weights = train(tmp_path)
    tensors = load_file(weights)
    assert {name.partition(".")[0] for name in tensors} == {"G_A", "G_B", "D_A", "D_B"}
    assert "G_A.model.1.weight" in tensors
    teacher = CycleGANTeacher(CycleGANConfig(weights=weights), BuildContext())
    opposite = teacher.opposite
    assert opposite is not None
    assert None not in teacher.discriminators
    pictures = torch.rand(1, 3, SIZE, SIZE) * 2 - 1
    back = CycleGANTeacher(CycleGANConfig(weights=weights, direction="BtoA"), BuildContext())
    assert (teacher.source_domain, back.source_domain) == ("A", "B")
    torch.testing.assert_close(back.translate(pictures), opposite(pictures), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(teacher.translate(pictures), back.translate(pictures))
    assert (tmp_path / "samples" / "step-000006.png").is_file()
    assert len((tmp_path / "held_out.jsonl").read_text().splitlines()) == 2, "the truth is known: distances are told"


class Interruption(Exception):
    """Stands for a kill."""


class InterruptedAt(SilentProgress):
    """Ends the process's work, as a kill does, when so many units of a task are done."""

    def __init__(self, units: int) -> None:
        self.units = units

    @contextmanager
    def task(self, title: str, total: int, unit: str, done: int = 0) -> Iterator[Any]:
        with super().task(title, total, unit, done=done) as task:
            yield Countdown(self.units) if title == "train" else task


class Countdown:
    def __init__(self, units: int) -> None:
        self.units = units

    def advance(self, count: int = 1, **values: float) -> None:
        self.units -= count
        if self.units == 0:
            raise Interruption


@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_training_goes_on_where_it_was_bit_for_bit(tmp_path: Path, after: int) -> None:
    whole = train(tmp_path / "whole")
    with pytest.raises(Interruption):
        train(tmp_path / "broken", progress=InterruptedAt(after))
    broken = train(tmp_path / "broken")
    for name in ("teacher.safetensors", "held_out.jsonl", "samples/step-000006.png"):
        assert (broken.parent / name).read_bytes() == (whole.parent / name).read_bytes(), name


def test_half_weights_take_half_the_space(tmp_path: Path) -> None:
    whole, half = train(tmp_path / "whole"), train(tmp_path / "half", half=True)
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    CycleGANTeacher(CycleGANConfig(weights=half), BuildContext())


def test_an_empty_domain_is_refused(tmp_path: Path) -> None:
    class Empty(Noise):
        counts: dict[Part, int] = {"trainA": 5, "trainB": 0, "testA": 0, "testB": 0}  # noqa: RUF012 # never changed

    with pytest.raises(MissingResourceError, match="trainA or trainB is empty"):
        train(tmp_path, Empty(None, BuildContext()))


def test_a_missing_direction_is_told(tmp_path: Path) -> None:
    weights = train(tmp_path)
    tensors = {name: tensor for name, tensor in load_file(weights).items() if name.startswith("G_A.")}
    save_file(tensors, tmp_path / "one.safetensors")
    assert CycleGANTeacher(CycleGANConfig(weights=tmp_path / "one.safetensors"), BuildContext()).opposite is None
    with pytest.raises(MissingResourceError, match=r"no generator G_B \(BtoA\)"):
        CycleGANTeacher(CycleGANConfig(weights=tmp_path / "one.safetensors", direction="BtoA"), BuildContext())


def random_networks(width: int, upsampling: str = "deconvolution") -> dict[str, Tensor]:
    """Return all four networks' tensors, biases that are no zeros among them."""
    settings = CycleGANTraining.model_validate({**SETTINGS, "width": width, "upsampling": upsampling})
    made = untrained_networks(settings)
    named = {"G_A": made.generator, "G_B": made.opposite, "D_A": made.discriminator, "D_B": made.opposite_discriminator}
    random = torch.Generator().manual_seed(3)
    return {
        f"{name}.{key}": tensor + 0.1 * torch.randn(tensor.shape, generator=random)
        for name, network in named.items()
        if network is not None
        for key, tensor in network.state_dict().items()
    }


@pytest.mark.parametrize("upsampling", ["deconvolution", "resize"])
def test_a_training_goes_on_from_both_generators_and_wider_ones_draw_the_same(tmp_path: Path, upsampling: str) -> None:
    save_file(random_networks(2, upsampling), tmp_path / "given.safetensors")
    wide = {"width": 3, "discriminator_width": 3, "upsampling": upsampling, "learning_rate": 1e-12}
    made = train(tmp_path / "wide", from_weights=tmp_path / "given.safetensors", **wide)
    pictures = torch.rand(2, 3, SIZE, SIZE) * 2 - 1
    for direction in ("AtoB", "BtoA"):
        narrow, wider = (
            CycleGANTeacher(CycleGANConfig(weights=file, direction=direction), BuildContext())
            for file in (tmp_path / "given.safetensors", made)
        )
        assert wider.module.channels.stem == 3
        torch.testing.assert_close(wider.translate(pictures), narrow.translate(pictures), atol=1e-5, rtol=1e-4)
        for ours, theirs in zip(wider.discriminators, narrow.discriminators, strict=True):
            assert ours is not None and theirs is not None
            torch.testing.assert_close(ours(pictures)[0][-1], theirs(pictures)[0][-1], atol=1e-5, rtol=1e-4)


def test_a_published_folder_can_be_gone_on_from(tmp_path: Path) -> None:
    for network, tensors in by_network(random_networks(2)).items():
        torch.save(tensors, tmp_path / f"latest_net_{network}.pth")
    made = load_file(train(tmp_path / "run", from_weights=tmp_path, learning_rate=1e-12))
    (tmp_path / "latest_net_G_B.pth").unlink()
    assert all(torch.allclose(made[name], tensor, atol=1e-6) for name, tensor in random_networks(2).items())
    with pytest.raises(MissingResourceError, match="needs both generators to go on from, and G_B is not there"):
        train(tmp_path / "other", from_weights=tmp_path)


@pytest.mark.parametrize("changes", [{"width": 1}, {"blocks": 3}, {"discriminator_width": 1}, {"predicts": "change"}])
def test_networks_that_do_not_fit_are_refused_with_what_to_set(tmp_path: Path, changes: dict[str, Any]) -> None:
    save_file(random_networks(2), tmp_path / "given.safetensors")
    with pytest.raises(
        CorruptFileError, match=r"does not fit the recipe's network: .* Set blocks, upsampling and predicts"
    ):
        train(tmp_path / "run", from_weights=tmp_path / "given.safetensors", **changes)


def test_a_training_that_predicts_changes_writes_a_teacher_that_tells_so(tmp_path: Path) -> None:
    made = train(tmp_path / "run", predicts="change", learning_rate=1e-12)
    teacher = CycleGANTeacher(CycleGANConfig(weights=made), BuildContext())
    pictures = torch.rand(2, 3, SIZE, SIZE) * 2 - 1
    assert teacher.module.predicts == "change"
    torch.testing.assert_close(teacher.translate(pictures), pictures, atol=1e-5, rtol=0)


def test_a_training_that_has_begun_goes_on_from_its_checkpoint_and_says_so(tmp_path: Path) -> None:
    save_file(random_networks(2), tmp_path / "given.safetensors")
    first = train(tmp_path / "run", from_weights=tmp_path / "given.safetensors")
    bits = first.read_bytes()
    told: list[str] = []

    class Told(SilentProgress):
        def message(self, text: str) -> None:
            told.append(text)

    assert train(tmp_path / "run", None, Told(), from_weights=tmp_path / "given.safetensors").read_bytes() == bits
    assert any("has begun, and goes on from its checkpoint" in line for line in told)


def by_network(tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        network, _, key = name.partition(".")
        parts.setdefault(network, {})[key] = tensor
    return parts
