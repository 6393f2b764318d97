"""Trainings on the pretended GPU, each over a checkpoint to its end. Another process imports this and calls them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models import vgg19

from gdp import BuildContext, Loss, Student, TrainingStep
from gdp.core.errors import OutOfMemoryError
from gdp.core.interfaces.pair_sources import Pictures
from gdp.core.progress import SilentProgress
from gdp.core.recipe.sections import TrainSection
from gdp.core.training import TrainingPairs, train_student
from gdp.core.training.loader import BatchSampler, open_feed
from gdp.plugins.cyclegan import CycleGANConfig, CycleGANTraining
from gdp.plugins.cyclegan.teacher import CycleGANTeacher
from gdp.plugins.cyclegan.training import train as train_cyclegan
from gdp.plugins.faces import RenderedFacesConfig
from gdp.plugins.faces.renderer import RenderedFaces
from gdp.plugins.losses import FeatureL2Config, NoSettings, PerceptualVGGConfig, STLPIPSConfig, terms, translation
from gdp.plugins.pix2pixhd import Pix2PixHDConfig
from gdp.plugins.pix2pixhd.student import Pix2PixHDStudent
from gdp.plugins.resnet import ResnetConfig
from gdp.plugins.resnet.student import ResnetStudent
from gdp.plugins.stylegan2 import TrainingSettings
from gdp.plugins.stylegan2.training import train as train_stylegan2
from gdp.testing.examples import TinyDataset, TinyUnpairedDataset, as_uint8, pictures

SIZE = 32
HERE: dict[str, Any] = {"device": torch.device("cuda"), "resolution": SIZE}
SMALL_PIX2PIXHD = {"width": 4, "downsamplings": 1, "blocks": 1, "discriminator_width": 4, "num_discriminators": 2}
SMALL_RESNET = {"width": 4, "blocks": 2, "discriminator_width": 4, "discriminator_layers": 1}


class Messages(SilentProgress):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def message(self, text: str) -> None:
        self.told.append(text)


def plain(loss: type[Loss]) -> Loss:
    return loss(NoSettings(), BuildContext(**HERE))


def all_losses_of_pairs(folder: str) -> list[str]:
    """pix2pixHD, bf16, every loss that takes pairs, a late adversary, clip, pool, mirror, jitter, flat frames."""
    losses: list[Any] = [
        ("lsgan", 1.0, plain(terms.LSGANLoss), 0.4),
        ("feature-matching", 10.0, plain(terms.FeatureMatchingLoss), 0.4),
        ("rmse", 1.0, plain(terms.RMSELoss)),
        ("l1", 1.0, plain(terms.L1Loss)),
        ("output-l1", 1.0, plain(translation.OutputL1Loss)),
        ("st-lpips", 1.0, terms.STLPIPSLoss(STLPIPSConfig(network="alex"), BuildContext(**HERE))),
    ]
    for normalised in (False, True):
        config = PerceptualVGGConfig(weights=random_vgg19(Path(folder)), imagenet_normalisation=normalised)
        losses.append(("perceptual-vgg", 1.0, terms.PerceptualVGGLoss(config, BuildContext(**HERE))))
    settings = {"gradient_clip": 1.0, "image_pool": 3, "flip": True, "jitter": SIZE + 4, "ema_half_life": 10.0}
    settings["flat_frames"] = 0.25
    return train(
        Path(folder), Pix2PixHDStudent(Pix2PixHDConfig(**SMALL_PIX2PIXHD), BuildContext(**HERE)), losses, **settings
    )


def local_enhancer(folder: str) -> list[str]:
    """pix2pixHD's three phases, with batch norm, in float32, other adversarial losses."""
    config = Pix2PixHDConfig(
        **SMALL_PIX2PIXHD, local_enhancers=1, enhancer_blocks=1, enhancer_fraction=0.25, norm="batch"
    )
    losses = [("hinge", 1.0, plain(terms.HingeLoss)), ("non-saturating", 1.0, plain(terms.NonSaturatingLoss))]
    student = Pix2PixHDStudent(config, BuildContext(**HERE))
    return train(Path(folder), student, losses, precision="float32", steps=4, channels_last=False)


