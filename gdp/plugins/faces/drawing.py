"""Soft shapes and colours: the few operations that every part of the face is drawn with.

Only additions, products, divisions, square roots and comparisons occur. These are rounded the same way in vector and
scalar code, which is what makes a face the same bits in whatever batch it is rendered.

The colours of a face: skin, hair, eyes, lips, clothes and background, as sRGB (N, 3, 1, 1) in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gdp.plugins.faces.attributes import FaceAttributes


def ramp(value: Tensor, start: float | Tensor, end: float | Tensor) -> Tensor:
    """Rises linearly from 0 at `start` to 1 at `end`, constant outside."""
    return ((value - start) / (end - start)).clamp(0.0, 1.0)


def smooth_ramp(value: Tensor, start: float | Tensor, end: float | Tensor) -> Tensor:
    """`ramp` with soft ends (the cubic Hermite step)."""
    t = ramp(value, start, end)
    return t * t * (3.0 - 2.0 * t)


def inside(distance: Tensor, softness: float | Tensor) -> Tensor:
    """Coverage in [0, 1] of a shape with signed `distance` (negative inside), blurred over `softness`."""
    return (0.5 - distance / softness).clamp(0.0, 1.0)


def bump(distance: Tensor, radius: float | Tensor) -> Tensor:
    """A bell in [0, 1]: 1 at distance 0, 0 from `radius` on."""
    t = (distance / radius).square()
    return (1.0 - t).clamp_min(0.0).square()


def bump2(dx: Tensor, dy: Tensor, radius_x: float | Tensor, radius_y: float | Tensor) -> Tensor:
    """A bell in [0, 1] over an ellipse with the given radii."""
    t = (dx / radius_x).square() + (dy / radius_y).square()
    return (1.0 - t).clamp_min(0.0).square()


def wave(phase: Tensor) -> Tensor:
    """A smooth periodic wave in [-1, 1] with period 1, in place of a sine."""
    t = 2.0 * (phase - phase.floor()) - 1.0
    return t.sign() * 4.0 * t.abs() * (1.0 - t.abs())


def smooth_minimum(first: Tensor, second: Tensor, radius: float) -> Tensor:
    """The union of two signed distances, its inner corner rounded by `radius`."""
    overlap = (radius - (first - second).abs()).clamp_min(0.0)
    return torch.minimum(first, second) - overlap.square() * (0.25 / radius)


def paint(canvas: Tensor, colour: Tensor, mask: Tensor) -> None:
    """Lay `colour` (N, 3, 1, 1) or (N, 3, H, W) over `canvas` (N, 3, H, W) in place where `mask` (N, H, W) is 1."""
    canvas.add_((colour - canvas).mul_(mask.unsqueeze(1)))


def from_hue(hue: Tensor, saturation: Tensor, lightness: Tensor) -> Tensor:
    """sRGB colours (N, 3) in [0, 1] of hues 0..1; lightness is the brightest channel (HSV)."""
    offsets = torch.tensor([0.0, 2.0 / 3.0, 1.0 / 3.0])
    position = hue[:, None] + offsets
    position = (position - position.floor()) * 6.0
    pure = ((position - 3.0).abs() - 1.0).clamp(0.0, 1.0)
    return lightness[:, None] * (1.0 - saturation[:, None] * (1.0 - pure))


_SKIN = torch.tensor([[0.98, 0.84, 0.75], [0.87, 0.66, 0.49], [0.65, 0.44, 0.30], [0.40, 0.255, 0.18]])
_SKIN_SHADOW = torch.tensor([[0.66, 0.42, 0.36], [0.52, 0.31, 0.22], [0.34, 0.19, 0.13], [0.17, 0.09, 0.07]])
_HAIR = torch.tensor(
    [[0.10, 0.09, 0.10], [0.24, 0.15, 0.10], [0.42, 0.25, 0.14], [0.52, 0.21, 0.12], [0.76, 0.40, 0.17],
     [0.90, 0.72, 0.40]]
)  # fmt: skip
_WHITE_HAIR = torch.tensor([0.77, 0.77, 0.79])
_EYES = torch.tensor(
    [[0.32, 0.18, 0.09], [0.50, 0.35, 0.14], [0.25, 0.47, 0.25], [0.22, 0.45, 0.72], [0.45, 0.52, 0.57]]
)
_LIPS = torch.tensor([[0.84, 0.48, 0.45], [0.72, 0.40, 0.34], [0.53, 0.27, 0.24], [0.40, 0.18, 0.17]])
_LIPSTICK = torch.tensor([0.76, 0.13, 0.20])

# On dark skin only a light metal frame can be told from the face.
_FRAMES = torch.tensor([[0.20, 0.15, 0.14], [0.19, 0.14, 0.13], [0.10, 0.09, 0.10], [0.66, 0.60, 0.50]])


@dataclass(frozen=True)
class Palette:
    """The colours of a batch, each (N, 3, 1, 1); `grey` is the greyness of the hair in [0, 1], (N, 1, 1)."""

    skin: Tensor
    skin_shadow: Tensor
    hair: Tensor
    white_hair: Tensor
    grey: Tensor
    iris: Tensor
    lips: Tensor
    clothes: Tensor
    background_top: Tensor
    background_bottom: Tensor
    frame: Tensor


def make_palette(attributes: FaceAttributes) -> Palette:
    """The colours of `attributes` at their present age."""
    age = attributes.age.to(torch.float32)[:, None]
    dullness = 0.16 * ramp(age, 25.0, 85.0)
    shade = 1.0 + 0.035 * attributes.skin_shade[:, None]
    skin, shadow = _SKIN[attributes.skin] * shade, _SKIN_SHADOW[attributes.skin] * shade
    lips = _LIPS[attributes.skin]
    red = 0.65 * ramp(attributes.lip_colour[:, None], 0.0, 1.0) * ramp(age, 12.0, 20.0)
    lips = _dulled(lips + (_LIPSTICK - lips) * red, 1.5 * dullness)
    hair = _HAIR[attributes.hair_colour] * (1.0 + 0.15 * attributes.hair_shade[:, None])
    # Children's hair is a little fairer.
    hair = hair + 0.06 * ramp(age, 18.0, 6.0)
    top, bottom = _background(attributes)
    clothes = from_hue(
        attributes.clothes_hue,
        torch.full_like(attributes.clothes_hue, 0.55),
        0.60 + 0.28 * attributes.clothes_lightness,
    )
    frame = _FRAMES[attributes.skin] * (1.0 + 0.30 * attributes.glasses_shade[:, None])
    return Palette(
        skin=_dulled(skin, dullness)[:, :, None, None],
        skin_shadow=_dulled(shadow, dullness)[:, :, None, None],
        hair=hair[:, :, None, None],
        white_hair=_WHITE_HAIR[None, :, None, None],
        grey=ramp(age, 28.0, 82.0)[:, :, None],
        iris=_EYES[attributes.eye_colour][:, :, None, None],
        lips=lips[:, :, None, None],
        clothes=clothes[:, :, None, None],
        background_top=top[:, :, None, None],
        background_bottom=bottom[:, :, None, None],
        frame=frame[:, :, None, None],
    )


def _background(attributes: FaceAttributes) -> tuple[Tensor, Tensor]:
    """Colours at the top and the bottom of the background's gradient, (N, 3) each."""
    lightness = 0.74 + 0.18 * attributes.background_lightness
    saturation = torch.full_like(lightness, 0.32)
    top = from_hue(attributes.background_hue, saturation, lightness)
    bottom = from_hue(attributes.background_hue + 0.06, saturation + 0.12, lightness * 0.78)
    return top, bottom


def _dulled(colour: Tensor, amount: Tensor) -> Tensor:
    """Move colours (N, 3) towards their own grey by `amount` (N, 1)."""
    grey = 0.30 * colour[:, 0:1] + 0.59 * colour[:, 1:2] + 0.11 * colour[:, 2:3]
    return colour + (grey - colour) * amount
