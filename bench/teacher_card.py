"""The model card of the shipped StyleGAN2: written by `python bench/embedded_teacher.py --card`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.judge import FaceJudge
from gdp.plugins.faces.renderer import render
from gdp.plugins.stylegan2 import discriminator_path, weights_path
from gdp.plugins.stylegan2.sheets import draw_curves
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher
from gdp.plugins.stylegan2.training import STATISTICS
from gdp.toolbox import write_atomically

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


def with_discriminator(teacher: StyleGAN2Teacher) -> dict[str, Any]:
    """Return what the teacher's discriminator can tell, for its entry in the results."""
    assert teacher.discriminator is not None
    rows = measure_discriminator(teacher, teacher.discriminator)
    files = {"generator": weights_path(teacher.config.weights), "discriminator": discriminator_path(teacher.config)}
    return {
        "megabytes": {name: round(file.stat().st_size / 1e6, 1) for name, file in files.items() if file is not None},
        "discriminator": [[ours, theirs, round(value, 3)] for ours, theirs, value in rows],
    }


def with_training(folder: Path | None, pictures: dict[str, bytes]) -> dict[str, Any]:
    """Return how long the training in `folder` was, and draw its curves into `pictures`; nothing without a folder."""
    if folder is None:
        return {}
    statistics = folder / STATISTICS
    last = json.loads(statistics.read_text().splitlines()[-1])
    pictures["training"] = draw_curves(statistics)
    return {"training": {"images": int(last["images"]), "hours": round(last["seconds"] / 3600, 2)}}


CARD_PICTURES = ("samples", "nearest", "training")
"""Of the measured pictures those that lie beside the card."""


def write_card(results: Mapping[str, Any], name: str, pictures: Mapping[str, bytes], card: Path) -> None:
    """Write the card of a teacher's entry in the results, and its pictures beside it."""
    for part in CARD_PICTURES:
        if part in pictures:
            write_atomically(card.with_name(f"{card.stem}-{part}.png"), pictures[part])
    write_atomically(card, card_text(results, name, card.stem).encode())


def card_text(results: Mapping[str, Any], name: str, stem: str) -> str:
    """Return the card in Markdown.

    Args:
        results: what `embedded_teacher.py` has written.
        name: the teacher's entry.
        stem: of the names of its weights, pictures and card.
    """
    found = results["teachers"][name]
    sizes, rows = (
        found["megabytes"],
        [(str(ours), str(theirs), float(value)) for ours, theirs, value in found["discriminator"]],
    )
    return "\n".join(
        [
            _introduction(stem, sizes["generator"]),
            _training_section(stem, found.get("training")),
            _figures_section(results, name),
            _samples_section(stem, found, results["renderings"]),
            _nearest_section(stem, found["nearest"]),
            discriminator_section(f"{stem}-discriminator.safetensors", sizes["discriminator"], rows),
            "## Limits\nDrawn faces, frontal to half turned, plain backgrounds. Good for trying and testing gdp; of no "
            "use for photos.\n",
        ]
    )


def _introduction(stem: str, megabytes: float) -> str:
    return f"""# {stem}: a StyleGAN2 of drawn faces

The embedded teacher: a StyleGAN2 generator (64 px, moving average of the weights, stored as float16,
{megabytes:.1f} MB) trained on faces of gdp's own procedural renderer, with the objective of
`recipes/train_faces64.toml`. It shows drawn faces of nobody. Licence: Apache-2.0, as gdp.
"""


HISTORY = """It went on from the teacher that was shipped before (commit 54bb947; 100,000 pictures, 0.40 hours), made
wider at 32 and 64 px, on one core (float32), every picture a rendering that it had not seen: 30,000 in batches of 20
(12 reconstructed, 8 freely drawn, learning rate 0.002), after which spectacles were still ghosts, then 120,000 in
batches of 8, all reconstructed, by the recipe's settings, the learning rates falling to a fifth over the last 36,000.
From random weights the recipe was not run to its end. The curves show these pictures.
"""
"""How the shipped networks came about; to be told anew with other ones."""


def _training_section(stem: str, training: Mapping[str, Any] | None) -> str:
    seen = "" if training is None else f"{training['images']:,} pictures seen in {training['hours']:.2f} hours.\n"
    return f"""## Training
{seen}{HISTORY}
The renderer knows from which standard normal numbers it drew each picture, so the generator learns to draw a picture
from its own numbers beside the game with a discriminator. The plain game was tried first: after 73,000 pictures its
samples had one outline and no eyes. The price of this help: the latent space follows the renderer's attributes, so
directions are easier to find in it than in a GAN that had to find its own.

![losses and penalties over the pictures seen]({stem}-training.png)
"""


