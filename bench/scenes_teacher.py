"""The shipped CycleGAN on scenes that it never saw, against the renderer's truth, and its card.

    python bench/scenes_teacher.py            # the figures
    python bench/scenes_teacher.py --card     # the figures, the sheet and the card beside the weights

Writes bench/results/scenes_teacher.json. Houses are looked at by `python bench/house_shapes.py`, whose newest result
the card tells.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from house_shapes import RESULT as HOUSES
from plain.turns import conditions
from sheets import labelled_columns
from torch import Tensor

from gdp import BuildContext
from gdp.plugins.cyclegan import CycleGANConfig, weights_path
from gdp.plugins.cyclegan.teacher import CycleGANTeacher
from gdp.plugins.evaluators.similarity import psnr_db
from gdp.plugins.scenes import RenderedScenesConfig
from gdp.plugins.scenes.renderer import RenderedScenes
from gdp.toolbox import file_sha256, from_levels, write_atomically

RESULT = Path(__file__).parent / "results" / "scenes_teacher.json"
SHOWN = 8
PROTOCOL = (
    "Test photos and test paintings of rendered-scenes (other scenes than those of the training), 64 px, against the "
    "same scenes in the other look. psnr_db: over RGB, data range 2 ([-1, 1]), mean over pictures; l1: mean absolute "
    "difference in [-1, 1]; unchanged: of the source itself; there_and_back_l1: photo, painting, photo."
)
CARD = """# scenes64: a CycleGAN of drawn landscapes

The embedded teacher of system B: both generators (9 residual blocks, width 16, resize-convolutions, which
predict the change) and both patch discriminators (width 16, patches of 34 px) in one file, float16,
{megabytes:.1f} MB, trained by `gdp train-teacher recipes/train_scenes64.toml` on gdp's own procedural scene
renderer: 20,000 photos and 20,000 paintings of other scenes, 64 px, never paired. Generator G_A (photo to
painting) is the moving average of its weights. Licence: Apache-2.0, as gdp.

## Training
{history}

## Measured
`python bench/scenes_teacher.py --card` wrote this page. On {count} test photos that no training saw, against
the same scenes as paintings (PSNR over RGB, range [-1, 1], mean over pictures):

| | PSNR to the truth | L1 to the truth |
|---|---|---|
| G_A, photo to painting | {there[psnr_db]:.2f} dB | {there[l1]:.4f} |
| the photo unchanged | {unchanged[psnr_db]:.2f} dB | {unchanged[l1]:.4f} |
| G_B, painting to photo | {back[psnr_db]:.2f} dB | {back[l1]:.4f} |
| the painting unchanged | {back_unchanged[psnr_db]:.2f} dB | {back_unchanged[l1]:.4f} |

There and back (photo, painting, photo): L1 {there_and_back_l1:.4f}.

