"""Soft shapes and colours: the few operations that every part of the face is drawn with.

Only additions, products, divisions, square roots and comparisons occur. These are rounded the same way in vector and
scalar code, which is what makes a face the same bits in whatever batch it is rendered.
"""

from __future__ import annotations

import torch
from torch import Tensor


def ramp(value: Tensor, start: float | Tensor, end: float | Tensor) -> Tensor:
    """Rises linearly from 0 at `start` to 1 at `end`, constant outside."""
    return ((value - start) / (end - start)).clamp(0.0, 1.0)


def smooth_ramp(value: Tensor, start: float | Tensor, end: float | Tensor) -> Tensor:
    """`ramp` with soft ends (the cubic Hermite step)."""
    t = ramp(value, start, end)
    return t * t * (3.0 - 2.0 * t)


def inside(distance: Tensor, softness: float | Tensor) -> Tensor:
    """Coverage in [0, 1] of a shape with signed `distance` (negative inside), blurred over `softness`."""
    return (0.5 - distance / softness).clamp(0.0, 1.0)


def bump(distance: Tensor, radius: float | Tensor) -> Tensor:
    """A bell in [0, 1]: 1 at distance 0, 0 from `radius` on."""
    t = (distance / radius).square()
    return (1.0 - t).clamp_min(0.0).square()


def bump2(dx: Tensor, dy: Tensor, radius_x: float | Tensor, radius_y: float | Tensor) -> Tensor:
    """A bell in [0, 1] over an ellipse with the given radii."""
    t = (dx / radius_x).square() + (dy / radius_y).square()
    return (1.0 - t).clamp_min(0.0).square()


def wave(phase: Tensor) -> Tensor:
    """A smooth periodic wave in [-1, 1] with period 1, in place of a sine."""
    t = 2.0 * (phase - phase.floor()) - 1.0
    return t.sign() * 4.0 * t.abs() * (1.0 - t.abs())


def smooth_minimum(first: Tensor, second: Tensor, radius: float) -> Tensor:
    """The union of two signed distances, its inner corner rounded by `radius`."""
    overlap = (radius - (first - second).abs()).clamp_min(0.0)
    return torch.minimum(first, second) - overlap.square() * (0.25 / radius)


def paint(canvas: Tensor, colour: Tensor, mask: Tensor) -> None:
    """Lay `colour` (N, 3, 1, 1) or (N, 3, H, W) over `canvas` (N, 3, H, W) in place where `mask` (N, H, W) is 1."""
    canvas.add_((colour - canvas).mul_(mask.unsqueeze(1)))


def from_hue(hue: Tensor, saturation: Tensor, lightness: Tensor) -> Tensor:
    """sRGB colours (N, 3) in [0, 1] of hues 0..1; lightness is the brightest channel (HSV)."""
    offsets = torch.tensor([0.0, 2.0 / 3.0, 1.0 / 3.0])
    position = hue[:, None] + offsets
    position = (position - position.floor()) * 6.0
    pure = ((position - 3.0).abs() - 1.0).clamp(0.0, 1.0)
    return lightness[:, None] * (1.0 - saturation[:, None] * (1.0 - pure))
