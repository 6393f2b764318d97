"""Whether houses keep their shape in translations from photo to painting, where the renderer knows the house.

    python bench/house_shapes.py [--weights FILE] [--name NAME]     # the CycleGAN teacher
    python bench/house_shapes.py --student FOLDER                   # an exported student (runs/NAME/student)
    python bench/house_shapes.py --train                            # trains the network that finds houses, by seed

Writes bench/results/house_shapes.json and a sheet of 50 to build/house_shapes. A small network, trained on the
renderer's paintings alone, tells of each pixel whether it shows wall, roof or neither; in a translation it must find
both where the photo has them. The same of true paintings, and of true paintings whose houses were spoilt on purpose,
says what the figure is worth.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from fitting import fit
from plain.turns import conditions
from safetensors.torch import load_file
from sheets import labelled_columns
from torch import Tensor, nn
from torch.nn import functional

from gdp import BuildContext
from gdp.plugins.cyclegan import CycleGANConfig
from gdp.plugins.cyclegan.teacher import CycleGANTeacher
from gdp.plugins.scenes.landscape import Material
from gdp.plugins.scenes.parameters import SceneParameters, sample_scenes
from gdp.plugins.scenes.renderer import render, render_materials
from gdp.toolbox import file_sha256, write_atomically, write_tensors

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "bench" / "results" / "house_shapes.json"
PICTURES = ROOT / "build" / "house_shapes"
WEIGHTS = Path(__file__).parent / "assets" / "house_network.safetensors"
UNSEEN_SEED, TRAINING_SEED = 5_000_000, 5_000_001
"""The teacher learns from seed 0."""
NEITHER, WALL, ROOF = range(3)
SMALLEST = 12
"""Pixels of wall and of roof that a house must show: less is hidden by trees."""
KEPT = 0.75
"""A house keeps its shape where wall and roof overlap the photo's by so much in the mean (intersection over union).

Nine of ten true paintings have 0.85 or more, and nine of ten houses that were made one red ball less than this.
"""
ALIKE = 0.8
"""And where lightness in and around it correlates so much with the true painting's: overlap alone forgives balls."""
SHOWN, CROP, ACROSS = 50, 32, 10
SPOILT = ("true paintings", "houses blurred by 2 px", "houses of 60 % size", "houses as one ball of the roof's colour")
PROTOCOL = (
    f"Scenes of seed {UNSEEN_SEED}, which no teacher saw, in order, those with a house of which at least {SMALLEST} "
    "pixels of wall and of roof are in sight. A network trained on the renderer's paintings of seed "
    f"{TRAINING_SEED} alone tells wall and roof pixel by pixel; overlap: intersection over union with the renderer's "
    "own, the mean of wall and roof (10th, 50th and 90th percentile over the houses); likeness: correlation of "
    "lightness with the true painting's, in the house and 2 pixels around it; kept: share of houses whose overlap is "
    f"at least {KEPT} and whose likeness is at least {ALIKE}. psnr_db, l1: of the whole picture to the true painting. "
    "The same of true paintings, and of those with the house blurred (Gaussian of 2 px), drawn at 60 % size, or as one "
    "round patch of the roof's colour."
)


class HouseNetwork(nn.Sequential):
    """Five convolutions that see 31 pixels around: (N, 3, H, W) in [-1, 1] to logits (N, 3, H, W)."""

    def __init__(self) -> None:
        super().__init__(
            *(_convolution(3, 24, 1), _convolution(24, 24, 2), _convolution(24, 24, 4), _convolution(24, 24, 8)),
            nn.Conv2d(24, 3, 1),
        )

    @classmethod
    def load(cls) -> HouseNetwork:
        """Read its weights."""
        network = cls()
        network.load_state_dict({name: tensor.float() for name, tensor in load_file(WEIGHTS).items()})
        return network.eval().requires_grad_(False)


def _convolution(inputs: int, outputs: int, dilation: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, padding_mode="replicate", bias=False),
        nn.BatchNorm2d(outputs),
        nn.SiLU(),
    )


def house_parts(scenes: SceneParameters) -> Tensor:
    """Return (N, 64, 64) int64: which pixels show wall, roof or neither, as `draw_house` lays them."""
    meadow = (scenes.number("water") >= 0.5).float()
    base = scenes.number("horizon") + 0.012 + meadow * (0.03 + 0.16 * scenes.number("house_depth"))
    up = base - (torch.arange(64)[None, :, None] + 0.5) / 64
    house = render_materials(scenes)[:, Material.HOUSE] > 0.5
    above = (up > 0.95 * scenes.number("house_size")).expand_as(house)
    return torch.where(house, torch.where(above, ROOF, WALL), NEITHER)


