"""What is drawn of a scene: sky, hills, water and ground, a house and trees, on a canvas.

A canvas tells what every pixel shows, of which material it is, and where outlines run. Grain is one random texture,
fine in a photo, drawn out along strokes in a painting: a painting's strokes are a function of the grain that the photo
shows, so nothing in a painting is hidden from the photo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor
from torch.nn import functional

from gdp.plugins.faces.drawing import bump, bump2, inside, paint, ramp, smooth_ramp, wave
from gdp.plugins.scenes.parameters import (
    TREES,
    Daylight,
    SceneParameters,
    curve,
    look_up,
    mix,
    shades,
    surface,
    uniform,
)

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


_CLOUDS, _RIDGES, _RIPPLES, _PATCHES, _BANK, _TREE_LINE = 10, 20, 30, 31, 40, 50
"""Streams of random numbers."""
_TABLE = 256
_FAR = ("far_rise", "middle_rise", "near_rise")


def draw_sky(canvas: Canvas, day: Daylight) -> None:
    """Fill the canvas with sky, sun or moon, and clouds."""
    scenes, x, y = canvas.scenes, canvas.x, canvas.y
    height = smooth_ramp(y, -0.12, scenes.number("horizon"))
    colour = mix(day.zenith, day.skyline, height.expand(-1, -1, canvas.resolution))
    dx, dy = x - scenes.number("sun_x"), y - scenes.number("sun_y")
    glow = 0.55 * bump2(dx, dy, 0.42, 0.36).square() * (1.0 - 0.5 * day.night)
    colour = mix(colour, day.sun, glow)
    cover = scenes.number("cloudiness")
    clouds, below = (_cloud_field(canvas, shift) for shift in (0.0, 0.05))
    threshold = 0.74 - 0.42 * cover
    density = 0.9 * smooth_ramp(clouds, threshold, threshold + 0.24) * ramp(cover, 0.05, 0.25)
    lit = (0.62 + 2.2 * (clouds - below)).clamp(0.0, 1.0)
    shadow = 0.55 * day.zenith + 0.35 * day.skyline
    cloud = mix(shadow, shades(0.97, 0.96, 0.96) * day.light.clamp_max(1.0), lit)
    # The disc shines through thin clouds only.
    radius = 0.048 - 0.008 * day.night
    disc = (0.5 - ((dx.square() + dy.square()).sqrt() - radius) * canvas.resolution).clamp(0.0, 1.0)
    colour = mix(colour, day.sun, disc)
    canvas.colour.copy_(mix(colour, cloud, density * (1.0 - 0.6 * disc)))


def _cloud_field(canvas: Canvas, shift: float) -> Tensor:
    """Fractal noise (N, H, W), about 0.5 on average, stretched sideways, as it is `shift` further down."""
    rows, columns = (canvas.centres + shift) / 1.1, canvas.centres
    field = torch.zeros(1)
    for octave, (size, weight) in enumerate(((3, 0.5), (6, 0.3), (12, 0.2))):
        lattice = uniform(canvas.scenes.keys, _CLOUDS + octave, 3 * size, size + 1)
        field = field + weight * surface(lattice, rows, columns)
    return field


def draw_hills(canvas: Canvas, day: Daylight) -> None:
    """One to three ranges from far to near, the nearer the less haze; snow on high rugged peaks."""
    scenes, y = canvas.scenes, canvas.y
    horizon, count = scenes.number("horizon"), scenes.number("ranges").floor()
    rugged, haze = scenes.number("ruggedness"), scenes.number("haze")
    positions = torch.linspace(0.0, 1.0, _TABLE)
    for number, rise_name in enumerate(_FAR):
        rise = scenes.number(rise_name)
        profile = _profile(canvas, number, positions, rugged * (1.0 - 0.3 * number))
        ridge = horizon - rise * look_up(profile, canvas.x.expand(len(scenes), 1, -1))
        depth = y - ridge
        # Facets: the slope of the profile, carried down the mountain's side.
        place = canvas.x + 0.35 * depth * (2.0 * uniform(scenes.keys, 26 + number, 1, 1).round() - 1.0)
        slope = (look_up(profile, place + 0.012) - look_up(profile, place - 0.012)) * rise * 20.0
        light = 0.86 + 0.42 * (slope * day.side).clamp(-1.0, 1.0) - 0.25 * day.side.abs() * (slope.abs() > 9.0)
        rock = scenes.number("rock") * (1.0 - 0.35 * number)
        colour = mix(shades(0.22, 0.33, 0.18), shades(0.47, 0.42, 0.38), rock)
        snow = ramp(rise * rugged, 0.10, 0.16) * smooth_ramp(y, horizon - 0.42 * rise, horizon - 0.62 * rise)
        colour = mix(colour, shades(0.93, 0.94, 0.97), snow if number == 0 else torch.zeros_like(snow))
        colour = colour * day.light * light.unsqueeze(1)
        distance_haze = (0.60, 0.36, 0.12)[number] + 0.18 * haze
        low = 0.22 * ramp(y, ridge, horizon + 0.02)
        colour = mix(colour, day.skyline, distance_haze - 0.25 * snow * (number == 0) + low * (0.4 + 0.6 * haze))
        # The nearest range is always there, the far ones where the scene has as many.
        absent = (count < 3 - number).to(torch.float32)
        canvas.lay(colour, torch.maximum(ridge - y, y - horizon - 0.02) * 0.8 + absent, Material.HILL, outline=0.9)


def _profile(canvas: Canvas, number: int, positions: Tensor, rugged: Tensor) -> Tensor:
    """Heights (N, T) of a ridge in about [0.15, 1], smooth hills or rugged mountains."""
    keys, rugged = canvas.scenes.keys, rugged.flatten(1)
    height = 0.62 * curve(uniform(keys, _RIDGES + number, 5 + number), positions, smooth=True)
    for octave, (size, weight) in enumerate(((8, 0.30), (15, 0.16), (30, 0.08))):
        noise = curve(uniform(keys, 60 + 3 * number + octave, size), positions, smooth=octave == 0)
        height = height + weight * (0.25 + 0.95 * rugged) * noise
    return 0.12 + 0.92 * height


def draw_water(canvas: Canvas, day: Daylight) -> None:
    """Water up to the horizon, mirroring what is above it in ripples."""
    scenes, y = canvas.scenes, canvas.y
    horizon = scenes.number("horizon")
    near = ramp(y, horizon, 1.0)
    lattice = uniform(scenes.keys, _RIPPLES, 36, 7)
    ripple = 2.0 * surface(lattice, canvas.centres, canvas.centres) - 1.0
    source = 2.0 * horizon - y + ripple * (0.012 + 0.05 * near)
    mirrored = _rows(canvas.colour, source)
    deep = shades(0.12, 0.24, 0.29) * day.light
    colour = mix(mirrored * 0.94, deep, 0.22 + 0.38 * near)
    glitter = bump(canvas.x - scenes.number("sun_x"), 0.05 + 0.10 * near) * ramp(ripple, -0.1, 0.5)
    colour = mix(colour, day.sun, 0.5 * glitter * (1.0 - 0.35 * scenes.number("cloudiness")))
    colour = colour * (1.0 + 0.10 * ripple * (0.3 + near)).unsqueeze(1)
    land = (scenes.number("water") >= 0.5).to(torch.float32)
    canvas.lay(colour, horizon - y + land, Material.WATER, outline=0.35)


def _rows(picture: Tensor, source: Tensor) -> Tensor:
    """The picture (N, 3, H, W) with each pixel taken from the height `source` (N, H, W) of its column."""
    size = picture.shape[2]
    place = (source * size - 0.5).clamp(0.0, size - 1.0)
    index = place.floor().clamp_max(size - 2.0)
    weight = (place - index).unsqueeze(1)
    rows = index.to(torch.int64).unsqueeze(1).expand_as(picture)
    upper = picture.gather(2, rows)
    return upper + (picture.gather(2, rows + 1) - upper) * weight


def bank_profile(canvas: Canvas) -> Tensor:
    """Heights (N, T) of the ground's upper edge: the horizon of a meadow, the bank of a lake."""
    scenes = canvas.scenes
    positions = torch.linspace(0.0, 1.0, _TABLE)
    noise = curve(uniform(scenes.keys, _BANK, 6), positions, smooth=True) - 0.5
    bank = scenes.number("bank").flatten(1) + scenes.number("bank_tilt").flatten(1) * (positions - 0.5) + 0.10 * noise
    return torch.where(
        scenes.number("water").flatten(1) < 0.5, bank, scenes.number("horizon").flatten(1) + 0.02 * noise
    )