def _figures_section(results: Mapping[str, Any], name: str) -> str:
    teachers = {
        each: results["teachers"][each] for each in dict.fromkeys(("before", name)) if each in results["teachers"]
    }
    about, accuracy = teachers[name], results["network"]
    columns = [f"{each}, psi {psi}" for each in teachers for psi in ("0.7", "1")]
    cells = [_cells(teachers[each][f"psi {psi}"]) for each in teachers for psi in ("0.7", "1")]
    cells.append(_cells(results["renderings"]))
    rows = [f"| {words} | {' | '.join(column[words] for column in cells)} |" for words in cells[0]]
    held = [
        f"| {words} | {wanted} | {value} | {'not known' if met is None else 'yes' if met else '**no**'} |"
        for words, wanted, value, met in held_against(about, results)
    ]
    told = ", ".join(f"{each.replace('_', ' ')} {share:.1%}" for each, share in accuracy["right"].items())
    made = about["reconstruction"]
    return f"""## Held against renderings that it never saw
By `python bench/embedded_teacher.py`, {about["samples"]:,} samples beside as many renderings; the protocol, versions
and processor stand in `bench/results/embedded_teacher.json`.

| | {" | ".join(columns)} | renderings |
|---|{"---|" * len(cells)}
{chr(10).join(rows)}

KID (times 1000) is measured by features of a network of ours that tells what the renderer drew
(`bench/attribute_network.py`; right on {accuracy["unseen_faces"]:,} unseen renderings: {told}; age within
{accuracy["age_error_years"]:.1f} years), and by the same network with random weights. The renderings' column is that of
other renderings: the floor. What renderings become that are asked for by their own numbers: L1 {made["l1"]:.4f},
{made["psnr_db"]:.2f} dB, on {made["faces"]:,} never seen.

| asked | | found | met |
|---|---|---|---|
{chr(10).join(held)}
"""


def held_against(figures: Mapping[str, Any], results: Mapping[str, Any]) -> list[tuple[str, str, str, bool | None]]:
    """Hold a teacher's figures against what is asked of them: rows of words, wanted, found, and whether it is met."""
    renderings, before = results["renderings"], results["teachers"].get("before")
    at, wide = figures["psi 0.7"], figures["psi 1"]
    rows: list[tuple[str, str, str, bool | None]] = []
    for network in ("attributes", "random"):
        found = at["kid"][network]["mean"]
        limit = None if before is None else before["psi 0.7"]["kid"][network]["mean"] / 3
        words = f"KID at psi 0.7, {network} features"
        wanted = "a third of before's" if limit is None else f"at most {limit:.4g}"
        rows.append((words, wanted, f"{found:.4g}", None if limit is None else found <= limit))
    unclear = at["unclear_glasses"]
    rows.append(("unclear glasses, psi 0.7", "at most 3 %", f"{unclear:.1%}", unclear <= 0.03))
    real = renderings["sharpness"][1]
    for psi, values in (("0.7", at), ("1", wide)):
        ratio = values["sharpness"][1] / real
        found_words = f"{values['sharpness'][1]:,} ({ratio:.0%})"
        rows.append((f"median sharpness, psi {psi}", f"80 to 120 % of {real:,}", found_words, 0.8 <= ratio <= 1.2))
    rows.append(("faces, psi 0.7", "at least 99 %", f"{at['faces']:.1%}", at["faces"] >= 0.99))
    return rows


def _cells(found: Mapping[str, Any]) -> dict[str, str]:
    low, middle, high = found["sharpness"]
    kid = {
        f"KID x 1000, {network} features": f"{1000 * value['mean']:.2f} ± {1000 * value['deviation']:.2f}"
        for network, value in found["kid"].items()
    }
    return {
        "taken for a face": f"{found['faces']:.1%}",
        "glasses neither on nor off": f"{found['unclear_glasses']:.1%}",
        "sharpness, median (quartiles)": f"{middle:,} ({low:,} to {high:,})",
        **kid,
    }


def _samples_section(stem: str, found: Mapping[str, Any], renderings: Mapping[str, Any]) -> str:
    columns = [found["psi 0.7"]["attributes"], found["psi 1"]["attributes"], renderings["attributes"]]
    rows = "\n".join(
        f"| {word} | {' | '.join(f'{100 * column[word]:.1f} %' for column in columns)} |" for word in columns[0]
    )
    return f"""## Samples
![96 samples at psi 0.7 beside 96 renderings]({stem}-samples.png)

| share, by the shipped judge (`judge.md`) | psi 0.7 | psi 1 | renderings |
|---|---|---|---|
{rows}
"""


def _nearest_section(stem: str, nearest: Mapping[str, Any]) -> str:
    return f"""## Not memorised
Each column: a sample (psi 0.7), then its four nearest of {nearest["training_pictures"]:,} training pictures (root mean
square difference of 16 px reductions, range [-1, 1]). Median distance of a sample to its nearest one:
{nearest["of_samples"]:.3f}; of a rendering that was never seen: {nearest["of_unseen_renderings"]:.3f}.

![samples beside their nearest training pictures]({stem}-nearest.png)
"""
