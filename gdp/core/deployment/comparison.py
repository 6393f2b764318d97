"""How far an exported network's pictures are from torch's, on real pictures."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy
import torch

from gdp.core.deployment.network import PictureNetwork
from gdp.core.errors import PluginError
from gdp.core.interfaces.engines import Pictures, Translate

BATCH = 8


@dataclass(frozen=True)
class Difference:
    """Differences between two engines' pictures, in 8-bit levels (1 to 255)."""

    pictures: int
    """How many were compared."""
    largest: int
    """Of any pixel and colour."""
    mean: float
    """Mean absolute difference."""
    psnr_db: float | None
    """Peak signal-to-noise ratio, 10 log10(255^2 / mean squared difference); None where nothing differs."""

    def to_data(self) -> dict[str, float | int | None]:
        """Return it as plain data."""
        return asdict(self)

    def describe(self) -> str:
        """Return it in one line."""
        psnr = "equal" if self.psnr_db is None else f"{self.psnr_db:.1f} dB PSNR"
        return f"{psnr}; largest difference {self.largest} of 255, mean {self.mean:.4f}; {self.pictures} pictures"


def reference(network: PictureNetwork, pictures: Pictures) -> Pictures:
    """Return what torch makes of pictures in float32: (N, H, W, C) -> (N, H, W, 3)."""
    with torch.no_grad():
        made = [network(part).numpy() for part in torch.split(torch.from_numpy(pictures), BATCH)]
    return numpy.concatenate(made)


def compare(translate: Translate, pictures: Pictures, expected: Pictures) -> Difference:
    """Compare an engine's pictures with those of `reference`.

    Raises:
        PluginError: the engine returns pictures of another shape or type.
    """
    made = numpy.concatenate([translate(pictures[at : at + BATCH]) for at in range(0, len(pictures), BATCH)])
    if made.shape != expected.shape or made.dtype != expected.dtype:
        raise PluginError(
            f"the engine made {made.dtype} pictures of shape {made.shape} where torch makes {expected.dtype} of "
            f"{expected.shape}; tell the engine's author"
        )
    apart = made.astype(numpy.int16) - expected.astype(numpy.int16)
    squared = float(numpy.square(apart, dtype=numpy.float64).mean())
    psnr = 10 * math.log10(255**2 / squared) if squared else None
    return Difference(len(made), int(numpy.abs(apart).max()), float(numpy.abs(apart).mean()), psnr)