def scenes_with_houses(seed: int, count: int) -> SceneParameters:
    """Return the first scenes of a seed whose houses are in sight."""
    found: list[Tensor] = []
    start = 0
    while sum(map(len, found)) < count:
        numbers = torch.arange(start, start + 256)
        scenes = sample_scenes(seed, numbers)
        numbers = numbers[scenes.number("house").flatten() < 0.4]
        parts = house_parts(sample_scenes(seed, numbers))
        seen = [(parts == part).flatten(1).sum(dim=1) >= SMALLEST for part in (WALL, ROOF)]
        found.append(numbers[seen[0] & seen[1]])
        start += 256
    return sample_scenes(seed, torch.cat(found)[:count])


def overlaps(network: HouseNetwork, pictures: Tensor, parts: Tensor) -> Tensor:
    """Return (N,): how far wall and roof that the network finds in pictures (N, 3, 64, 64) are the renderer's."""
    told = torch.cat([network(chunk).argmax(dim=1) for chunk in pictures.split(64)])
    values = []
    for part in (WALL, ROOF):
        mine, theirs = told == part, parts == part
        values.append((mine & theirs).flatten(1).sum(dim=1) / (mine | theirs).flatten(1).sum(dim=1).clamp(min=1))
    return torch.stack(values).mean(dim=0)


def likeness(pictures: Tensor, scenes: SceneParameters) -> Tensor:
    """Return (N,): the correlation of lightness with the true painting's, in the house and 2 pixels around it."""
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    mine, theirs = ((each * weights).sum(dim=1) for each in (pictures, render(scenes, "painting")))
    near = functional.max_pool2d((house_parts(scenes) != NEITHER)[:, None].float(), 5, 1, 2)[:, 0]
    count = near.sum(dim=(1, 2), keepdim=True)
    mine, theirs = (near * (each - (near * each).sum(dim=(1, 2), keepdim=True) / count) for each in (mine, theirs))
    together = (mine * theirs).sum(dim=(1, 2))
    return together / (mine.square().sum(dim=(1, 2)) * theirs.square().sum(dim=(1, 2))).sqrt().clamp(min=1e-6)


def kept_houses(network: HouseNetwork, scenes: SceneParameters, pictures: Tensor) -> Tensor:
    """Return (N,) bool: whose house keeps its shape."""
    return (overlaps(network, pictures, house_parts(scenes)) >= KEPT) & (likeness(pictures, scenes) >= ALIKE)


def spoilt(scenes: SceneParameters) -> Iterator[tuple[str, Tensor]]:
    """Yield true paintings, and those whose houses were spoilt on purpose."""
    truth, mask = render(scenes, "painting"), (house_parts(scenes) != NEITHER)[:, None].float()
    near = functional.max_pool2d(mask, 5, 1, 2)
    yield SPOILT[0], truth
    blurred = _gaussian(truth, 2.0)
    yield SPOILT[1], truth + near * (blurred - truth)
    smaller = _with_smaller_houses(scenes)
    yield SPOILT[2], smaller
    roof = (house_parts(scenes) == ROOF)[:, None].float()
    colour = (truth * roof).sum(dim=(2, 3), keepdim=True) / roof.sum(dim=(2, 3), keepdim=True)
    yield SPOILT[3], truth + _gaussian(mask, 1.5).clamp(0, 1) * (colour - truth)


def _with_smaller_houses(scenes: SceneParameters) -> Tensor:
    from gdp.plugins.scenes.parameters import RANGES

    low, high = RANGES["house_size"]
    table = scenes.table.clone()
    column = [*RANGES].index("house_size")
    table[:, column] = (0.6 * scenes.number("house_size").flatten() - low) / (high - low)
    return render(SceneParameters(scenes.keys, table), "painting")


def _gaussian(images: Tensor, deviation: float) -> Tensor:
    reach = torch.arange(-6, 7, dtype=torch.float32)
    taps = torch.exp(-(reach / deviation).square() / 2)
    kernel = torch.outer(taps, taps) / taps.sum().square()
    channels = images.shape[1]
    padded = functional.pad(images, (6, 6, 6, 6), mode="replicate")
    return functional.conv2d(padded, kernel.expand(channels, 1, 13, 13).contiguous(), groups=channels)


def figures_of(network: HouseNetwork, scenes: SceneParameters, pictures: Tensor) -> dict[str, Any]:
    """Return what is measured of pictures of these scenes."""
    found, truth = overlaps(network, pictures, house_parts(scenes)), render(scenes, "painting")
    percentiles = torch.tensor([0.1, 0.5, 0.9])
    squared = (pictures - truth).square().flatten(1).mean(dim=1)
    return {
        "houses": len(pictures),
        "kept": round(float(kept_houses(network, scenes, pictures).float().mean()), 4),
        "overlap": [round(float(value), 3) for value in found.quantile(percentiles)],
        "likeness": [round(float(value), 3) for value in likeness(pictures, scenes).quantile(percentiles)],
        "psnr_db": round(float((10 * torch.log10(4 / squared.clamp(min=1e-10))).mean()), 2),
        "l1": round(float((pictures - truth).abs().mean()), 4),
    }


