"""What stands on the ground: a house, and trees."""

from __future__ import annotations

import torch
from torch import Tensor

from gdp.plugins.faces.drawing import bump2, ramp, wave
from gdp.plugins.scenes.canvas import Canvas, Material
from gdp.plugins.scenes.daylight import Daylight, mix, shades
from gdp.plugins.scenes.noise import look_up
from gdp.plugins.scenes.parameters import TREES

_BROWN = (0.26, 0.19, 0.13)


def draw_house(canvas: Canvas, day: Daylight) -> None:
    """A house with a gabled roof, on the meadow or on the far shore; its windows are lit by night."""
    scenes = canvas.scenes
    size = scenes.number("house_size")
    meadow = (scenes.number("water") >= 0.5).to(torch.float32)
    base = scenes.number("horizon") + 0.012 + meadow * (0.03 + 0.16 * scenes.number("house_depth"))
    dx, up = canvas.x - scenes.number("house_x"), base - canvas.y
    absent = (scenes.number("house") >= 0.4).to(torch.float32)
    across = dx.abs()
    walls = torch.maximum(across - size, torch.maximum(up - size, -up))
    shade = (0.86 + 0.22 * day.side * (dx / size)).unsqueeze(1)
    plaster = shades(0.86, 0.80, 0.70) * day.light * shade
    window = torch.maximum((across - 0.5 * size).abs() - 0.17 * size, (up - 0.55 * size).abs() - 0.2 * size)
    door = torch.maximum(across - 0.16 * size, up - 0.55 * size)
    glass = mix(shades(0.22, 0.22, 0.26) * day.light, shades(0.98, 0.80, 0.42), day.night)
    opening = (0.5 - torch.minimum(window, door) * canvas.resolution).clamp(0.0, 1.0)
    canvas.lay(mix(plaster, glass, opening), walls + absent, Material.HOUSE, outline=0.5)
    roof = torch.maximum((across - 1.22 * size + 0.72 * (up - 0.95 * size)) * 0.8, 0.95 * size - up)
    roof = torch.maximum(roof, up - 1.75 * size)
    tiles = (shades(0.56, 0.27, 0.19) * day.light * shade).expand(-1, -1, canvas.resolution, -1)
    canvas.lay(tiles, roof + absent, Material.HOUSE, outline=0.6)


def draw_trees(canvas: Canvas, day: Daylight, bank: Tensor) -> None:
    """Up to six trees, the nearer ones over the farther."""
    for number in range(TREES):
        _draw_tree(canvas, day, bank, number)


def _draw_tree(canvas: Canvas, day: Daylight, bank: Tensor, number: int) -> None:
    scenes = canvas.scenes
    x, size, kind = (scenes.number(f"tree_{number}_{name}") for name in ("x", "size", "kind"))
    depth = (number + scenes.number(f"tree_{number}_depth")) / TREES
    water = (scenes.number("water") < 0.5).to(torch.float32)
    horizon, edge = scenes.number("horizon"), look_up(bank, x)
    base = edge + 0.015 + (1.0 - water) * 0.36 * depth * depth + water * 0.06 * depth
    height = (0.06 + 0.75 * (base - horizon) + water * 0.06) * size
    dx, up = canvas.x - x, (base - canvas.y) / height
    canvas.colour.mul_((1.0 - 0.30 * bump2(dx, up, 0.36 * height, 0.10)).unsqueeze(1))
    conifer = kind < 0.5
    width = torch.where(conifer, 0.23 + 0.1 * kind, 0.22 + 0.10 * kind) * height
    crown = torch.where(conifer, _conifer(dx, up, width, height), _round(dx, up, width, height, kind))
    trunk = torch.maximum(dx.abs() - (0.012 + 0.025 * height), (up - 0.4) * height)
    trunk = torch.maximum(trunk, -up * height)
    light = (0.92 + 0.34 * (day.side * dx / width).clamp(-1.0, 1.0) + 0.30 * (up - 0.55)).unsqueeze(1)
    colour = _leaves(canvas, number, conifer) * day.light * light
    colour = torch.where((crown > trunk).unsqueeze(1), shades(*_BROWN) * day.light, colour)
    colour = mix(colour, day.skyline, 0.16 * (1.0 - depth) * (0.4 + scenes.number("haze")))
    absent = (scenes.number("tree_count") < number + 1).to(torch.float32)
    canvas.lay(colour, torch.minimum(crown, trunk) + absent, Material.LEAF, outline=0.6)


def _conifer(dx: Tensor, up: Tensor, width: Tensor, height: Tensor) -> Tensor:
    """Signed distance to a crown of five tiers."""
    tiers = up * 4.5
    half_width = width * (1.04 - up) * (0.72 + 0.42 * (1.0 - (tiers - tiers.floor())))
    return torch.maximum((dx.abs() - half_width) * 0.9, torch.maximum(up - 1.0, 0.12 - up) * height)


def _round(dx: Tensor, up: Tensor, width: Tensor, height: Tensor, phase: Tensor) -> Tensor:
    """Signed distance to a round crown with a lumpy edge."""
    u, v = dx / width, (up - 0.63) * height / (1.15 * width)
    lumps = 1.0 + 0.10 * wave(1.3 * u + 7.0 * phase) * wave(1.3 * v + 3.0 * phase)
    return ((u.square() + v.square()).sqrt() - lumps) * width


def _leaves(canvas: Canvas, number: int, conifer: Tensor) -> Tensor:
    """The colour of a tree's crown, (N, 3, 1, 1): conifers are dark green, the others turn in autumn."""
    scenes = canvas.scenes
    shade = scenes.number(f"tree_{number}_shade")
    autumn = ramp(scenes.number("season") + 0.1 * shade, 0.62, 0.95)
    broad = mix(shades(0.27, 0.38, 0.14), shades(0.58, 0.36, 0.13), autumn)
    leaves = torch.where(conifer.unsqueeze(1), shades(0.13, 0.25, 0.15), broad)
    return leaves * (1.0 + 0.15 * shade).unsqueeze(1)