def draw_ground(canvas: Canvas, day: Daylight, bank: Tensor) -> None:
    """A meadow, or the near bank of the water, with patches that lie flat."""
    scenes, y = canvas.scenes, canvas.y
    edge = look_up(bank, canvas.x.expand(len(scenes), 1, -1))
    near = ramp(y, scenes.number("horizon"), 1.0)
    rows = canvas.centres.square()
    patches = surface(uniform(scenes.keys, _PATCHES, 18, 4), rows, canvas.centres) - 0.5
    fine = surface(uniform(scenes.keys, _PATCHES + 1, 40, 14), rows, canvas.centres) - 0.5
    green = mix(shades(0.47, 0.55, 0.31), shades(0.27, 0.41, 0.15), near)
    dry = mix(shades(0.66, 0.60, 0.38), shades(0.55, 0.47, 0.22), near)
    dryness = (0.15 + 0.6 * scenes.number("dryness").square() + 0.7 * patches).clamp(0.0, 1.0)
    colour = mix(green, dry, dryness) * (1.0 + 0.28 * fine + 0.20 * patches).unsqueeze(1) * day.light
    colour = mix(colour, day.skyline, (0.32 * (1.0 - near).square() * (0.3 + scenes.number("haze"))))
    canvas.lay(colour, edge - y, Material.GRASS, outline=0.5)


def draw_tree_line(canvas: Canvas, day: Daylight) -> None:
    """A row of distant trees along the horizon."""
    scenes = canvas.scenes
    amount = scenes.number("tree_line").clamp_min(0.0)
    tops = curve(uniform(scenes.keys, _TREE_LINE, 34), canvas.centres, smooth=True)[:, None, :]
    cover = curve(uniform(scenes.keys, _TREE_LINE + 1, 6), canvas.centres, smooth=True)[:, None, :]
    horizon = scenes.number("horizon") + 0.008
    top = horizon - (0.02 + 0.035 * tops) * ramp(cover + 0.5 * amount, 0.45, 0.7) * ramp(amount, 0.0, 0.1)
    light = 0.9 + 0.25 * wave(canvas.x * 17.0 + cover) * day.side
    colour = shades(0.17, 0.26, 0.15) * day.light * light.unsqueeze(1)
    colour = mix(colour, day.skyline, 0.14 + 0.16 * scenes.number("haze"))
    colour = colour.expand(-1, -1, canvas.resolution, -1)
    canvas.lay(colour, torch.maximum(top - canvas.y, canvas.y - horizon), Material.LEAF, outline=0.3)


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
