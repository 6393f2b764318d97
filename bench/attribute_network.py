"""A small network that tells what the renderer drew, and whose last features measure how far a teacher's pictures are.

    python bench/attribute_network.py

trains it again, by seed, on fresh renderings, in some minutes, and writes bench/assets/attribute_network.safetensors
(float16) and the figures of faces that it never saw beside it. It knows every attribute of the renderer, the judge that
filters pairs only some of them, and shares neither weights nor training pictures with it. Kernel distances of two
teachers compare only where this file was the same: results name its sha256.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from fitting import fit
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from gdp.plugins.faces import attributes as world
from gdp.plugins.faces.attributes import FaceAttributes, sample_attributes
from gdp.plugins.faces.renderer import render
from gdp.toolbox import from_levels, to_levels, write_tensors

WEIGHTS = Path(__file__).parent / "assets" / "attribute_network.safetensors"
CLASSES = {
    "glasses": 2,
    "hair_length": len(world.HAIR_LENGTHS),
    "hair_colour": len(world.HAIR_COLOURS),
    "skin": len(world.SKIN_CLASSES),
    "eye_colour": len(world.EYE_COLOURS),
}
"""Attributes that are classes, and how many of each."""
HUES = ("background_hue", "clothes_hue")
"""Told as cosine and sine, for 0 and 1 are one hue."""
UNITS = {"age": (45.0, 25.0), "yaw": (0.0, 20.0), "pitch": (0.0, 10.0), "roll": (0.0, 4.0)}
"""What is taken off and divided by before the network learns a number; others as they are."""
NUMBERS = tuple(field.name for field in fields(FaceAttributes) if field.name not in (*CLASSES, *HUES))
SEED = 4000
_SIDE, _WIDTH, _CHUNK = 64, 32, 250


class AttributeNetwork(nn.Module):
    """Five convolutions over patches of 4 x 4 pixels, and one linear layer for every attribute.

    The features are the last convolution's, (N, 512): 32 channels at 4 x 4 places, so that they know where something
    is: faces stand upright in the middle.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.PixelUnshuffle(4),  # (N, 48, 16, 16)
            *_convolution(48, 64, 3),
            *_convolution(64, 96, 4),  # (N, 96, 8, 8)
            *_convolution(96, 96, 3),
            *_convolution(96, 64, 4),  # (N, 64, 4, 4)
            *_convolution(64, _WIDTH, 3),
            nn.Flatten(),
        )
        self.head = nn.Linear(_WIDTH * 16, sum(CLASSES.values()) + 2 * len(HUES) + len(NUMBERS))

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Return (N, 512) of pictures (N, 3, 64, 64) in [-1, 1]."""
        return torch.cat([self.trunk(part) for part in torch.split(images, _CHUNK)])

    @torch.no_grad()
    def read(self, images: Tensor) -> dict[str, Tensor]:
        """Tell the attributes of pictures (N, 3, 64, 64): (N,) each; of classes the probability of each, (N, K).

        Numbers are in the renderer's own units.
        """
        logits, hues, numbers = _parts(torch.cat([self.head(self.trunk(part)) for part in torch.split(images, _CHUNK)]))
        found = {name: part.softmax(dim=1) for name, part in logits.items()}
        found |= {name: torch.atan2(part[:, 1], part[:, 0]) / (2 * torch.pi) % 1 for name, part in hues.items()}
        for name, value in zip(NUMBERS, numbers.unbind(dim=1), strict=True):
            centre, scale = UNITS.get(name, (0.0, 1.0))
            found[name] = centre + scale * value
        return found

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> AttributeNetwork:
        """Read its weights."""
        network = cls()
        network.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
        return network.eval().requires_grad_(False)

    @classmethod
    def random(cls, seed: int, images: Tensor) -> AttributeNetwork:
        """Return one with random weights whose normalisations have seen pictures (N, 3, 64, 64)."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = cls().train()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # the mean over all batches
        network.features(images)
        return network.eval().requires_grad_(False)


def _convolution(inputs: int, outputs: int, size: int) -> list[nn.Module]:
    """A convolution with batch normalisation; one of size 4 halves the resolution."""
    convolution = nn.Conv2d(inputs, outputs, size, stride=2 if size == 4 else 1, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.SiLU()]