def sheet(network: HouseNetwork, scenes: SceneParameters, made: Tensor) -> bytes:
    """Draw the first houses cut out: photo, translation (framed where its shape is lost), true painting."""
    parts = house_parts(scenes)
    lost = ~kept_houses(network, scenes, made)
    cuts = [_cut(pictures, parts)[:SHOWN] for pictures in (render(scenes, "photo"), made, render(scenes, "painting"))]
    for number in range(min(SHOWN, len(lost))):
        if lost[number]:
            for edge in (0, -1):
                cuts[1][number, :, edge] = cuts[1][number, :, :, edge] = torch.tensor([1.0, -1.0, -1.0])[:, None]
    titles = ("photo", "translation (red frame: shape lost)", "true painting")
    return labelled_columns(list(zip(titles, cuts, strict=True)), across=ACROSS // 2, factor=3)


def _cut(pictures: Tensor, parts: Tensor) -> Tensor:
    """Return squares (N, 3, 32, 32) around the houses."""
    found = []
    for picture, part in zip(pictures, parts, strict=True):
        rows, columns = (part != NEITHER).nonzero(as_tuple=True)
        top, left = (min(64 - CROP, max(0, round(float(at.float().mean())) - CROP // 2)) for at in (rows, columns))
        found.append(picture[:, top : top + CROP, left : left + CROP].clone())
    return torch.stack(found)


def train(scenes: int = 1500, steps: int = 700, batch: int = 12, seed: int = TRAINING_SEED) -> HouseNetwork:
    """Train the network on paintings, a third of which have no house in sight; the same arguments give the same one."""
    mixed = [scenes_with_houses(seed, scenes * 2 // 3), sample_scenes(seed, torch.arange(10**6, 10**6 + scenes // 3))]
    pictures = torch.cat([render(each, "painting") for each in mixed])
    parts = torch.cat([house_parts(each) for each in mixed])
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = HouseNetwork()
    weights = torch.tensor([0.2, 1.0, 1.0])

    def loss_of_batch() -> Tensor:
        chosen = torch.randint(len(pictures), (batch,), generator=generator)
        # Translations are a little off in colour and sharpness; where a house is must be told in spite of it.
        tint = 0.15 * torch.randn(batch, 3, 1, 1, generator=generator)
        return functional.cross_entropy(network(pictures[chosen] + tint), parts[chosen], weights)

    fit(network, loss_of_batch, steps=steps, learning_rate=5e-3, weight_decay=0.01)
    return network


def _translator(options: argparse.Namespace) -> tuple[str, Callable[[Tensor], Tensor]]:
    """Return whose translations are looked at, and what translates (N, 3, 64, 64) in [-1, 1]."""
    if options.student is not None:
        import gdp

        return str(options.student), gdp.load(options.student)
    given = {} if options.weights is None else {"weights": options.weights}
    teacher = CycleGANTeacher(CycleGANConfig(**given), BuildContext())
    return teacher.fingerprint, teacher.translate


def main(given: Sequence[str] | None = None) -> None:
    """Measure a translator's houses, write figures and sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="a CycleGAN's .safetensors; by default the shipped one")
    parser.add_argument("--student", type=Path, help="an exported student instead")
    parser.add_argument("--name", default="shipped", help="the entry in the results")
    parser.add_argument("--houses", type=int, default=200)
    parser.add_argument("--train", action="store_true", help="train the network first")
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("--pictures", type=Path, default=PICTURES)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)
    about = conditions()
    if options.train:
        state = train().state_dict()
        write_tensors(
            WEIGHTS, {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
        )
    network, scenes = HouseNetwork.load(), scenes_with_houses(UNSEEN_SEED, options.houses)
    whose, translate = _translator(options)
    with torch.no_grad():
        made = torch.cat([translate(chunk) for chunk in render(scenes, "photo").split(8)]).clamp(-1, 1)
    results: dict[str, Any] = json.loads(options.output.read_text()) if options.output.is_file() else {}
    results["protocol"], results["network"] = PROTOCOL, {"sha256": file_sha256(WEIGHTS)}
    results["renderings"] = {words: figures_of(network, scenes, pictures) for words, pictures in spoilt(scenes)}
    entry = {"of": whose, **about, **figures_of(network, scenes, made)}
    results.setdefault("translators", {})[options.name] = entry
    options.pictures.mkdir(parents=True, exist_ok=True)
    write_atomically(options.pictures / f"{options.name}.png", sheet(network, scenes, made))
    write_atomically(options.output, (json.dumps(results, indent=1) + "\n").encode())
    for name, figures in [*results["renderings"].items(), (options.name, entry)]:
        print(f"{name:42} kept {figures['kept']:.0%}, overlap {figures['overlap'][1]:.2f}, {figures['psnr_db']:.2f} dB")


if __name__ == "__main__":
    main()
