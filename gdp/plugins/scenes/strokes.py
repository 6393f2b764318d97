"""Grain and brush strokes: one random texture, fine grain in a photo, drawn out along strokes in a painting.

A painting's strokes are a function of the grain that the photo shows, so nothing in a painting is hidden from the
photo.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from gdp.plugins.scenes.canvas import Canvas
from gdp.plugins.scenes.noise import surface, uniform

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
