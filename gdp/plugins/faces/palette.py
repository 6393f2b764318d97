"""The colours of a face: skin, hair, eyes, lips, clothes and background, as sRGB (N, 3, 1, 1) in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gdp.plugins.faces.attributes import FaceAttributes
from gdp.plugins.faces.drawing import from_hue, ramp

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
