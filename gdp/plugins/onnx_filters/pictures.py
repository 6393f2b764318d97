"""Bring pictures into the form that a model reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from gdp.plugins.onnx_filters.config import PictureInput

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as shares of a picture."""


def prepare(images: Tensor, settings: PictureInput) -> Tensor:
    """Crop, resize and normalise pictures (N, 3, H, W) in [-1, 1] to what the settings say, width and height included.

    Returns (N, 3, height, width) or, as NHWC, (N, height, width, 3), float32.
    """
    left, top, right, bottom = settings.crop
    height, width = images.shape[-2:]
    # At least one pixel is left, however small the picture.
    columns = slice(min(round(left * width), width - 1), max(round(right * width), round(left * width) + 1))
    rows = slice(min(round(top * height), height - 1), max(round(bottom * height), round(top * height) + 1))
    assert settings.width is not None and settings.height is not None
    shown = resize(images[:, :, rows, columns].float(), settings.height, settings.width, settings.resize)
    levels = shown.add(1).div(2).clamp(0, 1).mul(settings.white)
    if settings.channels == "BGR":
        levels = levels.flip(1)
    mean, deviation = (
        torch.tensor(values, device=levels.device)[:, None, None] for values in (settings.mean, settings.deviation)
    )
    normalised = (levels - mean) / deviation
    return normalised if settings.layout == "NCHW" else normalised.permute(0, 2, 3, 1)


def resize(images: Tensor, height: int, width: int, mode: str) -> Tensor:
    """Resize (N, 3, H, W) as Pillow does, with an average where it shrinks."""
    if images.shape[-2:] == (height, width):
        return images
    return functional.interpolate(images, size=(height, width), mode=mode, align_corners=False, antialias=True)


def square_around(images: Tensor, boxes: Sequence[Box], margin: float, side: int, mode: str) -> Tensor:
    """Cut the square around each box out of its picture, (N, 3, H, W) to (N, 3, side, side); black beyond the edge.

    Args:
        images: in [-1, 1].
        boxes: one for each picture.
        margin: side of the square in multiples of the box's longer side.
        side: of the result, in pixels.
        mode: bilinear or bicubic.
    """
    return torch.cat([_cut(image[None], box, margin, side, mode) for image, box in zip(images, boxes, strict=True)])


def _cut(image: Tensor, box: Box, margin: float, side: int, mode: str) -> Tensor:
    height, width = image.shape[-2:]
    left, top, right, bottom = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    size = max(round(margin * max(right - left, bottom - top)), 1)
    x, y = round((left + right - size) / 2), round((top + bottom - size) / 2)
    columns, rows = (max(x, 0), min(x + size, width)), (max(y, 0), min(y + size, height))
    square = image.new_full((1, 3, size, size), -1.0)
    if columns[0] < columns[1] and rows[0] < rows[1]:
        part = image[:, :, rows[0] : rows[1], columns[0] : columns[1]]
        square[:, :, rows[0] - y : rows[1] - y, columns[0] - x : columns[1] - x] = part
    return resize(square, side, side, mode)
