"""Hair: one silhouette, seen behind the head and, above the hairline, in front of it."""

from __future__ import annotations

import torch
from torch import Tensor

from gdp.plugins.faces.drawing import bump, inside, paint, ramp, smooth_minimum, smooth_ramp, wave
from gdp.plugins.faces.geometry import Scene
from gdp.plugins.faces.palette import Palette

_LONG_ENOUGH = 2.0


def hair_silhouette(scene: Scene) -> Tensor:
    """Signed distance to the outline of all hair, negative inside, (N, H, W)."""
    length, volume = scene.number("hair_length"), scene.number("hair_volume")
    thick = 0.065 + 0.022 * volume + 0.012 * length - 0.022 * scene.aged
    curl = 0.014 * (1.0 + scene.number("hair_wave"))
    width = scene.half_width + thick
    cap = ((scene.x / width).square() + (scene.y / (scene.top + thick * 1.15)).square()).sqrt()
    cap = torch.maximum((cap - 1.0) * width * 1.1, scene.y - 0.16)
    # Medium hair ends as a bob at the chin, long hair runs over the shoulders.
    hangs = ramp(length, 0.0, 1.0)
    is_long = ramp(length, 1.0, 2.0)
    end = 0.46 + is_long
    fall = ramp(scene.y, -0.05, 0.55)
    half = width + 0.035 * fall * (1.0 + is_long) + curl * wave(2.6 * scene.y + 0.25) * fall
    half = half - 0.30 * (1.0 - is_long) * smooth_ramp(scene.y, end - 0.22, end + 0.05).square()
    hanging = torch.maximum(scene.x.abs() - half, torch.maximum(-0.02 - scene.y, scene.y - end))
    return torch.minimum(cap, hanging + _LONG_ENOUGH * (1.0 - hangs))


def draw_back_hair(scene: Scene, strands: Tensor, silhouette: Tensor, canvas: Tensor) -> None:
    """The hair behind head and neck, darker towards the neck."""
    shade = 0.72 - 0.30 * smooth_ramp(scene.x.abs(), 0.50, 0.20) * (scene.y > 0.0)
    paint(canvas, strands * shade.unsqueeze(1), inside(silhouette, scene.pixel))


def draw_front_hair(scene: Scene, palette: Palette, strands: Tensor, silhouette: Tensor, canvas: Tensor) -> None:
    """The hair above the hairline and, when long, its locks beside the face, with a soft shadow on the skin."""
    under_hairline = _under_hairline(scene)
    # The shadow falls on the head only, where hair ends over skin.
    shadow = 0.30 * smooth_ramp(under_hairline, 0.10, 0.0) * inside(scene.head, scene.pixel)
    paint(canvas, palette.skin_shadow, shadow)
    mask = inside(torch.maximum(silhouette, under_hairline), scene.pixel)
    paint(canvas, strands, mask)


def _under_hairline(scene: Scene) -> Tensor:
    """Signed distance below the hairline, negative where hair grows, (N, H, W)."""
    age, hangs = scene.number("age"), ramp(scene.number("hair_length"), 0.0, 1.0)
    fringe = 0.5 + 0.5 * scene.number("hair_fringe")
    recession = ramp(age, 32.0, 85.0) * (0.60 + 0.40 * scene.number("hair_recession"))
    u, side = scene.u, scene.side
    part = 0.30 * scene.number("hair_part")
    forehead = -0.42 + 0.19 * fringe - 0.15 * recession * (1.0 + 0.3 * fringe)
    slant = 0.16 * (u - part) * scene.number("hair_part").sign() * (0.4 + 0.6 * fringe)
    temples = -0.14 * recession * bump(side - 0.27, 0.17)
    locks = 0.010 * wave(5.0 * u + 3.0 * part) * (0.4 + fringe)
    line = forehead + slant + temples + locks + 0.12 * side.square()
    above = (scene.v - line) * 0.9
    # Beside the face hair grows to the sideburns, or past the jaw when it is long.
    edge = scene.half_width - 0.055 - 0.015 * hangs + 0.05 * hangs * ramp(scene.y, 0.2, 0.7)
    beside = torch.maximum(edge - side, scene.v - 0.03 - 2.0 * hangs)
    return smooth_minimum(above, beside, 0.14)


def hair_strands(scene: Scene, palette: Palette) -> Tensor:
    """Colour of the hair, (N, 3, H, W): strands from the parting, light from the key, grey hairs with age."""
    part = 0.30 * scene.number("hair_part")
    bend = 0.05 * (1.0 + scene.number("hair_wave")) * wave(1.7 * scene.y)
    spread = (scene.x - part + bend) / (0.45 + 0.55 * (scene.y + 0.75).clamp(0.0, 0.9))
    strand = 0.6 * wave(4.2 * spread + 0.3 * part) + 0.4 * wave(9.5 * spread + 0.2)  # in [-1, 1]
    x, y = scene.x / 0.62, scene.y / 0.80
    z = (1.0 - x.square() - y.square()).clamp_min(0.05).sqrt()
    cosine = x * scene.light[0] + y * scene.light[1] + z * scene.light[2]
    gloss = bump((x - 0.4 * scene.light[0]).square() + (y + 0.12).square() - 0.42, 0.30) * (0.6 + 0.4 * strand)
    light = 0.70 + 0.34 * cosine + 0.14 * strand
    grey = (palette.grey + 0.7 * strand * palette.grey * (1.0 - palette.grey)).unsqueeze(1)
    colour = palette.hair + (palette.white_hair - palette.hair) * grey
    return (colour * light.unsqueeze(1)).add_((0.20 * gloss * cosine.clamp_min(0.0)).unsqueeze(1))
