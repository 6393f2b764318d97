"""Small real students for trainings in several processes."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tiny_training import CPU, ignore_images, ignore_metrics
from tiny_translation import write_random_teacher
from torch import Tensor

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.pair_sources import Pictures
from gdp.core.progress import SilentProgress
from gdp.core.recipe.sections import TrainSection
from gdp.core.training import TrainingPairs, WeightedLoss, train_student
from gdp.core.training.group import Group
from gdp.plugins.cyclegan import CycleGANConfig
from gdp.plugins.cyclegan.teacher import CycleGANTeacher
from gdp.plugins.losses import FeatureL2Config, NoSettings
from gdp.plugins.losses.terms import FeatureMatchingLoss, L1Loss, LSGANLoss
from gdp.plugins.losses.translation import CycleL1Loss, FeatureL2Loss, IdentityL1Loss, OutputL1Loss
from gdp.plugins.pix2pixhd import Pix2PixHDConfig
from gdp.plugins.pix2pixhd.student import Pix2PixHDStudent
from gdp.plugins.resnet import ResnetConfig
from gdp.plugins.resnet.student import ResnetStudent

SIZE = 16
NONE = NoSettings()


def pairs(**more: Any) -> TrainingPairs:
    random = torch.Generator().manual_seed(0)
    source = torch.randint(0, 256, (24, 3, SIZE, SIZE), dtype=torch.uint8, generator=random)
    return TrainingPairs(range(2, 24), [0, 1], lambda some: (source[list(some)], 255 - source[list(some)]), **more)


def train_pix2pixhd(norm: str, folder: Path, stop: Callable[[], bool], **changes: Any) -> None:
    context = BuildContext(resolution=SIZE)
    config = {"width": 4, "downsamplings": 1, "blocks": 1, "discriminator_width": 4, "discriminator_layers": 2}
    student = Pix2PixHDStudent(
        Pix2PixHDConfig.model_validate({**config, "num_discriminators": 1, "norm": norm}), context
    )
    losses = [
        WeightedLoss("lsgan", 1.0, LSGANLoss(NONE, context)),
        WeightedLoss("feature-matching", 10.0, FeatureMatchingLoss(NONE, context)),
        WeightedLoss("l1", 20.0, L1Loss(NONE, context), 0.1),
    ]
    _train(student, losses, pairs(), folder, stop, gradient_clip=1.0, flat_frames=0.3, **changes)


def train_resnet(folder: Path, stop: Callable[[], bool], **changes: Any) -> None:
    context = BuildContext(resolution=SIZE)
    teacher = _teacher(folder, context)
    config = ResnetConfig(
        blocks=1, width=4, opposite="trained", discriminator_width=4, discriminator_layers=2, transfer="none"
    )
    student = ResnetStudent(config, context)
    student.initialise(teacher)
    losses = [
        WeightedLoss("lsgan", 1.0, LSGANLoss(NONE, context)),
        WeightedLoss("cycle-l1", 10.0, CycleL1Loss(NONE, context)),
        WeightedLoss("identity-l1", 5.0, IdentityL1Loss(NONE, context)),
        WeightedLoss("feature-l2", 1.0, FeatureL2Loss(FeatureL2Config(), context)),
        WeightedLoss("output-l1", 10.0, OutputL1Loss(NONE, context)),
    ]
    random = torch.Generator().manual_seed(1)
    real = torch.randint(0, 256, (23, 3, SIZE, SIZE), dtype=torch.uint8, generator=random)

    def load(numbers: Any) -> Tensor:
        return real[list(numbers)]

    these = pairs(unpaired=Pictures(23, load), teach=teacher.translate)
    _train(student, losses, these, folder, stop, jitter=20, teacher=teacher, **changes)


def _teacher(folder: Path, context: BuildContext) -> CycleGANTeacher:
    folder.mkdir(parents=True, exist_ok=True)
    return CycleGANTeacher(CycleGANConfig(weights=write_random_teacher(folder, blocks=2)), context)


def _train(student: Any, losses: Any, these: Any, folder: Path, stop: Any, teacher: Any = None, **changes: Any) -> None:
    chosen: dict[str, Any] = {
        "steps": STEPS,
        "batch": 4,
        "flip": True,
        "image_pool": 6,
        "precision": "float32",
        "log_every": 1,
        "sample_every": 1000,
        "checkpoint_every": STEPS - 1,
        "ema_half_life": 20.0,
        "learning_rate": 1e-3,
        "compile": "never",
    }
    train_student(
        student,
        losses,
        these,
        TrainSection(**(chosen | changes)),
        folder,
        seed=1,
        device=CPU,
        progress=SilentProgress(),
        on_metrics=ignore_metrics,
        on_images=ignore_images,
        stop=stop,
        teacher=teacher,
    )


STEPS = 50
TRAININGS = {
    "pix2pixhd, instance norm": partial(train_pix2pixhd, "instance"),
    "pix2pixhd, batch norm": partial(train_pix2pixhd, "batch"),
    "resnet, way back, adapters": train_resnet,
}


def train_one_step_and_all(name: str, group: Group, folder: Path) -> None:
    """Train a step, keep its checkpoint, and where several train go on to the end; into a folder of each rank's own."""
    own, calls = folder / f"{group.rank} of {group.world}", itertools.count(1)
    TRAININGS[name](own, lambda: next(calls) == 1)
    shutil.copytree(own, folder / f"{group.rank} of {group.world}, a step")
    if group.world > 1:
        TRAININGS[name](own, lambda: False)
