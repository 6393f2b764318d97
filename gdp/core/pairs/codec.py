"""From pictures in memory to lossless files and back."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Literal

import numpy
import torch
from numpy.typing import NDArray
from PIL import Image

from gdp.core.errors import PairStoreError

if TYPE_CHECKING:
    from torch import Tensor

ImageFormat = Literal["webp", "png"]

Pixels = NDArray[numpy.uint8]
"""(H, W, 3) uint8 RGB."""


def quantise(images: Tensor) -> Tensor:
    """Turn (N, C, H, W) floats into uint8: (x + 1) * 127.5 in float32, rounded half to even, in [0, 255].

    Raises:
        PairStoreError: a value is NaN or infinite.
    """
    levels = images.detach().cpu().float().add(1).mul(127.5).round()
    if not torch.isfinite(levels).all():
        raise PairStoreError("a picture holds NaN or infinite values; it cannot be stored. Look for what made it")
    return levels.clamp(0, 255).to(torch.uint8)


def dequantise(levels: Tensor) -> Tensor:
    """Turn (N, C, H, W) uint8 into float32 in [-1, 1]; `quantise` gives the same uint8 again."""
    return levels.to(torch.float32).div_(127.5).sub_(1)


def pixel_hash(*pictures: Pixels) -> bytes:
    """Return the sha256 (32 bytes) of the RGB values, row by row, one picture after the other."""
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(numpy.ascontiguousarray(picture).data)
    return digest.digest()


def encode(picture: Pixels, image_format: ImageFormat) -> bytes:
    """Encode losslessly. The same pixels give the same bytes (under the same Pillow)."""
    buffer = io.BytesIO()
    if image_format == "webp":
        Image.fromarray(picture).save(buffer, "WEBP", lossless=True, method=0, quality=0)
    else:
        Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def decode(data: bytes) -> Pixels:
    """Decode to RGB.

    Raises:
        ValueError: the bytes are no whole picture.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("WEBP", "PNG")) as image:
            return numpy.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from error
