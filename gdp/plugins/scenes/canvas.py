"""The canvas: what every pixel shows, of which material it is, and where outlines run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from gdp.plugins.faces.drawing import bump, inside, paint
from gdp.plugins.scenes.parameters import SceneParameters

OUTLINE_WIDTH = 0.026
"""Reach of an outline into its shape, as a share of the picture."""


class Material(IntEnum):
    """What a pixel shows; each material has its own grain in photos, and palette and strokes in paintings."""

    SKY = 0
    HILL = 1
    WATER = 2
    GRASS = 3
    LEAF = 4
    HOUSE = 5


@dataclass(frozen=True)
class Canvas:
    """N scenes being drawn, later things over earlier ones."""

    scenes: SceneParameters
    resolution: int
    x: Tensor
    """(1, 1, W), 0 at the left edge, 1 at the right one."""
    y: Tensor
    """(1, H, 1), 0 at the top edge, 1 at the bottom."""
    colour: Tensor
    """(N, 3, H, W) in [0, 1]."""
    materials: Tensor
    """(N, materials, H, W): the share of each material in each pixel."""
    outline: Tensor
    """(N, H, W) in [0, 1]."""

    @property
    def centres(self) -> Tensor:
        """Centres of the pixels along an edge, (R,)."""
        return self.x.flatten()

    def lay(self, colour: Tensor, distance: Tensor, material: Material, outline: float = 0.0) -> None:
        """Lay `colour` (N, 3, H, W) over the shape of signed `distance` (N, H, W), negative inside, in place."""
        mask = inside(distance, 1.0 / self.resolution)
        paint(self.colour, colour, mask)
        self.materials.mul_((1.0 - mask).unsqueeze(1))
        self.materials[:, material].add_(mask)
        self.outline.mul_(1.0 - mask).add_(mask * bump(distance, OUTLINE_WIDTH) * outline)


def empty_canvas(scenes: SceneParameters, resolution: int) -> Canvas:
    """A canvas of nothing but black sky."""
    centres = (torch.arange(resolution, dtype=torch.float32) + 0.5) / resolution
    size = (resolution, resolution)
    materials = torch.zeros(len(scenes), len(Material), *size)
    materials[:, Material.SKY] = 1.0
    return Canvas(
        scenes,
        resolution,
        centres[None, None, :],
        centres[None, :, None],
        torch.zeros(len(scenes), 3, *size),
        materials,
        torch.zeros(len(scenes), *size),
    )
