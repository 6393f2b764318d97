"""Render scenes from their numbers, as photos or as paintings: the embedded world's ground truth."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gdp.plugins.scenes.canvas import Canvas, empty_canvas
from gdp.plugins.scenes.daylight import daylight
from gdp.plugins.scenes.landscape import (
    bank_profile,
    draw_ground,
    draw_hills,
    draw_sky,
    draw_tree_line,
    draw_water,
)
from gdp.plugins.scenes.looks import painting, photo
from gdp.plugins.scenes.objects import draw_house, draw_trees
from gdp.plugins.scenes.parameters import SceneParameters

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
