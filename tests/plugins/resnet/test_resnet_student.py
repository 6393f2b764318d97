"""The ResNet student: what it takes over, which networks train, how it is pruned."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from gdp.core.arithmetic import count_macs
from gdp.core.errors import CorruptFileError, MissingResourceError, ShapeError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.losses import Loss
from gdp.core.interfaces.pair_sources import Pictures
from gdp.core.progress import SilentProgress
from gdp.core.recipe.sections import TrainSection
from gdp.core.training import TrainingPairs, TrainingResult, train_student
from gdp.plugins.cyclegan import CycleGANConfig
from gdp.plugins.cyclegan.bundle import bundle
from gdp.plugins.cyclegan.teacher import CycleGANTeacher
from gdp.plugins.losses import FeatureL2Config, NoSettings
from gdp.plugins.losses.terms import LSGANLoss
from gdp.plugins.losses.translation import CycleL1Loss, FeatureL2Loss, IdentityL1Loss, OutputL1Loss
from gdp.plugins.resnet import ResnetConfig
from gdp.plugins.resnet.networks import GeneratorChannels, PatchDiscriminator, ResnetGenerator
from gdp.plugins.resnet.student import ResnetStudent

SIZE = 32
CONTEXT = BuildContext(seed=4, resolution=SIZE)


def make_teacher(folder: Path, networks: tuple[str, ...] = ("G_A", "G_B", "D_A", "D_B")) -> CycleGANTeacher:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        channels = GeneratorChannels.uniform(4, 5)
        made = {
            "G_A": ResnetGenerator(channels),
            "G_B": ResnetGenerator(channels),
            "D_A": PatchDiscriminator(width=2, layers=2),
            "D_B": PatchDiscriminator(width=2, layers=2),
        }
    path = folder / "teacher.safetensors"
    save_file(bundle({name: made[name] for name in networks}, half=False), path)
    return CycleGANTeacher(CycleGANConfig(weights=path), CONTEXT)


def make_student(**settings: Any) -> ResnetStudent:
    chosen = {"width": 4, "blocks": 2, "discriminator_width": 2, "discriminator_layers": 2, **settings}
    return ResnetStudent(ResnetConfig.model_validate(chosen), CONTEXT)


def losses() -> list[tuple[str, float, Loss]]:
    terms: list[tuple[str, float, Loss]] = [
        (name, weight, kind(NoSettings(), CONTEXT))
        for name, weight, kind in (
            ("lsgan", 1.0, LSGANLoss),
            ("cycle-l1", 10.0, CycleL1Loss),
            ("identity-l1", 5.0, IdentityL1Loss),
            ("output-l1", 10.0, OutputL1Loss),
        )
    ]
    return [*terms, ("feature-l2", 1.0, FeatureL2Loss(FeatureL2Config(), CONTEXT))]


def never() -> bool:
    return False


def train(
    folder: Path,
    student: ResnetStudent,
    teacher: CycleGANTeacher,
    stop: Callable[[], bool] = never,
    **settings: Any,
) -> TrainingResult:
    generator = torch.Generator().manual_seed(0)
    source, target = torch.randint(0, 256, (2, 6, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
    pairs = TrainingPairs(
        range(4),
        [4, 5],
        lambda indices: (source[list(indices)], target[list(indices)]),
        unpaired=Pictures(6, lambda numbers: target[list(numbers)]),
        teach=teacher.translate,
    )
    return train_student(
        student,
        losses(),
        pairs,
        TrainSection(batch=2, precision="float32", image_pool=2, **{"steps": 2, **settings}),
        folder,
        seed=1,
        device=torch.device("cpu"),
        progress=SilentProgress(),
        on_metrics=lambda step, metrics: None,
        on_images=lambda step, path: None,
        teacher=teacher,
        stop=stop,
    )


def test_resampling_layers_come_from_the_teacher(tmp_path: Path) -> None:
    teacher, student = make_teacher(tmp_path), make_student()
    facts = student.initialise(teacher)
    copied = {row["student"]: row["teacher"] for row in facts["layers"] if row["copied"]}
    assert copied["model.4.weight"] == "model.4.weight"
    assert copied["model.12.weight"] == "model.15.weight", "matched by what it does: 5 blocks there, 2 here"
    ours, theirs = student.generator.state_dict(), teacher.module.state_dict()
    assert all(torch.equal(ours[name], theirs[source]) for name, source in copied.items())
    assert (facts["opposite"], facts["discriminator"]) == ("the teacher's", "the teacher's")


def test_nothing_is_copied_where_the_settings_say_so(tmp_path: Path) -> None:
    fresh, student = make_student(), make_student(transfer="none")
    facts = student.initialise(make_teacher(tmp_path))
    assert "layers" not in facts
    for name, weight in fresh.generator.state_dict().items():
        assert torch.equal(weight, student.generator.state_dict()[name])


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> bool:
    return any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.training
@pytest.mark.parametrize("opposite", ["trained", "frozen"])
@pytest.mark.parametrize("discriminators", ["trained", "frozen"])
def test_the_settings_decide_what_keeps_training(tmp_path: Path, opposite: str, discriminators: str) -> None:
    teacher, student = make_teacher(tmp_path), make_student(opposite=opposite, discriminators=discriminators)
    student.initialise(teacher)
    back = student.opposite
    assert back is not None
    assert student.discriminator is not None
    networks = {"generator": student.generator, "opposite": back.generator, "discriminator": student.discriminator}
    if back.discriminator is not None:
        networks["opposite_discriminator"] = back.discriminator
    before = {n: {k: v.clone() for k, v in network.state_dict().items()} for n, network in networks.items()}
    train(tmp_path / "run", student, teacher)
    moved = {name for name, network in networks.items() if changed(before[name], network.state_dict())}
    expected = {"generator"} | ({"opposite"} if opposite == "trained" else set())
    if discriminators == "trained":
        expected |= {"discriminator"} | ({"opposite_discriminator"} if opposite == "trained" else set())
    assert moved == expected
    assert (tmp_path / "run" / "opposite.safetensors").exists() == (opposite == "trained")
    assert teacher.opposite is not back.generator, "the teacher itself never changes"


@pytest.mark.training
def test_a_narrower_student_trains_adapters_that_are_saved(tmp_path: Path) -> None:
    teacher, student = make_teacher(tmp_path), make_student(width=2)
    student.initialise(teacher)
    train(tmp_path / "run", student, teacher)
    assert (tmp_path / "run" / "losses.safetensors").stat().st_size > 0


@pytest.mark.training
def test_distillation_goes_on_bit_for_bit(tmp_path: Path) -> None:
    def trained(folder: str, *stops: int) -> bytes:
        for after in (*stops, 0):
            teacher, student = make_teacher(tmp_path), make_student(width=2, opposite="trained")
            student.initialise(teacher)
            asked = itertools.count(1)
            result = train(
                tmp_path / folder,
                student,
                teacher,
                lambda after=after, asked=asked: next(asked) == after,  # type: ignore[misc]
                steps=6,
                flip=True,
                jitter=36,
                log_every=2,
            )
        return result.weights.read_bytes()

    assert trained("broken", 1, 2) == trained("whole")


def test_a_teacher_without_a_way_back_is_told(tmp_path: Path) -> None:
    teacher = make_teacher(tmp_path, ("G_A",))
    with pytest.raises(MissingResourceError, match=r'student\.opposite = "none"'):
        make_student().initialise(teacher)
    fresh = make_student(opposite="trained")
    facts = fresh.initialise(teacher)
    assert (facts["opposite"], facts["discriminator"]) == ("fresh", "fresh")
    alone = make_student(opposite="none")
    alone.initialise(teacher)
    assert alone.opposite is None


def test_pruning_gives_settings_and_weights_of_a_smaller_student() -> None:
    student, example = make_student(width=12), torch.rand(1, 3, SIZE, SIZE) * 2 - 1
    pruned = student.pruned(0.5, example)
    smaller = make_student(width=12, **pruned.settings)
    smaller.generator.load_state_dict(dict(pruned.weights))
    assert count_macs(smaller.generator, example) <= 0.5 * count_macs(student.generator, example)
    assert smaller.generator(example).shape == example.shape


def test_a_student_begins_with_given_weights(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    weights = {name: tensor + 1 for name, tensor in make_student().generator.state_dict().items()}
    save_file(weights, path)
    student = make_student(weights=path)
    student.initialise(make_teacher(tmp_path))
    assert all(torch.equal(tensor, weights[name]) for name, tensor in student.generator.state_dict().items())
    with pytest.raises(CorruptFileError, match="another network's"):
        make_student(weights=path, width=3).initialise(None)


def test_a_size_that_the_network_cannot_take_is_told() -> None:
    with pytest.raises(ShapeError, match="multiple of 4"):
        ResnetStudent(ResnetConfig(), BuildContext(resolution=30))
