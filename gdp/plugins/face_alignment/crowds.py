"""Larger pictures with rendered faces in them, moved, scaled and turned: what the landmark network learns from.

Where eyes, nose and mouth of a rendered face are: the renderer's own geometry, followed from face to picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gdp.plugins.faces.attributes import FaceAttributes, sample_attributes
from gdp.plugins.faces.geometry import ZOOM, Layout, Scene, make_layout, make_scene
from gdp.plugins.faces.non_faces import make_non_faces
from gdp.plugins.faces.renderer import render
from gdp.plugins.scenes.parameters import sample_scenes
from gdp.plugins.scenes.renderer import render as render_scenes

LANDMARKS = ("left eye", "right eye", "nose", "left corner of the mouth", "right corner of the mouth")
"""Left and right as they stand in the picture."""

_RADIUS, _RADIUS_VERTICAL, _DOWN = 0.62, 0.92, 0.035
"""Of `gdp.plugins.faces.geometry`, whose equations `_to_picture` solves the other way round."""
_ITERATIONS = 12


def rendered_landmarks(attributes: FaceAttributes) -> Tensor:
    """Return where the `LANDMARKS` of faces are: (N, 5, 2) x (right) and y (down) as shares of the picture."""
    scene = make_scene(attributes, 2)  # the grid is not looked at, only the numbers of each face
    u, v = _on_the_face(scene, make_layout(scene))
    return _to_picture(attributes, u, v)


def _on_the_face(scene: Scene, layout: Layout) -> tuple[Tensor, Tensor]:
    """Return u and v of the landmarks on the face as seen from the front, each (N, 5)."""
    # The corners of the mouth are where its lips meet: `features._draw_mouth` at the ends of its width.
    bend = 0.65 * (0.075 * layout.smile - 0.018 * scene.aged * (1.0 - layout.smile))
    corner = layout.mouth_v - bend
    u = [-layout.eye_u, layout.eye_u, layout.nose_shift, -layout.mouth_width, layout.mouth_width]
    v = [layout.eye_v, layout.eye_v, layout.nose_v, corner, corner]
    count = len(scene.attributes)
    u, v = ([value.reshape(-1).expand(count) for value in values] for values in (u, v))
    return torch.stack(u, dim=1), torch.stack(v, dim=1)


def _to_picture(attributes: FaceAttributes, u: Tensor, v: Tensor) -> Tensor:
    yaw, pitch, roll = (torch.deg2rad(getattr(attributes, name))[:, None] for name in ("yaw", "pitch", "roll"))
    x, y = u, v
    # u = x cos(yaw) - depth(x, y) sin(yaw) and likewise v: the depth changes slowly, so repeating settles quickly.
    for _ in range(_ITERATIONS):
        depth = (_RADIUS**2 * (1.0 - (y / _RADIUS_VERTICAL).square()) - x.square()).clamp_min(0.0).sqrt()
        x, y = (u + depth * yaw.sin()) / yaw.cos(), (v + depth * pitch.sin()) / pitch.cos()
    left, down = x * roll.cos() - y * roll.sin(), x * roll.sin() + y * roll.cos()
    across = left - 0.6 * _RADIUS * yaw.sin()
    height = down - _DOWN - 0.6 * _RADIUS * pitch.sin()
    return 0.5 * (torch.stack([across, height], dim=2) * ZOOM + 1.0)


RENDERED = 128
"""Pixels of the rendered faces; smaller ones are averaged from them."""
SMALLEST, LARGEST = 20.0, 220.0
"""Pixels of a rendered picture's side when it stands in a larger one."""
MOST_FACES = 3
_LEVELS = 3
_TURN = math.radians(60)
UPSIDE_DOWN = 0.15
"""Share of the faces that hang upside down. They are none, for they are found when the picture is turned; a network
that never saw one takes the mouth for eyes."""
_APART = 0.42
"""Distance of two faces' middles, as a share of the sum of their sides, from which both are whole."""


@dataclass(frozen=True)
class FacePool:
    """Rendered faces to put into pictures."""

    pictures: tuple[Tensor, ...]
    """(N, 4, S, S) in [-1, 1] with S = 128, 64, 32; the fourth plane is 1."""
    landmarks: Tensor
    """(N, 5, 2) as shares of the picture."""
    backgrounds: Tensor
    """(M, 3, 64, 64) in [-1, 1], of scenes."""


@dataclass(frozen=True)
class Crowd:
    """Pictures with what is to be found in them."""

    pictures: Tensor
    """(N, 3, size, size) in [-1, 1]."""
    landmarks: Tensor
    """(N, 3, 5, 2) in pixels."""
    sides: Tensor
    """(N, 3): pixels of the side of each face's own picture; 0 where there is no such face."""


def make_pool(seed: int, faces: int, scenes: int = 128) -> FacePool:
    """Render faces 0 to `faces` - 1 of `seed`, and some scenes to stand behind them."""
    attributes = sample_attributes(seed, range(faces))
    whole = torch.cat([render(attributes, RENDERED), torch.ones(faces, 1, RENDERED, RENDERED)], dim=1)
    backgrounds = render_scenes(sample_scenes(seed, range(scenes)), "photo")
    smaller = [functional.avg_pool2d(whole, 2**level) for level in range(_LEVELS)]
    return FacePool(tuple(smaller), rendered_landmarks(attributes), backgrounds)