Of {houses[houses]} houses in photos that no training saw {kept:.1%} keep their shape in G_A's painting (`python
bench/house_shapes.py`: a network finds wall and roof where the photo has them, light and dark as in the true
painting; of true paintings {true_kept:.1%}, of houses made one red ball {ball_kept:.1%}).

![photo, G_A's painting, the true painting, G_B of G_A's painting](scenes64-samples.png)

## Limits
Drawn landscapes only; good for trying and testing gdp, of no use for photographs. The strokes of the sky are
hinted at, and the grain of a photo stays in what should be strokes.
"""
HISTORY = """5,000 steps of 4 pictures of each domain at 5e-4, falling in a line from half of them on, 55 minutes on
one core of an Intel Xeon (bf16, torch 2.15); then 4,000 steps more of the recipe, `--from` those networks, at 4e-4,
falling from 0.3 of them on, 35 minutes (float32). Adversarial (least squares) 1, both cycles 10, no identity
loss: a painting's colours differ from a photo's on purpose."""


def distances(made: Tensor, truth: Tensor) -> dict[str, float]:
    """Return PSNR and L1 of pictures (N, 3, H, W) in [-1, 1] to their truth."""
    return {
        "psnr_db": round(float(psnr_db(made, truth).mean()), 3),
        "l1": round(float((made - truth).abs().mean()), 5),
    }


def translated(network: Any, pictures: Tensor) -> Tensor:
    """Run a generator on pictures (N, 3, H, W), some at a time."""
    with torch.no_grad():
        return torch.cat([network(chunk).clamp(-1, 1) for chunk in pictures.split(20)])


def measure(teacher: CycleGANTeacher, count: int) -> tuple[dict[str, Any], list[tuple[str, Tensor]]]:
    """Return the figures, and the first pictures as titled columns."""
    scenes = RenderedScenes(RenderedScenesConfig(test_count=count), BuildContext())
    numbers = range(count)
    photos, paintings = (from_levels(scenes.images(part, numbers)) for part in ("testA", "testB"))
    of_photos, of_paintings = (from_levels(scenes.truth(part, numbers)) for part in ("testA", "testB"))
    there = translated(teacher.module, photos)
    again, back = translated(teacher.opposite, there), translated(teacher.opposite, paintings)
    figures = {
        "count": count,
        "there": distances(there, of_photos),
        "unchanged": distances(photos, of_photos),
        "back": distances(back, of_paintings),
        "back_unchanged": distances(paintings, of_paintings),
        "there_and_back_l1": distances(again, photos)["l1"],
    }
    titles = ("photo", "G_A", "true painting", "G_B of G_A")
    columns = [each[:SHOWN] for each in (photos, there, of_photos, again)]
    return figures, list(zip(titles, columns, strict=True))


def card(figures: dict[str, Any], teacher: CycleGANTeacher, weights: Path) -> str:
    """Write the card of these figures, with the newest ones of the houses.

    Raises:
        SystemExit: the houses were looked at in other weights.
    """
    houses = json.loads(HOUSES.read_text(encoding="utf-8"))
    shipped, drawn = houses["translators"]["shipped"], houses["renderings"]
    if shipped["of"] != teacher.fingerprint:
        raise SystemExit(f"{HOUSES} is of other weights: run python bench/house_shapes.py first")
    return CARD.format(
        **figures,
        history=HISTORY,
        megabytes=weights.stat().st_size / 1e6,
        houses=shipped,
        kept=shipped["kept"],
        true_kept=drawn["true paintings"]["kept"],
        ball_kept=drawn["houses as one ball of the roof's colour"]["kept"],
    )


def main(given: Sequence[str] | None = None) -> None:
    """Measure the teacher, and write its card where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="a CycleGAN's .safetensors; by default the shipped one")
    parser.add_argument("--count", type=int, default=200, help="pictures of each domain")
    parser.add_argument("--card", action="store_true", help="write sheet and card beside the shipped weights")
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args(given)
    config = CycleGANConfig() if options.weights is None else CycleGANConfig(weights=options.weights)
    weights = weights_path(config.weights)
    about = conditions()
    teacher = CycleGANTeacher(config, BuildContext())
    figures, columns = measure(teacher, options.count)
    found = {"protocol": PROTOCOL, "weights": file_sha256(weights), **about, **figures}
    write_atomically(options.output, (json.dumps(found, indent=1) + "\n").encode())
    if options.card:
        write_atomically(weights.with_name("scenes64-samples.png"), labelled_columns(columns, across=1, factor=2))
        write_atomically(weights.with_name("scenes64.md"), card(figures, teacher, weights).encode())
    for name in ("there", "unchanged", "back", "back_unchanged"):
        print(f"{name.replace('_', ', '):18} {figures[name]['psnr_db']:.2f} dB, L1 {figures[name]['l1']:.4f}")
    print(f"there and back     L1 {figures['there_and_back_l1']:.4f}")


if __name__ == "__main__":
    main()
