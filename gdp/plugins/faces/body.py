"""What surrounds the face: background, clothes, neck and ears."""

from __future__ import annotations

import torch
from torch import Tensor

from gdp.plugins.faces.drawing import bump, bump2, inside, paint, smooth_ramp
from gdp.plugins.faces.geometry import Scene
from gdp.plugins.faces.palette import Palette


def background(scene: Scene, palette: Palette) -> Tensor:
    """A fresh canvas (N, 3, H, W) in [0, 1] with a vertical gradient and a soft glow behind the head."""
    height = 0.5 + 0.55 * scene.picture_y  # (N, H, W)
    canvas = palette.background_top + (palette.background_bottom - palette.background_top) * height.unsqueeze(1)
    glow = 0.12 * bump2(scene.picture_x, scene.picture_y + 0.1, 1.25, 1.25)
    return canvas.add_(glow.unsqueeze(1))


def draw_clothes(scene: Scene, palette: Palette, canvas: Tensor) -> None:
    """Shoulders and a garment, shaded towards the sides."""
    scene, rows = scene.band(0.60, 1.0)
    x = scene.picture_x
    slope = 0.60 + 0.10 * scene.child
    across = x.abs()
    top = 0.70 + slope * (across - 0.20).clamp_min(0.0).square() + 0.10 * across
    distance = top - scene.picture_y
    light = 1.0 - 0.30 * smooth_ramp(across, 0.25, 0.9) + 0.22 * scene.light[0] * x
    seam = 1.0 - 0.25 * bump(distance + 0.035, 0.035)
    paint(canvas[:, :, rows], palette.clothes * (light * seam).unsqueeze(1), inside(distance, scene.pixel))


def draw_neck(scene: Scene, palette: Palette, canvas: Tensor) -> None:
    """The neck down to the collar, in the chin's shadow."""
    scene, rows = scene.band(0.20, 1.0)
    centre = 0.35 * (scene.picture_x - scene.x)
    x = scene.picture_x - centre
    width = 0.235 - 0.055 * scene.child - 0.015 * scene.aged
    flare = (scene.picture_y - 0.62).clamp_min(0.0)
    sides = x.abs() - width - 0.9 * flare.square() * 4.0
    # The collar: a parabola for a round neck, turning into a V.
    deep = 0.5 + 0.5 * scene.number("collar")
    across = scene.picture_x.abs()
    collar = scene.picture_y - (0.78 + 0.10 * deep) + across * across * (1.0 - deep) * 1.6 + across * 0.62 * deep
    mask = inside(torch.maximum(sides, collar), scene.pixel)
    chin_shadow = smooth_ramp(scene.head, 0.26, -0.02)
    folds = bump(scene.picture_y - 0.74 - 0.3 * x.square(), 0.03) + bump(
        scene.picture_y - 0.80 - 0.3 * x.square(), 0.03
    )
    light = 0.80 - 0.50 * chin_shadow + 0.55 * scene.light[0] * x / width - 0.35 * scene.aged * folds
    light = light - 0.25 * smooth_ramp(x.abs(), 0.10, 0.26)
    colour = palette.skin_shadow + (palette.skin - palette.skin_shadow) * light.unsqueeze(1)
    paint(canvas[:, :, rows], colour, mask)


def draw_ears(scene: Scene, palette: Palette, canvas: Tensor) -> None:
    """Both ears with a shaded shell; they grow a little with age, and vanish behind the head when it turns."""
    size = 1.0 + 0.18 * scene.aged + 0.05 * scene.child
    scene, rows = scene.band(-0.32, 0.42)
    # Seen from one side the far ear slips behind the head.
    shown = 0.020 + 0.11 * (scene.x.sign() * -scene.yaw_sine)
    dx = scene.x.abs() - scene.half_width - shown
    dy = scene.y - 0.07 - 0.02 * scene.child
    radius = ((dx / (0.075 * size)).square() + (dy / (0.135 * size)).square()).sqrt()
    light = 0.78 + 0.4 * scene.light[0] * scene.x.sign() - 0.45 * bump(radius - 0.25, 0.55)
    colour = palette.skin_shadow + (palette.skin - palette.skin_shadow) * light.unsqueeze(1)
    paint(canvas[:, :, rows], colour, inside((radius - 1.0) * 0.09 * size, scene.pixel))
