"""Render faces from their attributes: the embedded world's ground truth.

The blemishes that a generated face may have and still be a face.

`rendered-faces`: pictures of the procedural face renderer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from gdp import Dataset, PictureKind
from gdp.plugins.faces import RenderedFacesConfig
from gdp.plugins.faces.attributes import FaceAttributes, sample_attributes, sample_latents
from gdp.plugins.faces.drawing import make_palette
from gdp.plugins.faces.geometry import make_layout, make_scene
from gdp.plugins.faces.painting import (
    background,
    draw_back_hair,
    draw_clothes,
    draw_ears,
    draw_features,
    draw_front_hair,
    draw_glasses,
    draw_head,
    draw_neck,
    hair_silhouette,
    hair_strands,
)
from gdp.toolbox import to_levels

_CHUNK_PIXELS = 16 * 64 * 64
"""So many pixels are drawn at once: their planes stay in the processor's cache."""
_LEVELS_AT_ONCE = 64
"""Faces that lie in memory as floats at once."""


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


def degrade(images: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Shift, mirror, blur, tint and add noise to `images` (N, 3, H, W) in [-1, 1], each picture by its own amount.

    `strength` 1 is what the judge is trained with; 0 mirrors only.
    """
    count = len(images)

    def random(*shape: int) -> Tensor:
        return 2.0 * torch.rand(*shape, generator=generator) - 1.0

    matrix = torch.zeros(count, 2, 3)
    zoom, angle = 1.0 + 0.04 * strength * random(count), 0.04 * strength * random(count)
    mirror = random(count).sign()
    matrix[:, 0, 0], matrix[:, 0, 1] = zoom * mirror, angle
    matrix[:, 1, 0], matrix[:, 1, 1] = -angle * mirror, zoom
    matrix[:, :, 2] = 0.06 * strength * random(count, 2)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    images = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    amount = strength * torch.rand(count, 1, 1, 1, generator=generator) * (random(count, 1, 1, 1) > 0.0)
    images = images + amount * (_blur(images) - images)
    contrast, brightness = 1.0 + 0.12 * strength * random(count, 1, 1, 1), 0.10 * strength * random(count, 1, 1, 1)
    images = images * contrast + brightness + 0.04 * strength * random(count, 3, 1, 1)
    grain = 0.06 * strength * torch.rand(count, 1, 1, 1, generator=generator)
    return (images + grain * torch.randn(images.shape, generator=generator)).clamp(-1.0, 1.0)


def _blur(images: Tensor) -> Tensor:
    """Blur with a binomial kernel of 5 x 5 pixels (standard deviation 1 pixel)."""
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0
    kernel = torch.outer(taps, taps).expand(3, 1, 5, 5)
    return functional.conv2d(functional.pad(images, (2, 2, 2, 2), mode="replicate"), kernel, groups=3)


class RenderedFaces(Dataset):
    """Faces 0 to count - 1 of a seed, each rendered whenever it is asked for: millions take no memory."""

    config: RenderedFacesConfig

    def __len__(self) -> int:
        return self.config.count

    @property
    def resolution(self) -> int:
        """Height and width in pixels."""
        return self.config.resolution

    def images(self, indices: Sequence[int]) -> Tensor:
        """Return faces (N, 3, R, R) uint8 RGB."""
        wanted = torch.as_tensor(list(indices), dtype=torch.int64)
        faces = torch.empty(len(wanted), 3, self.resolution, self.resolution, dtype=torch.uint8)
        for start in range(0, len(wanted), _LEVELS_AT_ONCE):
            some = slice(start, start + _LEVELS_AT_ONCE)
            faces[some] = to_levels(render(sample_attributes(self.config.seed, wanted[some]), self.resolution))
        return faces

    @property
    def shows(self) -> PictureKind:
        """What the renderer draws, and how its faces are found in larger pictures."""
        words = "faces as gdp's renderer draws them, upright in the middle"
        return PictureKind(words, "face", "faces64", "landmarks:builtin:faces64")

    def latents(self, indices: Sequence[int]) -> Tensor:
        """Return what decides the attributes of these faces, one standard normal number for each: (N, K) float32."""
        return sample_latents(self.config.seed, torch.as_tensor(list(indices), dtype=torch.int64))
