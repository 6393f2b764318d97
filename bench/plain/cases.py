"""The cases of the benchmark: gdp's own training beside the plain one, from the same weights, on the same pictures."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.losses import Loss
from gdp.core.recipe.sections import TrainSection
from gdp.core.training.loader import to_network
from gdp.core.training.precision import Precision
from gdp.plugins.faces import RenderedFacesConfig
from gdp.plugins.faces.renderer import RenderedFaces
from gdp.plugins.losses import NoSettings
from gdp.plugins.losses.terms import FeatureMatchingLoss, LSGANLoss
from gdp.plugins.losses.translation import CycleL1Loss, IdentityL1Loss
from gdp.plugins.pix2pixhd import Pix2PixHDConfig
from gdp.plugins.pix2pixhd.student import Pix2PixHDStudent
from gdp.plugins.resnet import ResnetConfig
from gdp.plugins.resnet.student import ResnetStudent
from gdp.plugins.scenes import RenderedScenesConfig
from gdp.plugins.scenes.renderer import RenderedScenes
from gdp.plugins.stylegan2 import TrainingSettings
from gdp.plugins.stylegan2.training_step import AdversarialStep
from plain import cyclegan, pix2pixhd
from plain.gdp_training import GdpTraining
from plain.stylegan2_training import StyleGAN2Training

CaseName = Literal["stylegan2", "pix2pixhd", "cyclegan"]
Step = Callable[[int], Mapping[str, Tensor]]
"""Does the step of a number, counted from 0, and returns its losses by name."""

RECIPE = Path(__file__).parents[2] / "recipes" / "train_faces64.toml"
SEED = 1
PERTURBATION = 1e-6
"""Relative, of the weights that the second plain training begins with."""
MOST_FACES = 4096


@dataclass(frozen=True)
class Options:
    """What may be chosen of a case."""

    steps: int
    """Steps in all, those of the warm-up included."""
    size: int | None = None
    """Height and width of the pictures in pixels; None for the case's own."""
    width: int | None = None
    """Channels at full size (StyleGAN2: most channels); None for the case's own."""
    precision: Precision = "auto"
    """Of gdp's arithmetic; the plain trainings compute in float32."""
    device: str = "cpu"
    batch: int = 16
    """Of StyleGAN2; the others' is 1, as published."""


@dataclass(frozen=True)
class Case:
    """One training in three copies, ready to go step by step."""

    plain: Step
    gdp: Step
    plain_again: Step
    settings: dict[str, Any]
    """What was trained, as JSON data."""
    period: int = 1
    """Steps after which what a step does repeats itself."""
    close: Callable[[], None] = lambda: None


def open_case(name: CaseName, options: Options) -> Case:
    """Build the three trainings of a case; its random numbers come from torch's global state, seeded here."""
    torch.manual_seed(SEED)
    return {"stylegan2": _stylegan2, "pix2pixhd": _pix2pixhd, "cyclegan": _cyclegan}[name](options)


def _stylegan2(options: Options) -> Case:
    """StyleGAN2 of the recipe of the embedded teacher, the adversarial game alone, with R1 and path length."""
    settings, size = _stylegan2_settings(options), options.size or 64
    device = torch.device(options.device)
    ours = AdversarialStep(settings, size)
    weights = ours.generator.state_dict(), ours.discriminator.state_dict()
    plain, again = (StyleGAN2Training(settings, *weights, device) for _ in range(2))
    count = min(options.steps * settings.batch, MOST_FACES)
    faces = RenderedFaces(RenderedFacesConfig(count=count, resolution=size), BuildContext()).images(range(count))

    def real(number: int) -> Tensor:
        indices = torch.arange(number * settings.batch, (number + 1) * settings.batch) % count
        return faces[indices].to(device).float() / 127.5 - 1

    def gdp_step(number: int) -> Mapping[str, Tensor]:
        with _threads_per_shard(settings.shards):
            return ours.run(real(number), number)

    return Case(
        plain=lambda number: plain.step(real(number), number),
        gdp=gdp_step,
        plain_again=lambda number: again.step(real(number), number),
        settings={"resolution": size, **settings.model_dump(mode="json")},
        period=_period(settings),
        close=ours.close,
    )


def _stylegan2_settings(options: Options) -> TrainingSettings:
    recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))["train"]
    recipe |= {"feature_weight": 0, "l1_weight": 0, "free_share": 0, "truncated_share": 0, "adversarial_weight": 1}
    recipe |= {
        "batch": options.batch,
        "shards": 2,
        "path_length_weight": 2,
        "path_length_interval": 8,
        "learning_rate_end": 1,
    }
    recipe |= {"precision": options.precision, "device": options.device}
    # Each part of a batch has a thread at least: no more of them than the plain training may use.
    on_processor = torch.device(options.device).type == "cpu"
    recipe |= {"shards": min(recipe["shards"], torch.get_num_threads()) if on_processor else 1}
    if options.width is not None:
        base = (64 if (options.size or 64) > 256 else 16) * options.width  # config-f's at 1024 px
        recipe |= {"channel_max": options.width, "channel_base": base, "generator_channels": {}}
    return TrainingSettings.model_validate(recipe)


def _period(settings: TrainingSettings) -> int:
    intervals = [settings.r1_interval] if settings.r1_gamma else []
    intervals += [settings.path_length_interval] if settings.path_length_weight else []
    return math.lcm(*intervals)


