"""The pix2pixHD student as the trainer sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor

from gdp.core.errors import ShapeError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.losses import Loss
from gdp.core.progress import SilentProgress
from gdp.core.recipe.sections import TrainSection
from gdp.core.training import TrainingPairs, train_student
from gdp.plugins.losses import NoSettings
from gdp.plugins.losses.terms import FeatureMatchingLoss, L1Loss, LSGANLoss
from gdp.plugins.pix2pixhd import Pix2PixHDConfig
from gdp.plugins.pix2pixhd.student import Pix2PixHDStudent

SIZE = 32


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny networks train fastest on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def student(input_channels: int = 3, seed: int = 0, **settings: Any) -> Pix2PixHDStudent:
    small = {"width": 4, "blocks": 1, "enhancer_blocks": 1, "discriminator_width": 4, "discriminator_layers": 2}
    context = BuildContext(seed=seed, input_channels=input_channels, resolution=SIZE)
    return Pix2PixHDStudent(Pix2PixHDConfig(**(small | settings)), context)


def test_the_default_has_two_million_parameters() -> None:
    built = Pix2PixHDStudent(Pix2PixHDConfig(), BuildContext())
    assert sum(weight.numel() for weight in built.generator.parameters()) == 1_965_059


@pytest.mark.parametrize("enhancers", [0, 1, 2])
@pytest.mark.parametrize("channels", [3, 6])
def test_an_untrained_student_of_changes_changes_nothing(enhancers: int, channels: int) -> None:
    source = torch.rand(1, channels, SIZE, SIZE) * 2 - 1
    predicted = student(channels, local_enhancers=enhancers).generator(source)
    torch.testing.assert_close(predicted, source[:, :3])


def test_an_untrained_student_of_images_makes_an_image_of_its_own() -> None:
    source = torch.rand(1, 3, SIZE, SIZE) * 2 - 1
    predicted = student(predicts="image").generator(source)
    assert predicted.shape == source.shape
    assert (predicted - source).abs().mean() > 0.1


def test_weights_follow_from_the_seed_alone() -> None:
    first = student(seed=5)
    torch.rand(3)
    before = torch.get_rng_state()
    again, other = student(seed=5), student(seed=6)
    assert torch.equal(torch.get_rng_state(), before)
    name = "model.1.weight"
    assert torch.equal(first.generator.state_dict()[name], again.generator.state_dict()[name])
    assert not torch.equal(first.generator.state_dict()[name], other.generator.state_dict()[name])


def test_the_discriminator_judges_a_picture_by_its_source() -> None:
    built = student(input_channels=6, num_discriminators=3)
    source, image = torch.randn(2, 6, SIZE, SIZE), torch.randn(2, 3, SIZE, SIZE)
    judgements = built.discriminate(source, image)
    assert [len(features) for features in judgements] == [4, 4, 4]
    assert not torch.equal(judgements[0][-1], built.discriminate(-source, image)[0][-1])


def test_a_size_that_the_downsamplings_do_not_divide_is_refused() -> None:
    with pytest.raises(ShapeError, match="multiple of 64; the pairs have 32 pixels"):
        student(downsamplings=5, local_enhancers=1)


def test_phases_that_leave_no_step_for_both_parts_are_refused() -> None:
    with pytest.raises(ValidationError, match="must leave a share"):
        Pix2PixHDConfig(global_fraction=0.8, enhancer_fraction=0.2)


def losses() -> list[tuple[str, float, Loss]]:
    config, context = NoSettings(), BuildContext()
    return [
        ("lsgan", 1.0, LSGANLoss(config, context)),
        ("feature-matching", 10.0, FeatureMatchingLoss(config, context)),
        ("l1", 20.0, L1Loss(config, context)),
    ]


def train(built: Pix2PixHDStudent, folder: Path, steps: int, **settings: Any) -> dict[int, dict[str, float]]:
    generator = torch.Generator().manual_seed(0)
    source = torch.randint(0, 200, (12, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
    target = source + 50
    numbers: dict[int, dict[str, float]] = {}

    def load(indices: Any) -> tuple[Tensor, Tensor]:
        return source[list(indices)], target[list(indices)]

    train_student(
        built,
        losses(),
        TrainingPairs(range(2, 12), range(2), load),
        TrainSection(steps=steps, batch=4, precision="float32", **settings),
        folder,
        seed=0,
        device=torch.device("cpu"),
        progress=SilentProgress(),
        on_metrics=lambda step, metrics: numbers.update({step: dict(metrics)}),
        on_images=lambda step, path: None,
    )
    return numbers


@pytest.mark.training
def test_the_student_learns_a_change(tmp_path: Path) -> None:
    numbers = train(student(), tmp_path, 30, log_every=5, learning_rate=5e-3)
    assert numbers[30]["generator.l1"] < 0.5 * numbers[5]["generator.l1"]
    assert numbers[30]["generator.feature-matching"] > 0


@pytest.mark.training
def test_enhancers_are_trained_coarse_to_fine(tmp_path: Path) -> None:
    built = student(local_enhancers=1, global_fraction=0.5, enhancer_fraction=0.25)
    sizes: list[int] = []
    built.discriminator.register_forward_pre_hook(lambda module, inputs: sizes.append(inputs[0].shape[2]))
    train(built, tmp_path, 8, checkpoint_every=2, log_every=1)
    assert sizes == [SIZE // 2] * 8 + [SIZE] * 8  # prediction and target in each step
    coarse, frozen = (
        load_file(tmp_path / "checkpoints" / f"step-{step:08d}" / "tensors.safetensors") for step in (6, 8)
    )
    before = student(local_enhancers=1).generator.state_dict()
    assert not torch.equal(coarse["generator/model.1.weight"], before["model.1.weight"])
    assert not torch.equal(frozen["generator/model.1.weight"], coarse["generator/model.1.weight"])
    assert not torch.equal(coarse["generator/model1_2.0.conv_block.1.weight"], before["model1_2.0.conv_block.1.weight"])
