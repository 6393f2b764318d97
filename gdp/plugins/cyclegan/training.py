"""Train a CycleGAN (Zhu et al., ICCV 2017) with core's own trainer: two generators, two discriminators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gdp import BuildContext, MissingResourceError, Part, Pictures, Progress, Student, UnpairedDataset
from gdp.plugins.cyclegan import CycleGANConfig, CycleGANTraining
from gdp.plugins.cyclegan.bundle import bundle, fill, load_states
from gdp.plugins.losses import NoSettings
from gdp.plugins.losses.terms import LSGANLoss
from gdp.plugins.losses.translation import CycleL1Loss, IdentityL1Loss
from gdp.plugins.resnet import ResnetConfig
from gdp.plugins.resnet.student import ResnetStudent
from gdp.toolbox import (
    TrainingPairs,
    TrainSection,
    WeightedLoss,
    resolve_device,
    train_student,
    training_group,
    write_tensors,
)

RESULT = "teacher.safetensors"


def train(config: CycleGANTraining, images: UnpairedDataset, folder: Path, progress: Progress) -> Path:
    """Train, or go on from the newest checkpoint, and return the file of all four networks.

    On a CPU a training that was stopped or killed ends in the bits of an unbroken one, image pools included.

    Args:
        config: how to train.
        images: the pictures of both domains; sample grids show test pictures of A beside their truth where it is
            known, else beside pictures of B.
        folder: gets `teacher.safetensors` and all that `train_student` writes.
        progress: reports one unit a step.

    Raises:
        MissingResourceError: a domain has no pictures, or there are no networks to go on from.
        CorruptFileError: what is to be gone on from holds others.
        TrainingError, NonFiniteError, DiskFullError, RunFolderError: as of `train_student`.
    """
    device = torch.device(resolve_device(config.device, "the device of the training"))
    context = BuildContext(seed=config.seed, device=device, resolution=images.resolution)
    student = ResnetStudent(_both_generators(config), context)
    student.initialise(None)
    _begin(config, student, folder, progress)
    train_student(
        student,
        _losses(config, context),
        _unpaired_pictures(images),
        TrainSection.model_validate(config.model_dump(include=set(TrainSection.model_fields))),
        folder,
        seed=config.seed,
        device=device,
        progress=progress,
        on_metrics=_ignore,
        on_images=_ignore,
        memory=images.context.memory,
    )
    group = training_group()
    if group.leads:
        write_tensors(folder / RESULT, bundle(_networks(student), config.half))
    group.meet()  # whoever returns finds the file
    return folder / RESULT


def _begin(config: CycleGANTraining, student: Student, folder: Path, progress: Progress) -> None:
    """Fill the networks with those that the settings name, unless the training has begun."""
    if config.from_weights is None:
        return
    if any((folder / "checkpoints").glob("step-*")):
        progress.message(f"{folder}: this training has begun, and goes on from its checkpoint")
        return
    given = load_states(CycleGANConfig(weights=config.from_weights), "train.from_weights (--from)")
    fill(_networks(student), given, str(config.from_weights), progress)


def _ignore(step: int, what: object) -> None:
    """Serve where nobody listens."""


def _both_generators(config: CycleGANTraining) -> ResnetConfig:
    return ResnetConfig(
        blocks=config.blocks,
        width=config.width,
        upsampling=config.upsampling,
        predicts=config.predicts,
        opposite="trained",
        discriminator_width=config.discriminator_width,
        discriminator_layers=config.discriminator_layers,
    )


def _losses(config: CycleGANTraining, context: BuildContext) -> Sequence[WeightedLoss]:
    settings = NoSettings()
    terms = (
        WeightedLoss("lsgan", config.adversarial_weight, LSGANLoss(settings, context)),
        WeightedLoss("cycle-l1", config.cycle_weight, CycleL1Loss(settings, context)),
        WeightedLoss("identity-l1", config.identity_weight, IdentityL1Loss(settings, context)),
    )
    return [term for term in terms if term.weight > 0]


def _unpaired_pictures(images: UnpairedDataset) -> TrainingPairs:
    """Number the pictures of A: first those to train on, then those of the test part."""
    count, other = images.count("trainA"), images.count("trainB")
    if not count or not other:
        raise MissingResourceError("a CycleGAN needs pictures of both domains: trainA or trainB is empty")
    train, test = range(count), range(count, count + images.count("testA"))

    def load(indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        part: Part = "trainA" if indices[0] in train else "testA"
        numbers = list(indices) if part == "trainA" else [index - count for index in indices]
        source = images.images(part, numbers)
        # Nothing learns from these: they stand beside the samples.
        truth = images.truth(part, numbers) if part == "testA" else None
        return source, truth if truth is not None else _beside(images, other, numbers)

    unpaired = Pictures(other, lambda numbers: images.images("trainB", numbers))
    known = bool(test) and images.truth("testA", [0]) is not None
    return TrainingPairs(train, test, load, unpaired, learns_from_targets=False, measures_targets=known)


def _beside(images: UnpairedDataset, count: int, numbers: Sequence[int]) -> Tensor:
    return images.images("trainB", [number % count for number in numbers])


def _networks(student: Student) -> Mapping[str, nn.Module]:
    opposite = student.opposite
    assert opposite is not None
    assert opposite.discriminator is not None
    assert student.discriminator is not None
    return {
        "G_A": student.generator,
        "G_B": opposite.generator,
        "D_A": student.discriminator,
        "D_B": opposite.discriminator,
    }