@contextmanager
def _threads_per_shard(shards: int) -> Iterator[None]:
    """Share the threads out as `gdp train-teacher` does, whose parts of a batch run beside each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // shards))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _pix2pixhd(options: Options) -> Case:
    """pix2pixHD with its published generator at full width, batch 1, without VGG: photos to paintings."""
    size, width, device = options.size or 256, options.width or 64, torch.device(options.device)
    config = Pix2PixHDConfig(width=width, discriminator_width=width, downsamplings=4, blocks=9, predicts="image")
    context = BuildContext(seed=SEED, device=device, resolution=size)
    student = Pix2PixHDStudent(config, context)

    def new_plain(perturbation: float) -> pix2pixhd.Pix2PixHDTraining:
        generator = pix2pixhd.GlobalGenerator(width, config.downsamplings, config.blocks)
        discriminator = pix2pixhd.MultiscaleDiscriminator(6, width)
        _take_weights(generator, student.generator, device, perturbation)
        _take_weights(discriminator, student.discriminator, device, perturbation)
        return pix2pixhd.Pix2PixHDTraining(generator, discriminator)

    plain, again = new_plain(0.0), new_plain(PERTURBATION)
    losses: list[tuple[str, float, Loss]] = [
        ("lsgan", 1.0, LSGANLoss(NoSettings(), context)),
        ("feature-matching", pix2pixhd.FEATURE_MATCHING_WEIGHT, FeatureMatchingLoss(NoSettings(), context)),
    ]
    settings = TrainSection(steps=options.steps, batch=1, schedule="constant", precision=options.precision)
    ours = GdpTraining(student, losses, settings, SEED, device, unpaired=False)
    scenes = RenderedScenes(RenderedScenesConfig(train_count=options.steps, resolution=size), context)
    photos = scenes.images("trainA", range(options.steps))
    paintings = scenes.truth("trainA", range(options.steps))

    facts = {"resolution": size, "student": config.model_dump(mode="json"), "train": settings.model_dump(mode="json")}
    return _paired_case(plain.step, ours, again.step, photos, paintings, facts)


def _cyclegan(options: Options) -> Case:
    """CycleGAN with its published networks for 256 pixels, batch 1, identity loss: photos and paintings, unpaired."""
    size, width, device = options.size or 256, options.width or 64, torch.device(options.device)
    ours, facts = cyclegan_training(options, cyclegan.POOL)
    student, back = ours.student, ours.student.opposite
    assert back is not None

    def new_plain(perturbation: float) -> cyclegan.CycleGANTraining:
        generators = cyclegan.Generator(width), cyclegan.Generator(width)
        discriminators = cyclegan.PatchDiscriminator(width), cyclegan.PatchDiscriminator(width)
        theirs = student.generator, back.generator, student.discriminator, back.discriminator
        for network, source in zip([*generators, *discriminators], theirs, strict=True):
            _take_weights(network, source, device, perturbation)
        return cyclegan.CycleGANTraining(generators, discriminators)

    plain, again = new_plain(0.0), new_plain(PERTURBATION)
    context = BuildContext(seed=SEED, device=device, resolution=size)
    scenes = RenderedScenes(RenderedScenesConfig(train_count=options.steps, resolution=size), context)
    photos, paintings = (scenes.images(part, range(options.steps)) for part in ("trainA", "trainB"))
    return _paired_case(plain.step, ours, again.step, photos, paintings, facts)


def cyclegan_training(options: Options, pool: int) -> tuple[GdpTraining, dict[str, Any]]:
    """Build gdp's training of a CycleGAN with a pool of so many pictures; return it and its settings."""
    size, width, device = options.size or 256, options.width or 64, torch.device(options.device)
    config = ResnetConfig(blocks=9, width=width, opposite="trained", discriminator_width=width)
    context = BuildContext(seed=SEED, device=device, resolution=size)
    student = ResnetStudent(config, context)
    student.initialise(None)
    identity = cyclegan.CYCLE_WEIGHT * cyclegan.IDENTITY_SHARE
    losses: list[tuple[str, float, Loss]] = [
        ("lsgan", 1.0, LSGANLoss(NoSettings(), context)),
        ("cycle-l1", cyclegan.CYCLE_WEIGHT, CycleL1Loss(NoSettings(), context)),
        ("identity-l1", identity, IdentityL1Loss(NoSettings(), context)),
    ]
    settings = TrainSection(
        steps=options.steps,
        batch=1,
        schedule="constant",
        precision=options.precision,
        image_pool=pool,
        ema_half_life=0.0,
    )
    facts = {"resolution": size, "student": config.model_dump(mode="json"), "train": settings.model_dump(mode="json")}
    return GdpTraining(student, losses, settings, SEED, device, unpaired=True), facts


def _paired_case(
    plain: Callable[[Tensor, Tensor], Mapping[str, Tensor]],
    ours: GdpTraining,
    again: Callable[[Tensor, Tensor], Mapping[str, Tensor]],
    first: Tensor,
    second: Tensor,
    settings: dict[str, Any],
) -> Case:
    """Let each step take the next picture of both uint8 collections (steps, 3, H, W)."""

    def pictures(number: int) -> list[Tensor]:
        return [first[number : number + 1], second[number : number + 1]]

    def contiguous(number: int) -> list[Tensor]:
        return [to_network(picture, ours.device, torch.contiguous_format) for picture in pictures(number)]

    return Case(
        plain=lambda number: plain(*contiguous(number)),
        gdp=lambda number: ours.step(number, pictures(number)),
        plain_again=lambda number: again(*contiguous(number)),
        settings=settings,
    )


@torch.no_grad()
def _take_weights(network: nn.Module, source: nn.Module | None, device: torch.device, perturbation: float) -> None:
    """Give a plain network gdp's weights, each times 1 plus a normal number times `perturbation`."""
    assert source is not None
    network.load_state_dict(source.state_dict())
    if perturbation:
        for weight in network.parameters():
            weight.mul_(1 + perturbation * torch.randn_like(weight))
    network.to(device)
