"""The model cards of the shipped StyleGAN2.

What the embedded teacher's discriminator can tell, measured on renderings and samples, for the model card.

`python -m gdp.plugins.faces.cards`: measure the embedded StyleGAN2 teacher and write its model card.

The card tells how many training pictures were seen in how much time, the learning curves, what share of samples the
judge takes for faces, which attributes occur, what the discriminator can tell, and shows samples beside their nearest
training pictures.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur
from torchvision.utils import make_grid

from gdp import BuildContext
from gdp.plugins.faces import RenderedFacesConfig
from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.judge import FaceAssessment, FaceJudge
from gdp.plugins.faces.renderer import RenderedFaces, render
from gdp.plugins.stylegan2 import StyleGAN2Config
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher
from gdp.toolbox import encode_png, from_levels, write_atomically

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


TRUNCATION = 0.7
SHEET = 96
NEAREST_SHOWN = 10
NEIGHBOURS = 4


def nearest_pictures(samples: Tensor, pictures: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Find the `count` nearest pictures of each sample by root mean square difference of 16 px reductions.

    Args:
        samples: (N, 3, R, R) in [-1, 1].
        pictures: (M, 3, R, R) in [-1, 1].
        count: neighbours of each sample.

    Returns:
        Indices (N, count), nearest first, and their distances (N, count).
    """
    small = [torch.nn.functional.adaptive_avg_pool2d(images, 16).flatten(1) for images in (samples, pictures)]
    distances = torch.cdist(small[0], small[1]) / small[0].shape[1] ** 0.5
    found = distances.topk(count, largest=False)
    return found.indices, found.values


def attribute_shares(assessment: FaceAssessment) -> dict[str, float]:
    """Return the share of pictures in which each class of attribute occurs, in [0, 1]."""
    shares = {
        "younger than 18": (assessment.age < 18).float().mean().item(),
        "18 to 39": ((assessment.age >= 18) & (assessment.age < 40)).float().mean().item(),
        "40 to 59": ((assessment.age >= 40) & (assessment.age < 60)).float().mean().item(),
        "60 and older": (assessment.age >= 60).float().mean().item(),
        "glasses": (assessment.glasses > 0.5).float().mean().item(),
        "smile": (assessment.smile > 0.5).float().mean().item(),
    }
    for name, probabilities, words in (
        ("hair", assessment.hair_length, ("short", "medium", "long")),
        ("skin", assessment.skin, ("lightest", "light", "dark", "darkest")),
    ):
        classes = probabilities.argmax(dim=1)
        shares |= {f"{name} {word}": (classes == index).float().mean().item() for index, word in enumerate(words)}
    return shares


def draw_curves(statistics: Sequence[Mapping[str, float]]) -> bytes:
    """Draw the losses and the R1 penalty over the pictures seen, as PNG."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, names in zip(
        axes, (("loss_generator", "loss_discriminator"), ("r1_penalty", "path_length")), strict=True
    ):
        for name in names:
            points = [(line["images"] / 1000, line[name]) for line in statistics if name in line]
            axis.plot(*zip(*points, strict=True), label=name.replace("_", " "), linewidth=1)
        axis.set_xlabel("thousand training pictures seen")
        axis.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def measure(teacher: StyleGAN2Teacher, samples: int, truncation: float) -> tuple[Tensor, FaceAssessment]:
    """Return samples (N, 3, R, R), clamped to [-1, 1], and what the judge says of them."""
    z = teacher.sample_z(seed=2_000_000, indices=range(samples))
    images = torch.cat([teacher.synthesize(teacher.map(part, truncation)) for part in torch.split(z, 64)]).clamp(-1, 1)
    return images, FaceJudge.load().assess(images)


def write_card(weights: Path, discriminator: Path, training: Path, card: Path, samples: int) -> dict[str, Any]:
    """Measure, draw and write the card and its pictures beside it; return the figures."""
    teacher = StyleGAN2Teacher(StyleGAN2Config(weights=weights, discriminator=discriminator), BuildContext())
    assert teacher.discriminator is not None
    lines = [json.loads(line) for line in (training / "statistics.jsonl").read_text().splitlines()]
    images, assessment = measure(teacher, samples, TRUNCATION)
    _, untruncated = measure(teacher, samples, 1.0)
    dataset = RenderedFaces(RenderedFacesConfig(count=30_000), BuildContext())
    pictures = from_levels(dataset.images(range(len(dataset))))
    nearest, distances = nearest_pictures(images, pictures, NEIGHBOURS)
    _, between = nearest_pictures(pictures[:samples], pictures, 2)
    shown = [torch.stack([images[row], *pictures[nearest[row]]]) for row in range(NEAREST_SHOWN)]
    figures = {
        "images_seen": int(lines[-1]["images"]),
        "hours": lines[-1]["seconds"] / 3600,
        "faces_at_psi_0.7": (assessment.face > 0.5).float().mean().item(),
        "faces_at_psi_1": (untruncated.face > 0.5).float().mean().item(),
        "attributes": attribute_shares(assessment),
        "attributes_at_psi_1": attribute_shares(untruncated),
        "nearest_training_picture": distances[:, 0].median().item(),
        "nearest_among_training_pictures": between[:, 1].median().item(),
        "discriminator": measure_discriminator(teacher, teacher.discriminator),
    }
    for name, content in (
        ("samples", encode_png(make_grid(images[:SHEET], nrow=16, padding=0))),
        ("nearest", encode_png(make_grid(torch.cat(shown), nrow=2 * (NEIGHBOURS + 1), padding=0))),
        ("training", draw_curves(lines)),
    ):
        write_atomically(card.with_name(f"{card.stem}-{name}.png"), content)
    write_atomically(card, _card_text(card.stem, figures, samples, weights, discriminator).encode())
    return figures


def _card_text(stem: str, figures: Mapping[str, Any], samples: int, weights: Path, discriminator: Path) -> str:
    rows = "\n".join(
        f"| {name} | {100 * share:.1f} % | {100 * figures['attributes_at_psi_1'][name]:.1f} % |"
        for name, share in figures["attributes"].items()
    )
    return f"""# {stem}: a StyleGAN2 of drawn faces

