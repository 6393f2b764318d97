"""Where eyes, nose and mouth of a rendered face are: the renderer's own geometry, followed from face to picture."""

from __future__ import annotations

import torch
from torch import Tensor

from gdp.plugins.faces.attributes import FaceAttributes
from gdp.plugins.faces.geometry import ZOOM, Scene, make_scene
from gdp.plugins.faces.layout import Layout, make_layout

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
