"""Render scenes from their numbers, as photos or as paintings: the embedded world's ground truth.

Two looks of one scene: as a photo, and as a painting.

`rendered-scenes`: photos, and paintings of other scenes, of the procedural scene renderer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from gdp import BuildContext, Part, PictureKind, UnpairedDataset
from gdp.plugins.faces.drawing import smooth_ramp
from gdp.plugins.scenes import RenderedScenesConfig
from gdp.plugins.scenes.landscape import (
    Canvas,
    Material,
    at_resolution,
    bank_profile,
    draw_ground,
    draw_hills,
    draw_house,
    draw_sky,
    draw_tree_line,
    draw_trees,
    draw_water,
    empty_canvas,
    grain,
    oriented_strokes,
    strokes_around,
)
from gdp.plugins.scenes.parameters import SceneParameters, daylight, sample_scenes, shades
from gdp.toolbox import content_key, to_levels

_GRAIN = {
    Material.SKY: 0.012,
    Material.HILL: 0.030,
    Material.WATER: 0.022,
    Material.GRASS: 0.042,
    Material.LEAF: 0.055,
    Material.HOUSE: 0.018,
}
"""Standard deviation of the grain in a photo, in [0, 1] colours."""

_STROKE = {
    Material.SKY: (0.055, 0.045, 0.020),
    Material.HILL: (0.060, 0.050, 0.050),
    Material.WATER: (0.055, 0.060, 0.050),
    Material.GRASS: (0.080, 0.065, 0.020),
    Material.LEAF: (0.085, 0.070, 0.030),
    Material.HOUSE: (0.045, 0.035, 0.020),
}
"""Standard deviation of the strokes in a painting for red, green and blue: a lighter stroke is a warmer one."""

_SATURATION = {
    Material.SKY: 2.0,
    Material.HILL: 1.5,
    Material.WATER: 1.5,
    Material.GRASS: 1.55,
    Material.LEAF: 1.6,
    Material.HOUSE: 1.5,
}
_TINT = {
    Material.SKY: (0.08, 0.05, -0.11),
    Material.HILL: (0.14, -0.05, 0.19),
    Material.WATER: (-0.09, 0.11, 0.13),
    Material.GRASS: (0.20, 0.14, -0.06),
    Material.LEAF: (0.12, 0.17, -0.03),
    Material.HOUSE: (0.14, 0.05, -0.08),
}
"""What a painting adds to red, green and blue of a material."""
_LUMINANCE = (0.30, 0.59, 0.11)
_SHADOW = (0.04, -0.02, 0.16)
_HIGHLIGHT = (-0.03, -0.01, -0.10)
_OUTLINE = (0.50, 0.46, 0.26)
_CANVAS = (1.0, 0.965, 0.88)


def photo(canvas: Canvas) -> Tensor:
    """The scene as a photo, (N, 3, H, W) about [0, 1]: its colours with a fine grain."""
    amount = _of_materials(canvas, [_GRAIN[material] for material in Material])
    texture = at_resolution(grain(canvas), canvas) * amount * _brightness(canvas)
    return canvas.colour + texture.unsqueeze(1)


def painting(canvas: Canvas) -> Tensor:
    """The scene as a painting, (N, 3, H, W) about [0, 1].

    Each material has its own smooth change of colours (more saturated, shadows towards violet, lights towards cream)
    and its own strokes: circles around the sun in the sky, level ones on water, upright ones on trees.
    """
    luminance = sum(weight * canvas.colour[:, channel] for channel, weight in enumerate(_LUMINANCE))
    assert isinstance(luminance, Tensor)
    saturation = _of_materials(canvas, [_SATURATION[material] for material in Material])
    dark = (1.0 - luminance).square() * luminance.clamp(0.0, 0.25) * 4.0
    brightness = _brightness(canvas)
    strokes = _strokes(canvas) * brightness
    channels = []
    for channel in range(3):
        colour = luminance + saturation * (canvas.colour[:, channel] - luminance)
        colour = colour + brightness * _of_materials(canvas, [_TINT[material][channel] for material in Material])
        colour = colour + _SHADOW[channel] * dark + _HIGHLIGHT[channel] * luminance.square()
        colour = colour + strokes * _of_materials(canvas, [_STROKE[material][channel] for material in Material])
        channels.append(colour * (1.0 - _OUTLINE[channel] * canvas.outline))
    return torch.stack(channels, dim=1) * shades(*_CANVAS)


def _brightness(canvas: Canvas) -> Tensor:
    """How strongly texture shows, (N, H, W): less in the dark."""
    return 0.45 + 0.55 * smooth_ramp(canvas.colour.mean(dim=1), 0.05, 0.45)


def _strokes(canvas: Canvas) -> Tensor:
    """Strokes (N, H, W) of each pixel's material."""
    oriented = oriented_strokes(grain(canvas))
    around = strokes_around(oriented, canvas.scenes.number("sun_x"), canvas.scenes.number("sun_y"))
    level, falling, upright, rising = (oriented[:, orientation] for orientation in (0, 2, 4, 7))
    of_material = {
        Material.SKY: around,
        Material.HILL: falling,
        Material.WATER: level,
        Material.GRASS: rising,
        Material.LEAF: upright,
        Material.HOUSE: upright,
    }
    total = torch.zeros_like(canvas.outline)
    for material, texture in of_material.items():
        total = total + canvas.materials[:, material] * at_resolution(texture, canvas)
    return total