def distillation(folder: str) -> list[str]:
    """A ResNet of fewer channels than its teacher: adapters, the way back trained, pools, the teacher at work."""
    teacher = small_teacher()
    student = ResnetStudent(ResnetConfig(**SMALL_RESNET, opposite="trained"), BuildContext(**HERE, teacher=teacher))
    student.initialise(teacher)
    losses = [
        ("lsgan", 1.0, plain(terms.LSGANLoss)),
        ("cycle-l1", 10.0, plain(translation.CycleL1Loss)),
        ("identity-l1", 5.0, plain(translation.IdentityL1Loss)),
        ("feature-l2", 1.0, translation.FeatureL2Loss(FeatureL2Config(), BuildContext(**HERE))),
        ("output-l1", 10.0, plain(translation.OutputL1Loss)),
    ]
    return train(Path(folder), student, losses, teach=teacher.translate, teacher=teacher, image_pool=3, jitter=SIZE + 4)


def frozen_way_back(folder: str) -> list[str]:
    """A ResNet as wide as its teacher, whose way back and judges stay as they are."""
    teacher = small_teacher()
    config = ResnetConfig(width=6, blocks=1, transfer="everything", opposite="frozen", discriminators="frozen")
    student = ResnetStudent(config, BuildContext(**HERE, teacher=teacher))
    student.initialise(teacher)
    losses = [("lsgan", 1.0, plain(terms.LSGANLoss)), ("cycle-l1", 10.0, plain(translation.CycleL1Loss))]
    losses.append(("feature-l2", 1.0, translation.FeatureL2Loss(FeatureL2Config(), BuildContext(**HERE))))
    return train(Path(folder), student, losses, teach=teacher.translate, teacher=teacher)


def small_teacher() -> CycleGANTeacher:
    sizes = CycleGANTraining(width=6, blocks=2, discriminator_width=4, discriminator_layers=1)
    return CycleGANTeacher.untrained(CycleGANConfig(), sizes, BuildContext(**HERE))


class Looking(Loss):
    """Waits for the GPU."""

    def generator(self, step: TrainingStep) -> Tensor:
        difference = (step.prediction - step.target).abs().mean()
        return difference / max(difference.item(), 1.0)


def that_looks_at_a_number(folder: str) -> list[str]:
    """A training whose loss waits in each step."""
    student = Pix2PixHDStudent(Pix2PixHDConfig(**SMALL_PIX2PIXHD), BuildContext(**HERE))
    return train(Path(folder), student, [("looking", 1.0, plain(Looking))])


class TooLarge(Loss):
    """Raises what torch raises of a GPU's memory."""

    def generator(self, step: TrainingStep) -> Tensor:
        raise torch.cuda.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 14.75 GiB of which 1.06 GiB "
            "is free. Process 71 has 13.68 GiB memory in use. Of the allocated memory 12.09 GiB is allocated by PyTorch"
        )


def that_does_not_fit(folder: str) -> list[str]:
    """A training whose step asks for more than a GPU has; return what is said."""
    student = Pix2PixHDStudent(Pix2PixHDConfig(**SMALL_PIX2PIXHD), BuildContext(**HERE))
    try:
        return train(Path(folder), student, [("large", 1.0, plain(TooLarge))])
    except OutOfMemoryError as error:
        return [str(error)]


def pictures_come_ahead(folder: str) -> dict[str, Any]:
    """Six batches of pictures that are too many to be kept; return which were read, and how many lay pinned when."""
    del folder
    read: list[list[int]] = []
    pinned: list[str] = []
    is_pinned, pin = threading.Semaphore(0), Tensor.pin_memory

    def load(indices: Sequence[int]) -> tuple[Tensor]:
        read.append([*indices])
        return (as_uint8(pictures(len(indices), SIZE)),)

    def pin_and_note(tensor: Tensor) -> Tensor:
        pinned.append(threading.current_thread().name.partition("_")[0])
        is_pinned.release()
        return pin(tensor)

    sampler, steps = BatchSampler(range(100), 2, seed=1), range(6)
    ahead, shapes = [], set()
    with (
        mock.patch.object(Tensor, "pin_memory", pin_and_note),
        open_feed(load, range(100), sampler, steps, SilentProgress(), device=HERE["device"]) as feed,
    ):
        for step in steps:
            (shown,) = feed(step)
            shapes.add((*shown.shape, str(shown.dtype), shown.device.type))
            for _ in range(2 if step == 0 else step < 5):  # its own, and the next, which nobody has asked for
                assert is_pinned.acquire(timeout=60)
            ahead.append(len(pinned))
    dealt = [sampler.indices(step) for step in steps]
    return {"read": read[1:], "dealt": dealt, "ahead": ahead, "shapes": [*shapes], "threads": sorted({*pinned})}


