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
    light = _lambert(scene) + _relief(scene, layout) - _wrinkles(scene, layout)
    light = light.clamp_(0.0, 1.12).unsqueeze(1)
    colour = palette.skin_shadow + (palette.skin - palette.skin_shadow) * light
    _flush(scene, layout, colour)
    paint(canvas, colour, inside(scene.head, scene.pixel))


def _lambert(scene: Scene) -> Tensor:
    """Wrapped Lambert light over an ellipsoid, (N, H, W) about 0 to 1."""
    x, y = scene.x / 0.62, scene.y / 0.85
    z = (1.0 - x.square() - y.square()).clamp_min(0.03).sqrt()
    cosine = x * scene.light[0] + y * scene.light[1] + z * scene.light[2]
    return (0.46 + 0.60 * cosine).clamp_min(0.05)


def _relief(scene: Scene, layout: Layout) -> Tensor:
    """Sockets, cheeks, nose and chin as soft light and shade, (N, H, W)."""
    u, v, side = scene.u, scene.v, scene.side
    lit = (scene.light[0] * u.sign()).expand_as(u)
    sockets = -(0.16 + 0.08 * scene.aged) * bump2(side - layout.eye_u, v - layout.eye_v + 0.02, 0.20, 0.15)
    cheeks = (0.08 + 0.06 * layout.smile) * bump2(side - 0.25, v - layout.mouth_v + 0.20, 0.15, 0.12)
    nose_u = u - layout.nose_shift
    ridge = 0.13 * bump(nose_u, 0.07) * bump(v - 0.06, 0.24)
    flank = -0.16 * bump2(nose_u.abs() - 0.095, v - layout.nose_v + 0.09, 0.07, 0.20) * (0.65 - lit)
    tip = 0.13 * bump2(nose_u, v - layout.nose_v + 0.035, 0.07 * layout.nose_size, 0.055)
    under = -0.34 * bump2(nose_u, v - layout.nose_v - 0.035, 0.13 * layout.nose_size, 0.045)
    wings = -0.20 * bump2(nose_u.abs() - 0.105 * layout.nose_size, v - layout.nose_v + 0.01, 0.035, 0.06)
    chin = 0.07 * bump2(u, v - scene.chin + 0.12, 0.15, 0.09) - 0.12 * bump2(u, v - layout.mouth_v - 0.115, 0.13, 0.045)
    return sockets + cheeks + ridge + flank + tip + under + wings + chin


def _wrinkles(scene: Scene, layout: Layout) -> Tensor:
    """Darkness of lines and folds in [0, about 0.6]; every one deepens continuously with age, (N, H, W)."""
    u, v, side, age = scene.u, scene.v, scene.side, scene.number("age")
    wide = torch.clamp(torch.tensor(scene.pixel), min=0.024)
    dark = torch.zeros_like(u)
    across = smooth_ramp(side, 0.34, 0.14)
    for height, start in ((0.27, 28.0), (0.355, 36.0), (0.44, 44.0)):
        line = v - layout.eye_v + height - 0.10 * side.square() + 0.012 * wave(2.1 * u + height)
        dark += (0.42 * ramp(age, start, start + 45.0)) * bump(line, wide) * across
    corner_u, corner_v = side - layout.eye_u - 0.115, v - layout.eye_v
    beside = smooth_ramp(corner_u, 0.0, 0.03) * smooth_ramp(corner_u, 0.14, 0.07)
    for slope in (-0.55, 0.05, 0.65):
        dark += (0.42 * ramp(age, 30.0, 75.0)) * bump(corner_v - slope * corner_u, wide) * beside
    # From the wings of the nose past the corners of the mouth.
    below = v - layout.nose_v + 0.02
    fold = side - 0.125 - 0.30 * below - 0.35 * below * (0.27 - below) * (1.0 + 0.6 * layout.smile)
    depth = 0.10 * layout.smile + 0.50 * ramp(age, 20.0, 78.0)
    dark += depth * bump(fold, 1.5 * wide) * smooth_ramp(below, -0.01, 0.05) * smooth_ramp(below, 0.30, 0.22)
    bag = corner_v - 0.088 + 1.6 * (side - layout.eye_u).square()
    dark += (0.42 * ramp(age, 26.0, 78.0)) * bump(bag, 1.4 * wide) * bump(side - layout.eye_u, 0.15)
    jowl = side - 0.225 - 0.15 * (v - layout.mouth_v)
    dark += (0.42 * ramp(age, 45.0, 85.0)) * bump(jowl, 1.5 * wide) * bump(v - layout.mouth_v - 0.11, 0.12)
    dark += (0.26 * ramp(age, 38.0, 85.0)) * bump2(side - 0.34, v - layout.mouth_v + 0.06, 0.13, 0.20)
    frown = bump(side - 0.035, wide) * bump(v - layout.eye_v + 0.12, 0.08)
    return dark + (0.34 * ramp(age, 38.0, 80.0)) * frown


def _flush(scene: Scene, layout: Layout, colour: Tensor) -> None:
    """Redden the cheeks and the nose, and strew freckles, in place."""
    young = 1.0 - 0.7 * scene.aged
    strength = (0.05 + 0.06 * (1.0 + scene.number("blush")) + 0.05 * scene.child) * young
    red = strength * bump2(scene.side - 0.27, scene.v - layout.nose_v, 0.17, 0.13)
    colour[:, 1:] *= 1.0 - 1.25 * red.unsqueeze(1)
    amount = 0.10 * ramp(scene.number("freckles"), 0.3, 1.0) * young
    grain = wave(7.3 * scene.u + 3.1 * scene.v) * wave(9.1 * scene.v - 4.3 * scene.u)
    dots = amount * ramp(grain, 0.25, 0.8) * bump2(scene.side - 0.17, scene.v - layout.nose_v + 0.04, 0.24, 0.13)
    colour *= 1.0 - 1.4 * dots.unsqueeze(1)
