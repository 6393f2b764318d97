"""Render faces from their attributes: the embedded world's ground truth."""

from __future__ import annotations

import torch
from torch import Tensor

from gdp.plugins.faces.attributes import FaceAttributes
from gdp.plugins.faces.body import background, draw_clothes, draw_ears, draw_neck
from gdp.plugins.faces.features import draw_features, draw_glasses
from gdp.plugins.faces.geometry import make_scene
from gdp.plugins.faces.hair import draw_back_hair, draw_front_hair, hair_silhouette, hair_strands
from gdp.plugins.faces.layout import make_layout
from gdp.plugins.faces.palette import make_palette
from gdp.plugins.faces.skin import draw_head

_CHUNK_PIXELS = 16 * 64 * 64
"""So many pixels are drawn at once: their planes stay in the processor's cache."""


def render(attributes: FaceAttributes, resolution: int = 64) -> Tensor:
    """Pictures of `attributes`, (N, 3, resolution, resolution) float32 RGB in [-1, 1].

    Deterministic, and the same bits for a face whatever batch it stands in. Made for 64 to 256 pixels.
    """
    chunk = max(1, _CHUNK_PIXELS // resolution**2)
    pictures = torch.empty(len(attributes), 3, resolution, resolution)
    with torch.no_grad():
        for start in range(0, len(attributes), chunk):
            stop = min(start + chunk, len(attributes))
            pictures[start:stop] = _render_chunk(attributes[start:stop], resolution)
    return pictures


def _render_chunk(attributes: FaceAttributes, resolution: int) -> Tensor:
    scene, palette = make_scene(attributes, resolution), make_palette(attributes)
    layout, silhouette, strands = make_layout(scene), hair_silhouette(scene), hair_strands(scene, palette)
    canvas = background(scene, palette)
    draw_clothes(scene, palette, canvas)
    draw_back_hair(scene, strands, silhouette, canvas)
    draw_neck(scene, palette, canvas)
    draw_ears(scene, palette, canvas)
    draw_head(scene, layout, palette, canvas)
    draw_features(scene, layout, palette, canvas)
    draw_front_hair(scene, palette, strands, silhouette, canvas)
    draw_glasses(scene, layout, palette, canvas)
    return canvas.clamp_(0.0, 1.0).mul_(2.0).sub_(1.0)
