"""What teachers promise: latent generators and translators."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gdp.core.interfaces.teachers import LatentTeacher, Teacher, TranslatorTeacher
from gdp.core.progress import SilentProgress
from gdp.testing.examples import pictures
from gdp.testing.findings import DoesNotApplyError, fail, require, require_pictures, require_same, require_tensor
from gdp.testing.subject import SEED, Subject

_COUNT = 3
_PROJECTION_STEPS = 2
_BATCHES_MAY_DIFFER = 1e-4
"""Of a translator: pair sources run it in chunks of one size."""
_LARGEST_MEAN = 1.5
"""Of the absolute values of synthesized pictures, which are only about in [-1, 1]."""


def exercise(subject: Subject, teacher: Teacher) -> Any:
    """Make a few pictures."""
    if isinstance(teacher, LatentTeacher):
        return teacher.fingerprint, teacher.synthesize(teacher.map(_z(teacher), truncation=0.7))
    if isinstance(teacher, TranslatorTeacher):
        return teacher.fingerprint, teacher.translate(_sources(teacher))
    return fail(f"{type(teacher).__name__} is no sort of teacher", "derive from LatentTeacher or TranslatorTeacher")


def _z(teacher: LatentTeacher) -> Tensor:
    return teacher.sample_z(SEED, range(_COUNT))


def _sources(teacher: TranslatorTeacher) -> Tensor:
    return pictures(_COUNT, teacher.resolution)


def _latent(subject: Subject) -> LatentTeacher:
    teacher = subject.build()
    if not isinstance(teacher, LatentTeacher):
        raise DoesNotApplyError("it is no gdp.LatentTeacher")
    return teacher


def _translator(subject: Subject) -> TranslatorTeacher:
    teacher = subject.build()
    if not isinstance(teacher, TranslatorTeacher):
        raise DoesNotApplyError("it is no gdp.TranslatorTeacher")
    return teacher


def the_fingerprint_is_a_hash_of_the_weights(subject: Subject) -> None:
    """The fingerprint is a sha256, the same for every build, and the files of the weights are named."""
    teacher: Teacher = subject.build()
    mend = "hash the weights' bytes: hashlib.sha256(...).hexdigest()"
    fingerprint = teacher.fingerprint
    require(
        isinstance(fingerprint, str) and re.fullmatch("[0-9a-f]{64}", fingerprint) is not None,
        f"the fingerprint is {fingerprint!r}, not 64 hexadecimal digits",
        mend,
    )
    require_same(fingerprint, subject.build().fingerprint, "two builds have different fingerprints", mend)
    missing = [str(path) for path in type(teacher).weight_files(subject.config) if not Path(path).exists()]
    require(
        not missing, f"weight_files names {', '.join(missing)}, which are not there", "return the files that are loaded"
    )


def the_network_is_frozen(subject: Subject) -> None:
    """The network is in evaluation mode and on the device; its example inputs run through it."""
    teacher: Teacher = subject.build()
    module = teacher.module
    require(isinstance(module, nn.Module), f"module is {type(module).__name__}", "return the torch network")
    require(not module.training, "module is in training mode", "call .eval() when it is built")
    trained = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    require(not trained, f"{trained[:1]} and others ask for gradients", "call .requires_grad_(False) when it is built")
    elsewhere = {str(tensor.device) for tensor in module.state_dict().values()} - {"cpu"}
    require(not elsewhere, f"weights are on {', '.join(elsewhere)}", "move networks to context.device")
    require(isinstance(teacher.resolution, int) and teacher.resolution > 0, f"resolution is {teacher.resolution!r}",
            "return height and width in pixels")  # fmt: skip
    with torch.no_grad():
        module(*teacher.example_inputs())


def mapping_gives_finite_latents(subject: Subject) -> None:
    """`map` gives ws (N, num_ws, w_dim) of z; psi 0 gives the mean w; layers after the cutoff are spared."""
    teacher = _latent(subject)
    z = _z(teacher)
    require_tensor(z, (_COUNT, teacher.z_dim), "sample_z")
    shape = (_COUNT, teacher.num_ws, teacher.w_dim)
    whole = require_tensor(teacher.map(z), shape, "map(z)")
    mean = require_tensor(teacher.map(z, truncation=0.0), shape, "map(z, truncation=0)")
    mend = "w = mean + truncation * (w - mean) for the first truncation_cutoff layers, or for all"
    for row in mean[1:]:
        require_same(mean[0], row, "with truncation 0 two z have different w", mend, _BATCHES_MAY_DIFFER)
    if teacher.num_ws > 1:
        cut = teacher.map(z, truncation=0.5, truncation_cutoff=1)
        require_same(whole[:, 1:], cut[:, 1:], "truncation reached layers after the cutoff", mend, _BATCHES_MAY_DIFFER)


def synthesis_gives_pictures(subject: Subject) -> None:
    """`synthesize` gives finite float32 pictures (N, 3, R, R), about in [-1, 1], without gradient."""
    teacher = _latent(subject)
    side = teacher.resolution
    images = require_tensor(teacher.synthesize(teacher.map(_z(teacher))), (_COUNT, 3, side, side), "synthesize(ws)")
    mean = float(images.abs().mean())
    require(mean <= _LARGEST_MEAN, f"the pictures' mean magnitude is {mean:.3g}", "scale pictures to about [-1, 1]")
    require(not images.requires_grad, "the pictures ask for gradients", "put @torch.no_grad() above synthesize")
    distance = float((images[0] - images[1]).abs().max())
    require(distance > 0, "two latents gave the same picture", "use the ws that are given")


def a_picture_does_not_depend_on_the_batch(subject: Subject) -> None:
    """A latent's w and picture are the same, to the bit, whatever they stand beside."""
    teacher = _latent(subject)
    mend = "run the networks in chunks of one size: gdp.support.batching.in_fixed_chunks (or tolerance=... allows more)"
    z = _z(teacher)
    require_same(z[1:2], teacher.sample_z(SEED, [1]), "sample_z depends on the batch", mend)
    together = teacher.map(z)
    alone = torch.cat([teacher.map(row) for row in torch.split(z, 1)])
    require_same(together, alone, "one by one, z were mapped otherwise than together", mend, subject.tolerance)
    images = teacher.synthesize(together)
    alone = torch.cat([teacher.synthesize(row) for row in torch.split(together, 1)])
    require_same(images, alone, "one by one, pictures came out otherwise than together", mend, subject.tolerance)


