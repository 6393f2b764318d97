"""What the embedded teacher's discriminator can tell, measured on renderings and samples, for the model card."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.judge import FaceJudge
from gdp.plugins.faces.renderer import render
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher

SEED = 2_000_000
WIDE_PSI = 1.5
"""Truncation at which enough samples fail to be faces."""
CHUNK = 64

Row = tuple[str, str, float]
"""Pictures of a kind, those that they are told from, and the AUC."""


def measure_discriminator(teacher: StyleGAN2Teacher, discriminator: nn.Module, count: int = 512) -> list[Row]:
    """Return how well the discriminator's mean logit tells one kind of pictures from another.

    Args:
        teacher: whose samples it has learnt to tell from renderings.
        discriminator: (N, 3, R, R) in [-1, 1] to logits of any shape.
        count: pictures of each kind; eight times as many where the kinds part only when the judge has looked.

    Returns:
        Rows with the area under the receiver's curve: 1 where every picture of the first kind is higher than every one
        of the second, 0.5 where they cannot be told apart.
    """
    generator = torch.Generator().manual_seed(SEED)
    faces, samples = render(sample_attributes(SEED, range(count))), _samples(teacher, count, 1.0)

    def noisy(images: Tensor) -> Tensor:
        return (images + 0.1 * torch.randn(images.shape, generator=generator)).clamp(-1, 1)

    blurred, half, noise = "blurred by a Gaussian of 1 pixel", "half of another face", "noise of deviation 0.1"
    wide = _samples(teacher, 8 * count, WIDE_PSI)
    are_faces = FaceJudge.load().assess(wide).face > 0.5
    kinds = (
        ("rendered faces", faces, "samples, psi 1", samples),
        ("rendered faces", faces, f"the same, {blurred}", _blurred(faces)),
        ("rendered faces", faces, f"the same with the other {half}", _halved(faces)),
        ("rendered faces", faces, f"the same with {noise}", noisy(faces)),
        ("samples, psi 1", samples, f"the same, {blurred}", _blurred(samples)),
        ("samples, psi 1", samples, f"the same with {noise}", noisy(samples)),
        (f"samples, psi {WIDE_PSI:g}, that the judge takes for faces", wide[are_faces], "those that it does not",
         wide[~are_faces]),
    )  # fmt: skip
    logit = _mean_logit(discriminator)
    return [(ours, theirs, area_under_curve(logit(a), logit(b))) for ours, a, theirs, b in kinds if len(a) and len(b)]


def discriminator_section(name: str, megabytes: float, rows: list[Row], count: int = 512) -> str:
    """Return the card's section."""
    table = "\n".join(f"| {ours} | {theirs} | {value:.2f} |" for ours, theirs, value in rows)
    return f"""## Discriminator
`{name}` (float16, {megabytes:.1f} MB) is the discriminator as the training left it. {count} pictures
of each kind, as AUC of its logit; 0.5 is what guessing gives:

| tells | from | AUC |
|---|---|---|
{table}

Telling renderings from samples is what it has learnt; only the rows about samples say whether it can rank the
generator's own pictures by their quality.
"""


def area_under_curve(higher: Tensor, lower: Tensor) -> float:
    """Return the share of pairs in which a number of `higher` (N,) exceeds one of `lower` (M,); ties count half."""
    wins = (higher[:, None] > lower).double() + (higher[:, None] == lower).double() / 2
    return float(wins.mean())


def _samples(teacher: StyleGAN2Teacher, count: int, psi: float) -> Tensor:
    z = teacher.sample_z(SEED, range(count))
    return torch.cat([teacher.synthesize(teacher.map(part, psi)) for part in torch.split(z, CHUNK)]).clamp(-1, 1)


def _blurred(images: Tensor) -> Tensor:
    blurred: Tensor = gaussian_blur(images, [7, 7], [1.0, 1.0])
    return blurred


def _halved(images: Tensor) -> Tensor:
    middle = images.shape[-1] // 2
    return torch.cat([images[..., :middle], images.roll(1, dims=0)[..., middle:]], dim=-1)


def _mean_logit(discriminator: nn.Module) -> Callable[[Tensor], Tensor]:
    @torch.no_grad()
    def logit(images: Tensor) -> Tensor:
        return torch.cat([discriminator(part).flatten(1).mean(dim=1) for part in torch.split(images, CHUNK)])

    return logit