def train(
    folder: Path,
    student: Student,
    losses: Sequence[Any],
    *,
    teach: Callable[[Tensor], Tensor] | None = None,
    teacher: Any = None,
    **settings: Any,
) -> list[str]:
    """Train on random pictures, stop, go on from the checkpoint; return what was told."""
    source, target, other = (as_uint8(pictures(8, SIZE, seed=seed)) for seed in range(3))
    pairs = TrainingPairs(
        range(2, 8),
        range(2),
        lambda indices: (source[list(indices)], target[list(indices)]),
        unpaired=Pictures(8, lambda indices: other[list(indices)]),
        teach=teach,
    )
    chosen = {"steps": 3, "batch": 2, "log_every": 2, "sample_every": 2, "checkpoint_every": 2, **settings}
    messages, steps = Messages(), iter([False, True, False, False, False])

    def go() -> bool:
        return train_student(
            student,
            losses,
            pairs,
            TrainSection(**chosen),
            folder,
            seed=1,
            device=torch.device("cuda"),
            progress=messages,
            on_metrics=lambda step, numbers: None,
            on_images=lambda step, path: None,
            stop=lambda: next(steps),
            teacher=teacher,
        ).finished

    assert not go()
    assert go()
    return messages.told


def stylegan2(folder: str) -> list[str]:
    """StyleGAN2 with R1 and path length, mirrored pictures, mixed and truncated styles."""
    settings = {"mirror": True, "style_mixing": 0.9, "truncated_share": 0.5}
    return train_teacher(Path(folder), TinyDataset(resolution=8), settings)


def stylegan2_alone(folder: str) -> list[str]:
    """StyleGAN2 without R1 and path length, which are in float32 on every GPU."""
    return train_teacher(Path(folder), TinyDataset(resolution=8), {"r1_gamma": 0.0, "path_length_weight": 0.0})


def stylegan2_of_known_latents(folder: str) -> list[str]:
    """StyleGAN2 that reconstructs rendered faces beside the game."""
    faces = RenderedFaces(RenderedFacesConfig(count=20, resolution=16), BuildContext())
    settings = {"feature_weight": 4.0, "l1_weight": 4.0, "free_share": 0.25, "r1_gamma": 0.0}
    return train_teacher(Path(folder), faces, {**settings, "path_length_weight": 0.0, "z_dim": 64})


def train_teacher(folder: Path, images: Any, settings: dict[str, Any]) -> list[str]:
    """Train for two steps, then for a third from the checkpoint."""
    small = {"z_dim": 16, "w_dim": 16, "mapping_layers": 2, "channel_base": 64, "channel_max": 8, "shards": 1}
    due = {"batch": 4, "checkpoint_every": 8, "samples_every": 1000, "statistics_every": 8}
    often = {"r1_interval": 2, "path_length_interval": 2}
    messages = Messages()
    for count in (8, 12):
        config = TrainingSettings(**{**small, **due, **often, **settings, "images": count})
        train_stylegan2(images, config, folder, messages)
    return messages.told


def cyclegan(folder: str) -> list[str]:
    """CycleGAN's own training, whose device is `auto`."""
    config = CycleGANTraining(
        steps=3, width=4, blocks=1, discriminator_width=4, discriminator_layers=1, checkpoint_every=2, log_every=2,
        image_pool=2, jitter=SIZE + 4, predicts="change",
    )  # fmt: skip
    messages = Messages()
    train_cyclegan(config, TinyUnpairedDataset(resolution=SIZE), Path(folder), messages)
    return messages.told


def random_vgg19(folder: Path) -> Path:
    path = folder / "vgg19.safetensors"
    if not path.exists():
        with torch.device("meta"):
            shapes = vgg19(weights=None).features.state_dict()
        save_file({f"features.{name}": torch.zeros(value.shape) for name, value in shapes.items()}, path)
    return path
