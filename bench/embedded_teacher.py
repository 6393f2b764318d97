"""How good the embedded teacher's faces are, beside as many renderings that it never saw, and its card.

    python bench/embedded_teacher.py                                    # the shipped weights
    python bench/embedded_teacher.py --weights FILE --name trial --samples 1000
    python bench/embedded_teacher.py --card [--training runs/train-faces64]

Writes bench/results/embedded_teacher.json, an entry under each NAME (`before` is what was shipped before the present
weights), and pictures to build/embedded_teacher; with --card the model card and its pictures beside the weights.
Some twenty minutes on two cores for 5,000 samples.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from attribute_network import WEIGHTS, AttributeNetwork
from plain.turns import conditions
from sheets import labelled_columns, labelled_rows
from teacher_card import held_against, with_discriminator, with_training, write_card
from torch import Tensor, nn
from torchmetrics.image.kid import poly_mmd

from gdp import BuildContext
from gdp.console import choose_progress
from gdp.core.progress import Progress
from gdp.plugins.faces.attributes import sample_attributes, sample_latents
from gdp.plugins.faces.judge import FaceAssessment, FaceJudge
from gdp.plugins.faces.renderer import render
from gdp.plugins.filters.quality import laplacian_variance
from gdp.plugins.stylegan2 import StyleGAN2Config
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher
from gdp.toolbox import file_sha256, write_atomically

RESULT = Path(__file__).parent / "results" / "embedded_teacher.json"
PICTURES = Path(__file__).parents[1] / "build" / "embedded_teacher"
ASSETS = Path(__file__).parents[1] / "gdp" / "plugins" / "stylegan2" / "assets"
SAMPLES_SEED, UNSEEN_SEED, OTHER_SEED, RANDOM_SEED = 2_000_000, 3_000_000, 3_000_001, 4
TRAINING_SEED = 0
"""Of the renderings that the embedded teacher learns from."""
PSIS = (0.7, 1.0)
UNCLEAR = (0.2, 0.8)
BLOCK, BLOCKS = 1000, 50
SHEET, NEAREST, NEIGHBOURS, CHUNK = 96, 10, 4, 64
PROTOCOL = (
    f"Samples 0 to N - 1 of seed {SAMPLES_SEED} at each psi; renderings 0 to N - 1 of seed {UNSEEN_SEED}, which no "
    f"teacher saw (they learn from seed {TRAINING_SEED}). kid: squared maximum mean discrepancy with the kernel "
    "(x'y / d + 1)^3, unbiased (Binkowski and others, 'Demystifying MMD GANs', ICLR 2018, sections 3.1 and 4), mean "
    f"and standard deviation over {BLOCKS} blocks of {BLOCK} pictures (of fewer samples: half of them) drawn from each "
    "side, by torchmetrics; attributes: features of bench/attribute_network.py; random: the same network with random "
    f"weights, its normalisations set by renderings. Of the renderings: those of seed {OTHER_SEED} in the samples' "
    "place, the floor. faces: share that the shipped judge takes for a face. unclear_glasses: share whose glasses "
    f"score lies between {UNCLEAR[0]} and {UNCLEAR[1]}. sharpness: the sharpness filter's measure at 64 px, quartiles. "
    "reconstruction: of renderings whose own numbers are z's first, the rest of z drawn, psi 1. nearest: of the first "
    "samples at psi 0.7 the root mean square difference (range [-1, 1]) of 16 px reductions to the nearest training "
    "picture, median; beside it that of as many unseen renderings."
)


def load_teacher(weights: Path | None, discriminator: Path | None = None) -> StyleGAN2Teacher:
    """Return the teacher of a file of weights, or the shipped one."""
    given = {} if weights is None else {"weights": weights}
    if discriminator is not None:
        given["discriminator"] = discriminator
    return StyleGAN2Teacher(StyleGAN2Config(**given), BuildContext())


def draw(teacher: StyleGAN2Teacher, count: int, psi: float, progress: Progress) -> Tensor:
    """Return samples (N, 3, R, R) clamped to [-1, 1]."""
    return _chunks(
        lambda numbers: teacher.synthesize(teacher.map(teacher.sample_z(SAMPLES_SEED, numbers), psi)).clamp(-1, 1),
        count, f"samples, psi {psi:g}", progress,
    )  # fmt: skip


def draw_renderings(seed: int, count: int, progress: Progress) -> Tensor:
    """Return renderings (N, 3, 64, 64) in [-1, 1]."""
    return _chunks(lambda numbers: render(sample_attributes(seed, numbers)), count, f"renderings of {seed}", progress)


def _chunks(make: Callable[[range], Tensor], count: int, title: str, progress: Progress) -> Tensor:
    parts = []
    with progress.task(title, count, "pictures") as task:
        for start in range(0, count, CHUNK):
            parts.append(make(range(start, min(start + CHUNK, count))))
            task.advance(len(parts[-1]))
    return torch.cat(parts)


def kernel_distance(found: Tensor, real: Tensor) -> dict[str, float]:
    """Return mean and standard deviation of the kernel distance between features (N, D) and (M, D)."""
    block = min(BLOCK, len(found) // 2, len(real) // 2)
    generator = torch.Generator().manual_seed(0)
    values = []
    for _ in range(BLOCKS):
        mine, theirs = (each[torch.randperm(len(each), generator=generator)[:block]] for each in (found, real))
        values.append(float(poly_mmd(theirs, mine)))
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    return {"mean": float(f"{mean:.4g}"), "deviation": float(f"{deviation:.2g}"), "block": block}


def look_at(images: Tensor, judge: FaceJudge) -> dict[str, Any]:
    """Return what judge and filter say of pictures (N, 3, 64, 64)."""
    assessed = judge.assess(images)
    unclear = (assessed.glasses > UNCLEAR[0]) & (assessed.glasses < UNCLEAR[1])
    quartiles = torch.cat([laplacian_variance(part) for part in images.split(256)]).quantile(
        torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    )
    return {
        "faces": round(float((assessed.face > 0.5).float().mean()), 4),
        "unclear_glasses": round(float(unclear.float().mean()), 4),
        "sharpness": [round(float(value)) for value in quartiles],
        "attributes": {name: round(share, 4) for name, share in attribute_shares(assessed).items()},
    }


def attribute_shares(assessment: FaceAssessment) -> dict[str, float]:
    """Return the share of pictures in which each class of attribute occurs, in [0, 1]."""
    age = assessment.age
    shares = {
        "younger than 18": float((age < 18).float().mean()),
        "18 to 39": float(((age >= 18) & (age < 40)).float().mean()),
        "40 to 59": float(((age >= 40) & (age < 60)).float().mean()),
        "60 and older": float((age >= 60).float().mean()),
        "glasses": float((assessment.glasses > 0.5).float().mean()),
        "smile": float((assessment.smile > 0.5).float().mean()),
    }
    for name, probabilities, words in (
        ("hair", assessment.hair_length, ("short", "medium", "long")),
        ("skin", assessment.skin, ("light", "tan", "brown", "dark")),
    ):
        classes = probabilities.argmax(dim=1)
        shares |= {f"{name} {word}": float((classes == index).float().mean()) for index, word in enumerate(words)}
    return shares


def reconstructions(teacher: StyleGAN2Teacher, count: int, progress: Progress) -> tuple[Tensor, Tensor]:
    """Return what the teacher makes of unseen renderings' own numbers, and the renderings, (N, 3, 64, 64) each."""
    known = sample_latents(UNSEEN_SEED, range(count))
    free = teacher.sample_z(SAMPLES_SEED, range(count))
    z = torch.cat([known, free[:, known.shape[1] :]], dim=1)
    made = _chunks(
        lambda numbers: teacher.synthesize(teacher.map(z[numbers.start : numbers.stop])).clamp(-1, 1),
        count, "reconstructions", progress,
    )  # fmt: skip
    return made, draw_renderings(UNSEEN_SEED, count, progress)