def _of_materials(canvas: Canvas, values: list[float]) -> Tensor:
    """The value of each pixel's material, (N, H, W)."""
    total = torch.zeros_like(canvas.outline)
    for material, value in enumerate(values):
        total = total + value * canvas.materials[:, material]
    return total


Look = Literal["photo", "painting"]
VERSION = 1
"""Counted up whenever a scene's pictures change."""

_CHUNK_PIXELS = 32 * 64 * 64
"""So many pixels are drawn at once: their planes stay in the processor's cache."""


def render(scenes: SceneParameters, look: Look, resolution: int = 64) -> Tensor:
    """Pictures of `scenes` in a look, (N, 3, resolution, resolution) float32 RGB in [-1, 1].

    Deterministic, and the same bits for a scene whatever batch it stands in. A scene is the same at any resolution
    from 32 on but for the sharpness of its edges and grain.
    """
    chunk = max(1, _CHUNK_PIXELS // resolution**2)
    finish = photo if look == "photo" else painting
    pictures = torch.empty(len(scenes), 3, resolution, resolution)
    with torch.no_grad():
        for start in range(0, len(scenes), chunk):
            part = slice(start, start + chunk)
            pictures[part] = finish(_draw(scenes[part], resolution)).clamp_(0.0, 1.0).mul_(2.0).sub_(1.0)
    return pictures


def render_materials(scenes: SceneParameters, resolution: int = 64) -> Tensor:
    """Return what each pixel of `scenes` shows: the share of each `Material`, (N, materials, R, R) in [0, 1]."""
    with torch.no_grad():
        return _draw(scenes, resolution).materials


def _draw(scenes: SceneParameters, resolution: int) -> Canvas:
    canvas, day = empty_canvas(scenes, resolution), daylight(scenes)
    draw_sky(canvas, day)
    draw_hills(canvas, day)
    draw_tree_line(canvas, day)
    draw_water(canvas, day)
    bank = bank_profile(canvas)
    draw_ground(canvas, day, bank)
    draw_house(canvas, day)
    draw_trees(canvas, day, bank)
    return canvas


_PARTS: dict[Part, tuple[int, Look]] = {
    "trainA": (0, "photo"),
    "trainB": (1, "painting"),
    "testA": (2, "photo"),
    "testB": (3, "painting"),
}
_PART_DISTANCE = 1 << 32
"""No part reaches as many scenes, so no scene is in two parts."""


class RenderedScenes(UnpairedDataset):
    """Photos (domain A) and paintings (B), each part of scenes of its own.

    A picture is rendered when it is first asked for, and kept as uint8; true counterparts are rendered every time.
    """

    def __init__(self, config: RenderedScenesConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        size = (3, config.resolution, config.resolution)
        # The system gives the pages of this memory only when pictures are written into them.
        self._pictures = {part: torch.empty(self.count(part), *size, dtype=torch.uint8) for part in _PARTS}
        self._rendered = {part: torch.zeros(self.count(part), dtype=torch.bool) for part in _PARTS}

    @property
    def resolution(self) -> int:
        """Height and width in pixels."""
        return int(self.config.resolution)

    @property
    def fingerprint(self) -> str:
        """Hash of the settings and the renderer's version."""
        return content_key({"rendered-scenes": VERSION, **self.config.model_dump(mode="json")})

    def count(self, part: Part) -> int:
        """How many pictures a part has."""
        return int(self.config.train_count if part.startswith("train") else self.config.test_count)

    def images(self, part: Part, indices: Sequence[int]) -> Tensor:
        """Return pictures (N, 3, R, R) uint8 RGB of a part."""
        wanted = self._numbers(part, indices)
        pictures, rendered = self._pictures[part], self._rendered[part]
        missing = torch.unique(wanted[~rendered[wanted]])
        if len(missing):
            pictures[missing] = self._render(part, missing, _PARTS[part][1])
            rendered[missing] = True
        return pictures[wanted]

    def shows(self, part: Part) -> PictureKind:
        """Return the look of the part's scenes."""
        return PictureKind(f"landscapes as gdp's renderer draws them, each as a {_PARTS[part][1]}")

    def name(self, part: Part, index: int) -> str:
        """Return the part and the scene's number in it."""
        return f"{part}-{index:06d}"

    def truth(self, part: Part, indices: Sequence[int]) -> Tensor:
        """Return the same scenes in the other domain's look, (N, 3, R, R) uint8 RGB."""
        other: Look = "painting" if _PARTS[part][1] == "photo" else "photo"
        return self._render(part, self._numbers(part, indices), other)

    def _numbers(self, part: Part, indices: Sequence[int]) -> Tensor:
        """The scenes' numbers in the part, (N,); negative indices count from its end. Raises IndexError."""
        return torch.arange(self.count(part))[torch.as_tensor(list(indices), dtype=torch.int64)]

    def _render(self, part: Part, indices: Tensor, look: Look) -> Tensor:
        scenes = sample_scenes(self.config.seed, indices + _PARTS[part][0] * _PART_DISTANCE)
        return to_levels(render(scenes, look, self.resolution))
