"""How far an exported network's pictures are from torch's, on real pictures."""

from __future__ import annotations

import math

import numpy
import torch

from gdp.core.errors import PluginError
from gdp.core.interfaces.engines import Pictures, Translate
from gdp.core.interfaces.picture_network import PictureNetwork
from gdp.tools.deploy.cards import Difference

BATCH = 8


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