The embedded teacher: a StyleGAN2 generator (64 px, moving average of the weights, stored as float16,
{weights.stat().st_size / 1e6:.1f} MB) trained on 30,000 faces of gdp's own procedural renderer by
`gdp train-teacher recipes/train_faces64.toml`. It shows drawn faces of nobody. Licence: Apache-2.0, as gdp.

## Training
{figures["images_seen"]:,} pictures seen in {figures["hours"]:.2f} hours on two shared CPU cores (float32). The renderer
knows from which standard normal numbers it drew each picture, so the generator first learnt to draw a picture from its
own numbers (80,000 pictures of reconstruction alone), and then played the game with a discriminator beside it. The
plain game was tried first: after 73,000 pictures, 50 minutes on the same cores, its samples had one outline and no
eyes. The price of this start: the latent space follows the renderer's attributes, so directions are easier to find in
it than in a GAN that had to find its own.

![losses and penalties over the pictures seen]({stem}-training.png)

## Samples
{samples} samples for each column; the judge is the shipped one (`judge.md`).

| share of samples | psi 0.7 | psi 1 |
|---|---|---|
| **taken for a face** | **{100 * figures["faces_at_psi_0.7"]:.1f} %** | {100 * figures["faces_at_psi_1"]:.1f} % |
{rows}

![96 samples at psi 0.7]({stem}-samples.png)

## Not memorised
Each row of five: a sample (psi 0.7), then its four nearest training pictures of 30,000 (root mean square difference of
16 px reductions, range [-1, 1]). Median distance of a sample to its nearest training picture:
{figures["nearest_training_picture"]:.3f}; of a training picture to its nearest other one:
{figures["nearest_among_training_pictures"]:.3f}.

![samples beside their nearest training pictures]({stem}-nearest.png)

{discriminator_section(discriminator.name, discriminator.stat().st_size / 1e6, figures["discriminator"])}
## Limits
Drawn faces, frontal to half turned, plain backgrounds. Good for trying and testing gdp; of no use for photos.
"""


def main() -> None:
    """Read the command line, write the card and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    assets = Path(__file__).parent.parent / "stylegan2" / "assets"
    parser.add_argument("--weights", type=Path, default=assets / "faces64.safetensors", help="the teacher's weights")
    parser.add_argument(
        "--discriminator",
        type=Path,
        default=assets / "faces64-discriminator.safetensors",
        help="the one it played with",
    )
    parser.add_argument("--training", type=Path, required=True, help="run folder of gdp train-teacher")
    parser.add_argument("--card", type=Path, default=assets / "faces64.md", help="where the card goes")
    parser.add_argument("--samples", type=int, default=2000, help="samples that are judged")
    options = parser.parse_args()
    figures = write_card(options.weights, options.discriminator, options.training, options.card, options.samples)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