def reduced_renderings(count: int, progress: Progress) -> Tensor:
    """Return the 16 px reductions (N, 768) of the first pictures that teachers learn from."""
    return _chunks(lambda numbers: _small(render(sample_attributes(TRAINING_SEED, numbers))), count,
                   "training pictures", progress)  # fmt: skip


def nearest_pictures(samples: Tensor, reductions: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Find the `count` nearest pictures of each sample by root mean square difference of 16 px reductions.

    Args:
        samples: (N, 3, R, R) in [-1, 1].
        reductions: of the others, (M, 768).
        count: neighbours of each sample.

    Returns:
        Indices (N, count), nearest first, and their distances (N, count).
    """
    found = (torch.cdist(_small(samples), reductions) / reductions.shape[1] ** 0.5).topk(count, largest=False)
    return found.indices, found.values


def _small(images: Tensor) -> Tensor:
    return nn.functional.adaptive_avg_pool2d(images, 16).flatten(1)


class Renderings:
    """What teachers are held against: unseen renderings and networks that look at them."""

    def __init__(self, count: int, progress: Progress) -> None:
        self.pictures = draw_renderings(UNSEEN_SEED, count, progress)
        self.others = draw_renderings(OTHER_SEED, count, progress)
        networks = {
            "attributes": AttributeNetwork.load(),
            "random": AttributeNetwork.random(RANDOM_SEED, self.pictures[:1000]),
        }
        self.features = {name: (network, network.features(self.pictures)) for name, network in networks.items()}
        self.judge = FaceJudge.load()

    def distances(self, images: Tensor) -> dict[str, dict[str, float]]:
        """Return the kernel distance of pictures (N, 3, 64, 64) to the renderings, by each network."""
        return {
            name: kernel_distance(network.features(images), features)
            for name, (network, features) in self.features.items()
        }

    def figures(self) -> dict[str, Any]:
        """Return what the renderings themselves have."""
        return {"kid": self.distances(self.others), **look_at(self.pictures, self.judge)}


def measure(
    teacher: StyleGAN2Teacher, real: Renderings, reductions: Tensor, samples: int, progress: Progress
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Measure a teacher; return its figures and its pictures as PNG, by name."""
    figures: dict[str, Any] = {"samples": samples}
    drawn = {}
    for psi in PSIS:
        drawn[psi] = draw(teacher, samples, psi, progress)
        figures[f"psi {psi:g}"] = {"kid": real.distances(drawn[psi]), **look_at(drawn[psi], real.judge)}
    made, truth = reconstructions(teacher, min(samples, 1000), progress)
    squared = (made - truth).square().flatten(1).mean(dim=1)
    figures["reconstruction"] = {
        "faces": len(made),
        "l1": round(float((made - truth).abs().mean()), 4),
        "psnr_db": round(float((10 * torch.log10(4 / squared)).mean()), 2),
    }
    beside = min(samples, 2000)
    indices, distances = nearest_pictures(drawn[0.7][:beside], reductions, NEIGHBOURS)
    _, of_unseen = nearest_pictures(real.pictures[:beside], reductions, 1)
    figures["nearest"] = {
        "training_pictures": len(reductions),
        "of_samples": round(float(distances[:, 0].median()), 4),
        "of_unseen_renderings": round(float(of_unseen[:, 0].median()), 4),
    }
    shown = [
        ("sample", [*drawn[0.7][:NEAREST]]),
        *((f"nearest {at + 1}", [*_training_pictures(indices[:NEAREST, at])]) for at in range(NEIGHBOURS)),
    ]
    return figures, {
        "samples": labelled_columns(
            [(f"{SHEET} samples, psi 0.7", drawn[0.7][:SHEET]), (f"{SHEET} renderings", real.pictures[:SHEET])],
            across=8,
        ),
        "samples-psi-1": labelled_columns(
            [(f"{SHEET} samples, psi 1", drawn[1.0][:SHEET]), (f"{SHEET} renderings", real.pictures[:SHEET])], across=8
        ),
        "nearest": labelled_rows(shown, [""] * NEAREST),
        "reconstructions": labelled_rows([("rendering", [*truth[:10]]), ("teacher", [*made[:10]])], [""] * 10),
    }


def _training_pictures(indices: Tensor) -> Tensor:
    return render(sample_attributes(TRAINING_SEED, indices))


def read_results(path: Path) -> dict[str, Any]:
    """Return what the file of results holds; an empty table where there is none."""
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {"teachers": {}}
    return found


def main(given: Sequence[str] | None = None) -> None:
    """Measure a teacher, write figures and pictures, and say what is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="a generator's .safetensors; by default the shipped one")
    parser.add_argument("--discriminator", type=Path, help="the one it played with; by default the shipped one's")
    parser.add_argument("--name", default="shipped", help="the entry in the results")
    parser.add_argument("--samples", type=int, default=5000, help="at each psi, and renderings beside them")
    parser.add_argument("--training-pictures", type=int, default=30_000, help="among which nearest ones are looked for")
    parser.add_argument("--output", type=Path, default=RESULT, help="the .json with the results")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="the folder of the pictures")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--card", type=Path, nargs="?", const=ASSETS / "faces64.md", help="write the card and its pictures, too"
    )
    parser.add_argument("--training", type=Path, help="run folder of gdp train-teacher, for the card's curves")
    options = parser.parse_args(given)
    if options.card and options.weights is not None and options.discriminator is None:
        parser.error("a card tells of the discriminator, too: give --discriminator with --weights")
    torch.set_num_threads(options.threads)
    about, progress = conditions(), choose_progress()
    teacher, real = load_teacher(options.weights, options.discriminator), Renderings(options.samples, progress)
    reductions = reduced_renderings(options.training_pictures, progress)
    figures, pictures = measure(teacher, real, reductions, options.samples, progress)
    if options.card:
        figures |= with_discriminator(teacher) | with_training(options.training, pictures)
    results = read_results(options.output)
    known = results["teachers"].get(options.name, {})
    if known.get("weights") == teacher.fingerprint and "training" in known:
        figures.setdefault("training", known["training"])  # its folder need not be there each time
    results |= {
        "protocol": PROTOCOL,
        "network": {"sha256": file_sha256(WEIGHTS), **json.loads(WEIGHTS.with_suffix(".json").read_text())},
        "renderings": real.figures(),
    }
    results["teachers"][options.name] = {
        "weights": teacher.fingerprint, "network": results["network"]["sha256"], **about, **figures,
    }  # fmt: skip
    options.pictures.mkdir(parents=True, exist_ok=True)
    for name, content in pictures.items():
        write_atomically(options.pictures / f"{options.name}-{name}.png", content)
    write_atomically(options.output, (json.dumps(results, indent=1) + "\n").encode())
    for words, wanted, found, met in held_against(figures, results):
        print(f"{words:36} {found:>18}   {wanted:24} {'' if met is None else 'met' if met else 'MISSED'}")
    print(f"reconstruction: L1 {figures['reconstruction']['l1']:.4f}, {figures['reconstruction']['psnr_db']:.2f} dB")
    if options.card:
        write_card(results, options.name, pictures, options.card)


if __name__ == "__main__":
    main()
