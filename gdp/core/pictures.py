"""Pictures as floats and as 8-bit levels, and the way from the one to the other.

In memory a picture is float32 RGB in [-1, 1], channels first. On disk, and for whoever deploys a student, it is uint8
RGB with levels 0 to 255: level = (value + 1) * 127.5, rounded half to even, and value = level / 127.5 - 1. A level that
goes to floats comes back as it was.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from gdp.core.errors import PairStoreError

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

_HALF = 127.5
"""The level of 0, and how many levels a step of 1 takes."""


def unrounded_levels(pictures: Tensor) -> Tensor:
    """Turn floats of any shape into levels in [0, 255] of the same type, not rounded; clamped beyond [-1, 1]."""
    levels: Tensor = (pictures.clamp(-1, 1) + 1) * _HALF
    return levels


def to_levels(pictures: Tensor) -> Tensor:
    """Turn floats of any shape into uint8 levels on the same device; what lies beyond [-1, 1] is clamped.

    NaN has no level: what becomes of it is not determined (see `storable_levels`).
    """
    return unrounded_levels(pictures.float()).round().to(torch.uint8)


def storable_levels(pictures: Tensor) -> Tensor:
    """Turn floats of any shape and device into uint8 levels on the CPU, as `to_levels` does; levels stay as they are.

    They are rounded where they are: a quarter of the bytes is copied from a GPU, and no processor rounds them.

    Raises:
        PairStoreError: a value is NaN or infinite.
    """
    if pictures.dtype == torch.uint8:
        return pictures.cpu()
    pictures = pictures.detach().float()
    extremes = torch.stack(pictures.aminmax()) if pictures.numel() else pictures  # NaN is the least and the largest
    levels = to_levels(pictures).cpu()
    if not torch.isfinite(extremes).all():
        raise PairStoreError("a picture holds NaN or infinite values; it cannot be stored. Look for what made it")
    return levels


def from_levels(levels: Tensor) -> Tensor:
    """Turn uint8 levels of any shape into new float32 in [-1, 1] on the same device."""
    if torch.compiler.is_exporting():  # the graph of an exported network writes into no tensor
        return levels.to(torch.float32) / _HALF - 1
    return levels.to(torch.float32, copy=True).div_(_HALF).sub_(1)  # one new tensor: this is called for every batch


def to_array(levels: Tensor) -> NDArray[numpy.uint8]:
    """Turn levels (..., C, H, W) of any device into a contiguous array (..., H, W, C), as image libraries have it."""
    return levels.movedim(-3, -1).cpu().contiguous().numpy()


def from_array(levels: NDArray[numpy.uint8]) -> Tensor:
    """Copy levels (..., H, W, C), as image libraries have them, to (..., C, H, W), still in that order in memory."""
    return torch.tensor(levels).movedim(-1, -3)


def reduced(pictures: Tensor, size: int) -> Tensor:
    """Reduce float pictures (N, C, H, W) to (N, C, `size`, `size`), as `reduction` says; of that size they stay."""
    if pictures.shape[2:] == (size, size):
        return pictures
    if _by_area(pictures.shape[2], size) and _by_area(pictures.shape[3], size):
        return functional.interpolate(pictures, size=(size, size), mode="area")
    return functional.interpolate(pictures, size=(size, size), mode="bilinear", align_corners=False, antialias=True)


def reduction(before: int, after: int) -> str:
    """Return in words how `reduced` makes pictures smaller, from one height and width in pixels to another."""
    return "area" if _by_area(before, after) else "bilinear, antialiased"


def _by_area(before: int, after: int) -> bool:
    return before % after == 0  # then every pixel is the mean of as many


def reduced_to_side(pictures: Tensor, side: int) -> Tensor:
    """Shrink pictures until their shorter side has `side` pixels, so that what is measured of them compares.

    Bicubic and antialiased, as Pillow does it: unlike a mean of areas it leaves a picture as sharp at every ratio,
    those near 1 included. Values may exceed the pictures' range by a little. Pictures that are no larger come back as
    they are.

    Args:
        pictures: (N, C, H, W) floats of any range.
        side: pixels.

    Returns:
        (N, C, h, w), of the same type; h and w keep the pictures' aspect, rounded to whole pixels.
    """
    height, width = pictures.shape[-2:]
    shorter = min(height, width)
    if shorter <= side:
        return pictures
    size = [max(1, round(length * side / shorter)) for length in (height, width)]
    return functional.interpolate(pictures, size=size, mode="bicubic", align_corners=False, antialias=True)


def encode_png(picture: Tensor) -> bytes:
    """Encode one picture (3, H, W), uint8 levels or floats in [-1, 1] that are clamped, as an 8-bit PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    levels = picture if picture.dtype == torch.uint8 else to_levels(picture.detach())
    Image.fromarray(to_array(levels)).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()
