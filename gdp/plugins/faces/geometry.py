"""Where things are: the head's size and pose, and each pixel's place on it.

Where the features sit on the face and how large they are, at each age.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gdp.plugins.faces.attributes import FaceAttributes
from gdp.plugins.faces.drawing import ramp, smooth_ramp


@dataclass(frozen=True)
class Layout:
    """Places (in the face's u, v) and sizes of the features, each (N, 1, 1) in head units."""

    smile: Tensor
    eye_u: Tensor
    eye_v: Tensor
    eye_width: Tensor
    eye_height: Tensor
    nose_v: Tensor
    nose_size: Tensor
    nose_shift: Tensor
    mouth_v: Tensor
    mouth_width: Tensor


def make_layout(scene: Scene) -> Layout:
    """Lay out the faces of `scene`."""
    child, aged, smile = scene.child, scene.aged, scene.number("smile")
    size = 1.0 + 0.12 * scene.number("eye_size") + 0.22 * child - 0.10 * aged
    nose = 1.0 + 0.15 * scene.number("nose_width") - 0.28 * child + 0.22 * aged
    return Layout(
        smile=smile,
        eye_u=0.205 + 0.015 * scene.number("eye_spacing"),
        eye_v=0.01 + 0.045 * child,
        eye_width=0.108 * size,
        eye_height=0.062 * size * (1.0 - 0.16 * smile),
        nose_v=0.245 + 0.02 * scene.number("nose_size") - 0.015 * child + 0.025 * aged,
        nose_size=nose,
        # The tip stands out of the face, so it moves further when the head turns.
        nose_shift=0.14 * scene.yaw_sine * nose,
        mouth_v=0.435 - 0.045 * child + 0.005 * aged,
        mouth_width=(0.165 + 0.015 * scene.number("mouth_width")) * (1.0 - 0.12 * child + 0.22 * smile),
    )


ZOOM = 1.20
"""Head units in half a picture: larger shows less of the surroundings."""
_RADIUS = 0.62
_RADIUS_VERTICAL = 0.92


@dataclass(frozen=True)
class Scene:
    """All that drawing a batch needs. Numbers of a face are (N, 1, 1), planes are (N, H, W).

    Head units: the origin lies between the eyes of an adult, x to the right, y down, the picture's half width is
    0.83. `x`, `y` are the pixel's place with the head upright; `u`, `v` its place on the face as seen from the
    front, so that what is drawn there turns with the head.
    """

    attributes: FaceAttributes
    pixel: float
    picture_x: Tensor
    picture_y: Tensor
    x: Tensor
    y: Tensor
    u: Tensor
    v: Tensor
    yaw_sine: Tensor
    light: tuple[Tensor, Tensor, Tensor]
    child: Tensor
    aged: Tensor
    half_width: Tensor
    chin: Tensor
    top: Tensor
    head: Tensor

    @property
    def side(self) -> Tensor:
        """Distance from the face's middle line, (N, H, W): both halves are drawn at once."""
        return self.u.abs()

    def number(self, name: str) -> Tensor:
        """The attribute `name` as (N, 1, 1) float32."""
        value: Tensor = getattr(self.attributes, name)
        return value.to(torch.float32)[:, None, None]

    def band(self, top: float, bottom: float) -> tuple[Scene, slice]:
        """The scene cut to the rows between two heights of the picture in head units, and which rows they are.

        Features are drawn in the band they can reach in any pose, which halves the work.
        """
        resolution = self.picture_y.shape[1]
        first, last = ((0.5 * (height * ZOOM + 1.0)) * resolution for height in (top, bottom))
        rows = slice(max(0, int(first)), min(resolution, int(last) + 1))
        cut = {name: getattr(self, name)[:, rows] for name in ("picture_x", "picture_y", "x", "y", "u", "v", "head")}
        return replace(self, **cut), rows


def make_scene(attributes: FaceAttributes, resolution: int) -> Scene:
    """Place the heads of `attributes` on a grid of `resolution` x `resolution` pixels."""
    age = attributes.age.to(torch.float32)[:, None, None]
    # Children have a round, short face; growth is fastest early and done at 20.
    child = smooth_ramp(age, 22.0, 2.0)
    aged = ramp(age, 25.0, 85.0)
    steps = (torch.arange(resolution, dtype=torch.float32) + 0.5) * (2.0 / resolution) - 1.0
    picture_x = (steps / ZOOM)[None, None, :].expand(len(attributes), resolution, resolution)
    picture_y = (steps / ZOOM)[None, :, None].expand(len(attributes), resolution, resolution)
    (yaw_sine, yaw_cosine), (pitch_sine, pitch_cosine), (roll_sine, roll_cosine) = (
        _sine_cosine(getattr(attributes, name)) for name in ("yaw", "pitch", "roll")
    )
    # Pictures are aligned by the face, not by the skull: half of the features' shift goes into the head's.
    left = picture_x + 0.6 * _RADIUS * yaw_sine
    down = picture_y + 0.035 + 0.6 * _RADIUS * pitch_sine
    x = left * roll_cosine + down * roll_sine
    y = down * roll_cosine - left * roll_sine
    depth = (_RADIUS**2 * (1.0 - (y / _RADIUS_VERTICAL).square()) - x.square()).clamp_min(0.0).sqrt()
    u = x * yaw_cosine - depth * yaw_sine
    v = y * pitch_cosine - depth * pitch_sine
    half_width = 0.475 + 0.03 * attributes.face_width[:, None, None] + 0.03 * child
    chin = 0.70 - 0.12 * child + 0.02 * aged
    top = 0.66 + 0.02 * child
    head = _head_distance(x, y, (half_width, chin, top), _jaw(attributes, child, aged))
    light = _light(attributes)
    pixel = 2.0 / resolution / ZOOM
    return Scene(
        attributes, pixel, picture_x, picture_y, x, y, u, v, yaw_sine, light, child, aged, half_width, chin, top, head
    )


def _jaw(attributes: FaceAttributes, child: Tensor, aged: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Narrowing towards the chin, hollowness of the cheeks and squareness of the jaw, each (N, 1, 1).

    With age jowls widen the lower face and the cheeks sink above them.
    """
    jaw = attributes.jaw[:, None, None]
    return 0.16 - 0.09 * jaw - 0.07 * aged - 0.10 * child, 0.20 * aged, 0.45 + 0.25 * jaw + 0.15 * aged


def _head_distance(
    x: Tensor, y: Tensor, size: tuple[Tensor, Tensor, Tensor], jaw: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """Signed distance to the head's outline, negative inside, in head units, (N, H, W)."""
    half_width, chin, top = size
    taper, hollowness, squareness = jaw
    below = (y / chin).clamp_min(0.0)
    squared = below.square()
    hollow = hollowness * below * (1.0 - below).clamp_min(0.0).square()
    width = half_width * (1.0 - taper * squared - hollow)
    # The fourth power squares the jaw off.
    vertical = torch.where(y < 0.0, (y / top).square(), squared * (1.0 - squareness * (1.0 - squared)))
    radius = ((x / width).square() + vertical).sqrt()
    return (radius - 1.0) * half_width * 1.1


def _sine_cosine(degrees: Tensor) -> tuple[Tensor, Tensor]:
    """Sine and cosine as (N, 1, 1) float32, by way of float64 so that a batch's size cannot show in the last bit."""
    radians = torch.deg2rad(degrees.to(torch.float64))[:, None, None]
    return radians.sin().to(torch.float32), radians.cos().to(torch.float32)


def _light(attributes: FaceAttributes) -> tuple[Tensor, Tensor, Tensor]:
    """Unit vector towards the key light: x, y (down) and z (towards the viewer), each (N, 1, 1)."""
    x = 0.75 * attributes.light_direction[:, None, None]
    y = -0.45 - 0.25 * attributes.light_height[:, None, None]
    length = (x.square() + y.square() + 0.64).sqrt()
    return x / length, y / length, 0.8 / length
