"""What one looks at while a StyleGAN2 trains: sheets of samples, how well unseen pictures are drawn, and the curves."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional
from torchvision.utils import make_grid

from gdp.plugins.stylegan2.networks import Generator
from gdp.toolbox import counter_generator, encode_png, write_atomically

COLUMNS = 12
_PARTS = ((48, 0.7), (24, 1.0))
"""How many samples a sheet shows, at which truncation psi."""
_LARGEST = 128
"""Pixels of a picture on a sheet; larger ones are reduced."""
_MARKED = 10
"""Curves of fewer points show each."""
_TOGETHER, _PIXELS = 8, 8 * 256 * 256
"""Pictures, and pixels in them, that are synthesized together."""

CURVES = (
    ("the game", "logistic loss and logit", ("loss_generator", "loss_discriminator", "logit_real", "logit_fake")),
    ("reconstruction", "L1 of [-1, 1]; of features a share", ("feature_distance", "l1", "held_out_l1")),
    ("penalties", "squared length", ("r1_penalty", "path_length_penalty")),
)
"""What is drawn over the pictures seen, a field each with its axis; what has no numbers is left out."""


class SampleSheets:
    """Draws the same samples, and the same unseen pictures, again and again.

    Args:
        folder: gets `samples/images-00010000.png` and `curves.png`.
        z_dim: size of z.
        seed: decides the samples.
        held_out: pictures (N, 3, R, R) in [-1, 1] that are never trained on, and what determines them (N, K); None
            where that is not known.
    """

    def __init__(self, folder: Path, z_dim: int, seed: int, held_out: tuple[Tensor, Tensor] | None) -> None:
        self._folder = folder
        self._held_out = None if held_out is None else held_out[0]
        self._z = torch.randn(48, z_dim, generator=counter_generator(seed, "samples", 0))
        if held_out is not None:
            known = held_out[1]
            random = counter_generator(seed, "held out", 0)
            self._known_z = torch.cat([known, torch.randn(len(known), z_dim - known.shape[1], generator=random)], dim=1)

    @torch.no_grad()
    def draw(self, generator: Generator, seen: int) -> dict[str, float]:
        """Write the sheet after `seen` pictures; return `held_out_l1` where pictures are held out.

        The sheet shows samples at psi 0.7, then at psi 1, then the drawings of the held-out pictures above themselves.
        `held_out_l1` is the mean absolute difference of those, in [0, 2].

        Raises:
            DiskFullError, RunFolderError: it cannot be written.
        """
        pictures = [_small(_synthesize(generator, self._z[:count], psi)) for count, psi in _PARTS]
        figures: dict[str, float] = {}
        if self._held_out is not None:
            drawn = _synthesize(generator, self._known_z, 1.0)
            figures["held_out_l1"] = float((drawn - self._held_out).abs().mean())
            for row in range(0, len(drawn), COLUMNS):
                pictures += [_row(each[row : row + COLUMNS]) for each in (drawn, self._held_out)]
        grid = make_grid(torch.cat(pictures), nrow=COLUMNS, padding=0)
        write_atomically(self._folder / "samples" / f"images-{seen:08d}.png", encode_png(grid))
        return figures


def draw_curves(statistics: Path) -> bytes:
    """Draw what a training's `statistics.jsonl` tells over the pictures seen, as PNG."""
    lines: list[Mapping[str, float]] = [
        json.loads(line) for line in statistics.read_text(encoding="utf-8").splitlines()
    ]
    told = {name for line in lines for name in line}
    fields = [(*words, [name for name in names if name in told]) for *words, names in CURVES if told & {*names}]
    figure = Figure(figsize=(5 * max(1, len(fields)), 3.5), layout="constrained")
    for number, (title, unit, names) in enumerate(fields):
        axes = figure.add_subplot(1, len(fields), number + 1)
        axes.set(title=title, xlabel="thousand pictures seen", ylabel=unit)
        _plot(axes, names, lines)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _plot(axes: Axes, names: Sequence[str], lines: Sequence[Mapping[str, float]]) -> None:
    for name in names:
        points = [(line["images"] / 1000, line[name]) for line in lines if name in line]
        marker = "." if len(points) < _MARKED else ""
        axes.plot(*zip(*points, strict=True), marker=marker, label=name.replace("_", " "), linewidth=1)
    axes.legend()


def _synthesize(generator: Generator, z: Tensor, psi: float) -> Tensor:
    device = next(generator.parameters()).device
    together = max(1, min(_TOGETHER, _PIXELS // generator.resolution**2))
    return torch.cat([generator(part.to(device), psi).cpu().clamp(-1, 1) for part in torch.split(z, together)])


def _row(pictures: Tensor) -> Tensor:
    """Fill a row of the sheet up with white."""
    return _small(torch.cat([pictures, pictures.new_ones(COLUMNS - len(pictures), *pictures.shape[1:])]))


def _small(pictures: Tensor) -> Tensor:
    if pictures.shape[-1] <= _LARGEST:
        return pictures
    return functional.interpolate(pictures, size=(_LARGEST, _LARGEST), mode="area")
