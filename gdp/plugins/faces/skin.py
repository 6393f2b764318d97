"""The head's skin: light, soft relief and the marks of age, gathered in one plane and coloured once."""

from __future__ import annotations

import torch
from torch import Tensor

from gdp.plugins.faces.drawing import bump, bump2, inside, paint, ramp, smooth_ramp, wave
from gdp.plugins.faces.geometry import Scene
from gdp.plugins.faces.layout import Layout
from gdp.plugins.faces.palette import Palette


def draw_head(scene: Scene, layout: Layout, palette: Palette, canvas: Tensor) -> None:
    """Paint the head without eyes, brows, lips and hair."""
    light = _lambert(scene)
    for draw, top, bottom in (
        (_forehead, -0.64, 0.0),
        (_eyes, -0.40, 0.32),
        (_nose, -0.34, 0.50),
        (_mouth, 0.08, 0.83),
    ):
        part, rows = scene.band(top, bottom)
        light[:, rows] += draw(part, layout)
    colour = palette.skin_shadow + (palette.skin - palette.skin_shadow) * light.clamp_(0.0, 1.12).unsqueeze(1)
    cheeks, rows = scene.band(-0.06, 0.56)
    _flush(cheeks, layout, colour[:, :, rows])
    paint(canvas, colour, inside(scene.head, scene.pixel))


def _lambert(scene: Scene) -> Tensor:
    """Wrapped Lambert light over an ellipsoid, (N, H, W) about 0 to 1."""
    x, y = scene.x / 0.62, scene.y / 0.85
    z = (1.0 - x.square() - y.square()).clamp_min(0.03).sqrt()
    cosine = x * scene.light[0] + y * scene.light[1] + z * scene.light[2]
    return (0.46 + 0.60 * cosine).clamp_min(0.05)


def _forehead(scene: Scene, layout: Layout) -> Tensor:
    """Three lines across the forehead, one after another with age; light to add, (N, rows, W)."""
    u, side, age = scene.u, scene.side, scene.number("age")
    bend = scene.v - layout.eye_v - 0.10 * side.square()
    dark = torch.zeros_like(u)
    for height, start in ((0.27, 28.0), (0.355, 36.0), (0.44, 44.0)):
        line = bend + height + 0.012 * wave(2.1 * u + height)
        dark += (0.42 * ramp(age, start, start + 45.0)) * bump(line, _line_width(scene))
    return dark.mul_(-1.0).mul_(smooth_ramp(side, 0.34, 0.14))


def _eyes(scene: Scene, layout: Layout) -> Tensor:
    """Sockets; with age crow's feet, bags and frown lines; light to add, (N, rows, W)."""
    side, age, wide = scene.side, scene.number("age"), _line_width(scene)
    du, dv = side - layout.eye_u, scene.v - layout.eye_v
    light = -(0.16 + 0.08 * scene.aged) * bump2(du, dv + 0.02, 0.20, 0.15)
    corner = du - 0.115
    beside = smooth_ramp(corner, 0.0, 0.03) * smooth_ramp(corner, 0.14, 0.07)
    feet = bump(dv + 0.55 * corner, wide) + bump(dv - 0.05 * corner, wide) + bump(dv - 0.65 * corner, wide)
    bags = bump(dv - 0.088 + 1.6 * du.square(), 1.4 * wide) * bump(du, 0.15)
    frown = bump(side - 0.035, wide) * bump(dv + 0.12, 0.08)
    light -= (0.42 * ramp(age, 30.0, 75.0)) * feet * beside
    light -= (0.42 * ramp(age, 26.0, 78.0)) * bags
    light -= (0.34 * ramp(age, 38.0, 80.0)) * frown
    return light


def _nose(scene: Scene, layout: Layout) -> Tensor:
    """The nose, lit from one side, and the cheeks; light to add, (N, rows, W)."""
    lit = scene.light[0] * scene.u.sign()
    u, v = scene.u - layout.nose_shift, scene.v - layout.nose_v
    across = u.abs()
    light = (0.08 + 0.06 * layout.smile) * bump2(scene.side - 0.25, scene.v - layout.mouth_v + 0.20, 0.15, 0.12)
    light += 0.13 * bump(u, 0.07) * bump(scene.v - 0.06, 0.24)
    light -= 0.16 * bump2(across - 0.095, v + 0.09, 0.07, 0.20) * (0.65 - lit)
    light += 0.13 * bump2(u, v + 0.035, 0.07 * layout.nose_size, 0.055)
    light -= 0.34 * bump2(u, v - 0.035, 0.13 * layout.nose_size, 0.045)
    light -= 0.20 * bump2(across - 0.105 * layout.nose_size, v + 0.01, 0.035, 0.06)
    return light


def _mouth(scene: Scene, layout: Layout) -> Tensor:
    """Chin; with age nasolabial folds, jowls and hollow cheeks; light to add, (N, rows, W)."""
    side, age, wide = scene.side, scene.number("age"), _line_width(scene)
    v = scene.v - layout.mouth_v
    light = 0.07 * bump2(scene.u, scene.v - scene.chin + 0.12, 0.15, 0.09) - 0.12 * bump2(
        scene.u, v - 0.115, 0.13, 0.045
    )
    # From the wings of the nose past the corners of the mouth; a smile deepens it at any age.
    below = scene.v - layout.nose_v + 0.02
    fold = side - 0.125 - 0.30 * below - 0.35 * below * (0.27 - below) * (1.0 + 0.6 * layout.smile)
    depth = 0.10 * layout.smile + 0.50 * ramp(age, 20.0, 78.0)
    light -= depth * bump(fold, 1.5 * wide) * smooth_ramp(below, -0.01, 0.05) * smooth_ramp(below, 0.30, 0.22)
    jowl = bump(side - 0.225 - 0.15 * v, 1.5 * wide) * bump(v - 0.11, 0.12)
    light -= (0.42 * ramp(age, 45.0, 85.0)) * jowl
    light -= (0.26 * ramp(age, 38.0, 85.0)) * bump2(side - 0.34, v + 0.06, 0.13, 0.20)
    return light


def _line_width(scene: Scene) -> float:
    """Half width of a wrinkle: never so thin that it would fall between the pixels."""
    return max(scene.pixel, 0.024)


def _flush(scene: Scene, layout: Layout, colour: Tensor) -> None:
    """Redden the cheeks and the nose, and strew freckles, in place."""
    young = 1.0 - 0.7 * scene.aged
    strength = (0.05 + 0.06 * (1.0 + scene.number("blush")) + 0.05 * scene.child) * young
    red = strength * bump2(scene.side - 0.27, scene.v - layout.nose_v, 0.17, 0.13)
    colour[:, 1:] *= (1.0 - 1.25 * red).unsqueeze(1)
    amount = 0.10 * ramp(scene.number("freckles"), 0.3, 1.0) * young
    grain = wave(7.3 * scene.u + 3.1 * scene.v) * wave(9.1 * scene.v - 4.3 * scene.u)
    dots = amount * ramp(grain, 0.25, 0.8) * bump2(scene.side - 0.17, scene.v - layout.nose_v + 0.04, 0.24, 0.13)
    colour *= (1.0 - 1.4 * dots).unsqueeze(1)
