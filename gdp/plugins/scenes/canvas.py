"""The canvas: what every pixel shows, of which material it is, and where outlines run.

Grain and brush strokes: one random texture, fine grain in a photo, drawn out along strokes in a painting.

A painting's strokes are a function of the grain that the photo shows, so nothing in a painting is hidden from the
photo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor
from torch.nn import functional

from gdp.plugins.faces.drawing import bump, inside, paint
from gdp.plugins.scenes.parameters import SceneParameters, surface, uniform

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


GRAIN_SIZE = 64
"""Grains along an edge of the picture, at any resolution."""
ORIENTATIONS = 8
_REACH = 4
_STREAM = 90


def grain(canvas: Canvas) -> Tensor:
    """Grain (N, 64, 64), of mean 0 and standard deviation 1, slightly soft."""
    noise = uniform(canvas.scenes.keys, _STREAM, GRAIN_SIZE + 2, GRAIN_SIZE + 2) - 0.5
    rows = noise[:, :-2] + 2.0 * noise[:, 1:-1] + noise[:, 2:]
    soft = rows[:, :, :-2] + 2.0 * rows[:, :, 1:-1] + rows[:, :, 2:]
    # A uniform number's deviation is sqrt(1/12), and that of the weights 1 2 1 in both directions 6.
    return soft * (math.sqrt(12.0) / 6.0)


def oriented_strokes(grains: Tensor) -> Tensor:
    """Strokes (N, 8, 64, 64) of standard deviation about 1: the grain averaged along lines, 22.5 degrees apart.

    Orientation k runs k * 22.5 degrees from the horizontal, downwards to the right.
    """
    # Mirrored edges, as a network's reflection padding shows them.
    padded = functional.pad(grains.unsqueeze(1), (_REACH,) * 4, mode="reflect")[:, 0]
    planes = []
    for orientation in range(ORIENTATIONS):
        angle = math.pi * orientation / ORIENTATIONS
        plane = torch.zeros_like(grains)
        for step in range(-_REACH, _REACH + 1):
            column, row = _REACH + round(step * math.cos(angle)), _REACH + round(step * math.sin(angle))
            plane = plane + padded[:, row : row + GRAIN_SIZE, column : column + GRAIN_SIZE]
        planes.append(plane * (0.53 / math.sqrt(2 * _REACH + 1)))
    return torch.stack(planes, dim=1)


def strokes_around(strokes: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Strokes (N, 64, 64) that run in circles around the point `x`, `y` (N, 1, 1) of the picture."""
    centres = (torch.arange(GRAIN_SIZE, dtype=torch.float32) + 0.5) / GRAIN_SIZE
    dx, dy = centres[None, None, :] - x, centres[None, :, None] - y
    squared = dx.square() + dy.square() + 1e-4
    # Twice the angle of the tangent: orientations repeat after half a turn.
    cosine, sine = (dy.square() - dx.square()) / squared, -2.0 * dx * dy / squared
    total, weights = torch.zeros_like(squared), torch.full_like(squared, 1e-3)
    for orientation in range(ORIENTATIONS):
        angle = 2.0 * math.pi * orientation / ORIENTATIONS
        weight = (cosine * math.cos(angle) + sine * math.sin(angle) - math.cos(math.pi / 4.0)).clamp_min(0.0)
        total = total + weight * strokes[:, orientation]
        weights = weights + weight
    return total / weights


def at_resolution(texture: Tensor, canvas: Canvas) -> Tensor:
    """A texture (N, 64, 64) at the canvas's resolution, (N, H, W)."""
    if canvas.resolution == GRAIN_SIZE:
        return texture
    places = (canvas.centres * GRAIN_SIZE - 0.5) / (GRAIN_SIZE - 1)
    return surface(texture, places, places, smooth=False)