def make_crowd(
    pool: FacePool, count: int, size: int, generator: torch.Generator, upside_down: float = UPSIDE_DOWN
) -> Crowd:
    """Compose `count` pictures of `size` x `size` pixels with none to three faces each, some of them upside down."""
    pictures = _backgrounds(pool, count, size, generator)
    sides, middles = _placed(count, size, generator)
    angles = _TURN * (2.0 * torch.rand(count, MOST_FACES, generator=generator) - 1.0)
    hanging = torch.rand(count, MOST_FACES, generator=generator) < upside_down
    angles += math.pi * hanging
    chosen = torch.randint(len(pool.landmarks), (count, MOST_FACES), generator=generator)
    for layer in range(MOST_FACES):
        _paste(pictures, pool, (sides[:, layer], middles[:, layer], angles[:, layer], chosen[:, layer]), generator)
    placed = turned(pool.landmarks[chosen] - 0.5, angles[:, :, None]) * sides[..., None, None] + middles[:, :, None]
    return Crowd(_photographed(pictures, generator), placed, sides * ~hanging)


def turned(points: Tensor, angle: Tensor) -> Tensor:
    """Turn (..., 2) points clockwise, as seen in a picture, by an angle in radians of shape (...)."""
    x, y = points.unbind(-1)
    return torch.stack([x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()], dim=-1)


def _placed(count: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw sides (N, 3), 0 for none, and middles (N, 3, 2) in pixels; faces that would cover others are left out."""
    shares = torch.rand(count, MOST_FACES, generator=generator)
    sides = SMALLEST * (LARGEST / SMALLEST) ** shares
    middles = size * (0.02 + 0.96 * torch.rand(count, MOST_FACES, 2, generator=generator))
    # Large faces stand near the middle, or there would be nothing of them to see.
    pull = (sides / LARGEST)[..., None]
    middles = middles + pull * (0.5 * size - middles)
    sides[:, 0] *= torch.rand(count, generator=generator) > 0.08
    sides[:, 1:] *= torch.rand(count, MOST_FACES - 1, generator=generator) > 0.4
    for later in range(1, MOST_FACES):
        for earlier in range(later):
            distance = (middles[:, later] - middles[:, earlier]).norm(dim=1)
            close = distance < _APART * (sides[:, later] + sides[:, earlier])
            sides[:, later] *= ~(close & (sides[:, earlier] > 0))
    return sides, middles


def _paste(
    pictures: Tensor, pool: FacePool, placing: tuple[Tensor, Tensor, Tensor, Tensor], generator: torch.Generator
) -> None:
    """Put a face into each picture that has one, square as it was rendered or cut out by a soft ellipse."""
    sides, middles, angles, chosen = placing
    size = pictures.shape[-1]
    soft = torch.rand(len(pictures), generator=generator) < 0.5
    blurred = torch.rand(len(pictures), generator=generator) < 0.4
    steps = (torch.arange(size) + 0.5).expand(size, size)
    grid = torch.stack([steps, steps.T], dim=2)  # (size, size, 2), x and y
    for number in (sides > 0).nonzero()[:, 0].tolist():
        side = float(sides[number])
        level = 0 if side > 80 else 1 if side > 40 else 2
        level = max(level, 1) if blurred[number] else level
        place = turned(grid - middles[number], -angles[number].expand(size, size)) * (2.0 / side)
        tile = pool.pictures[level][chosen[number]][None]
        seen = functional.grid_sample(tile, place[None], align_corners=False)[0]
        mask = seen[3:]
        if soft[number]:
            radius = (place / torch.tensor([0.75, 0.95])).norm(dim=-1)
            mask = mask * ((1.05 - radius) / 0.15).clamp(0.0, 1.0)
        pictures[number] += (seen[:3] / seen[3:].clamp_min(1e-3) - pictures[number]) * mask


def _backgrounds(pool: FacePool, count: int, size: int, generator: torch.Generator) -> Tensor:
    """Scenes, clouds, flat colours and faces in pieces, which are none."""
    kinds = torch.randint(5, (count,), generator=generator)
    drawn = torch.randint(len(pool.backgrounds), (count,), generator=generator)
    small = pool.backgrounds[drawn].clone()
    faces = pool.pictures[1][torch.randint(len(pool.landmarks), (count,), generator=generator)][:, :3]
    for number, kind in enumerate(("noise", "flat", "shuffled"), start=2):
        which = (kinds == number).nonzero()[:, 0]
        if len(which):
            small[which] = make_non_faces(faces[which], kind, generator)
    return functional.interpolate(small, size=(size, size), mode="bilinear", align_corners=False)


def _photographed(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Change contrast, brightness and tint a little, and add grain."""

    def random(*shape: int) -> Tensor:
        return 2.0 * torch.rand(len(pictures), *shape, generator=generator) - 1.0

    pictures = pictures * (1.0 + 0.2 * random(1, 1, 1)) + 0.12 * random(1, 1, 1) + 0.05 * random(3, 1, 1)
    grain = 0.04 * random(1, 1, 1).clamp_min(0.0)
    return (pictures + grain * torch.randn(pictures.shape, generator=generator)).clamp_(-1.0, 1.0)