def projection_finds_latents(subject: Subject) -> None:
    """`project` gives ws and their pictures, says what it minimised, and leaves the weights alone."""
    teacher = _latent(subject)
    side = teacher.resolution
    target = teacher.synthesize(teacher.map(_z(teacher)[:1])).clamp(-1, 1)
    before = {name: tensor.clone() for name, tensor in teacher.module.state_dict().items()}
    found = teacher.project(target, _PROJECTION_STEPS, SilentProgress())
    require_tensor(found.ws, (1, teacher.num_ws, teacher.w_dim), "the projection's ws")
    require_tensor(found.images, (1, 3, side, side), "the projection's images")
    require(not found.ws.requires_grad, "the projection's ws ask for gradients", "detach what is returned")
    require(bool(found.distance.strip()) and found.steps == _PROJECTION_STEPS,
            f"the projection says {found.steps} steps on {found.distance!r}",
            "do as many steps as were asked for, and name what was minimised")  # fmt: skip
    require_same(before, dict(teacher.module.state_dict()), "projection changed the weights", "optimise ws alone")


def translation_gives_pictures(subject: Subject) -> None:
    """`translate` runs `module` and gives pictures in [-1, 1] of the size that it was given, without gradient."""
    teacher = _translator(subject)
    runs: list[int] = []
    handle = teacher.module.register_forward_hook(lambda *_: runs.append(1))
    try:
        side = teacher.resolution
        images = require_pictures(teacher.translate(_sources(teacher)), (_COUNT, 3, side, side), "translate(images)")
    finally:
        handle.remove()
    require(
        bool(runs), "translate did not run module", "let translate call self.module, whose hidden states losses watch"
    )
    require(not images.requires_grad, "the pictures ask for gradients", "put @torch.no_grad() above translate")
    require(teacher.source_domain in ("A", "B"), f"source_domain is {teacher.source_domain!r}", "return 'A' or 'B'")


def a_translation_does_not_depend_on_the_batch(subject: Subject) -> None:
    """A picture's translation is the same whatever it stands beside, up to rounding."""
    teacher = _translator(subject)
    images = _sources(teacher)
    alone = torch.cat([teacher.translate(image) for image in torch.split(images, 1)])
    mend = "normalise by instance or with stored statistics, not over the batch"
    tolerance = max(_BATCHES_MAY_DIFFER, subject.tolerance)
    require_same(teacher.translate(images), alone, "one by one, pictures came out otherwise", mend, tolerance)


def its_other_networks_fit(subject: Subject) -> None:
    """Discriminator and way back, where there are any, take its pictures."""
    teacher: Teacher = subject.build()
    images = pictures(_COUNT, teacher.resolution)
    with torch.no_grad():
        if teacher.discriminator is not None:
            logits = teacher.discriminator(images)
            require_tensor(logits, [None] * max(1, getattr(logits, "dim", lambda: 1)()), "the discriminator's logits")
        judges = teacher.discriminators if isinstance(teacher, TranslatorTeacher) else ()
        for judge in judges:
            for feature in [] if judge is None else judge(images)[-1]:
                require_tensor(feature, [_COUNT, None, None, None], "a feature map of a discriminator")
        if isinstance(teacher, TranslatorTeacher) and teacher.opposite is not None:
            require_pictures(teacher.opposite(images), tuple(images.shape), "what the way back makes")


PROPERTIES = (
    the_fingerprint_is_a_hash_of_the_weights,
    the_network_is_frozen,
    mapping_gives_finite_latents,
    synthesis_gives_pictures,
    a_picture_does_not_depend_on_the_batch,
    projection_finds_latents,
    translation_gives_pictures,
    a_translation_does_not_depend_on_the_batch,
    its_other_networks_fit,
)