def _parts(outputs: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    """Part outputs into logits of each class, cosine and sine of each hue, and numbers (N, K)."""
    sizes = [*CLASSES.values(), *[2] * len(HUES), len(NUMBERS)]
    *parts, numbers = torch.split(outputs, sizes, dim=1)
    return dict(zip(CLASSES, parts, strict=False)), dict(zip(HUES, parts[len(CLASSES) :], strict=True)), numbers


def _loss(outputs: Tensor, truth: FaceAttributes) -> Tensor:
    logits, hues, numbers = _parts(outputs)
    losses = [functional.cross_entropy(part, getattr(truth, name)) for name, part in logits.items()]
    for name, part in hues.items():
        angle = 2 * torch.pi * getattr(truth, name)
        losses.append(functional.mse_loss(part, torch.stack([angle.cos(), angle.sin()], dim=1)))
    return torch.stack(losses).sum() + 3 * functional.mse_loss(numbers, _numbers(truth)) * len(NUMBERS) / 10


def _numbers(truth: FaceAttributes) -> Tensor:
    """Return what the network learns, (N, K)."""
    columns = []
    for name in NUMBERS:
        centre, scale = UNITS.get(name, (0.0, 1.0))
        columns.append((getattr(truth, name) - centre) / scale)
    return torch.stack(columns, dim=1)


def train(faces: int, steps: int, batch: int, learning_rate: float, seed: int) -> AttributeNetwork:
    """Train a fresh network on faces 0 to `faces` - 1 of `seed`; the same arguments give the same network."""
    attributes = sample_attributes(seed, range(faces))
    pictures = torch.cat([to_levels(render(attributes[slice(start, start + 512)])) for start in range(0, faces, 512)])
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = AttributeNetwork().to(memory_format=torch.channels_last)

    def loss_of_batch() -> Tensor:
        chosen = torch.randint(faces, (batch,), generator=generator)
        return _loss(network.head(network.trunk(from_levels(pictures[chosen]))), attributes[chosen])

    fit(network, loss_of_batch, steps=steps, learning_rate=learning_rate, weight_decay=0.05)
    return network


def held_out_figures(network: AttributeNetwork, seed: int, count: int = 2000) -> dict[str, Any]:
    """Measure on faces 0 to `count` - 1 of `seed`.

    Returns:
        `right`: share of right answers of each class; `explained`: of numbers, and of hues by their cosine, the share
        of the variance that is told (R squared); `age_error_years`: mean absolute.
    """
    truth = sample_attributes(seed, range(count))
    found = network.read(render(truth))
    right = {name: float((found[name].argmax(dim=1) == getattr(truth, name)).float().mean()) for name in CLASSES}
    explained = {name: _explained(found[name], getattr(truth, name)) for name in NUMBERS}
    for name in HUES:
        told, true = ((2 * torch.pi * value).cos() for value in (found[name], getattr(truth, name)))
        explained[name] = _explained(told, true)
    return {
        "unseen_faces": count,
        "seed": seed,
        "age_error_years": round(float((found["age"] - truth.age).abs().mean()), 3),
        "right": {name: round(value, 4) for name, value in right.items()},
        "explained": {name: round(value, 3) for name, value in explained.items()},
    }


def _explained(told: Tensor, truth: Tensor) -> float:
    return float(1 - (told - truth).square().mean() / truth.var())


def main(given: Sequence[str] | None = None) -> None:
    """Train, measure on faces never seen, and write weights and figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="the safetensors file; figures go beside it")
    parser.add_argument("--faces", type=int, default=12_000, help="rendered faces to train on")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=SEED, help="of faces and training; the next one measures")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)
    begin = time.perf_counter()
    network = train(options.faces, options.steps, options.batch, options.learning_rate, options.seed)
    seconds = time.perf_counter() - begin
    options.out.parent.mkdir(exist_ok=True)
    state = network.state_dict()
    write_tensors(options.out, {name: _half(tensor) for name, tensor in state.items()})
    figures = held_out_figures(AttributeNetwork.load(options.out), options.seed + 1)
    figures["training"] = {
        "faces": options.faces, "steps": options.steps, "batch": options.batch, "seed": options.seed,
        "learning_rate": options.learning_rate, "seconds": round(seconds), "threads": options.threads,
        "parameters": sum(parameter.numel() for parameter in network.parameters()), "torch": torch.__version__,
    }  # fmt: skip
    options.out.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


def _half(tensor: Tensor) -> Tensor:
    return tensor.half().contiguous() if tensor.is_floating_point() else tensor


if __name__ == "__main__":
    main()
