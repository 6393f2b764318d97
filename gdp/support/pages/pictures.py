"""Pictures inside of a page: small ones as they are, large ones as large as a page shows them. Imports no torch.

A page of 1024 px pictures as they are has hundreds of megabytes, of which a screen shows a few. What was scaled or
compressed leads to its original, where that lies beside the page.
"""

from __future__ import annotations

import base64
import io
import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from PIL import Image

PIXELATED_UP_TO = 160
"""Pictures up to this width in pixels are enlarged without smoothing, so that what is seen is what was made."""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
DENSITY = 2
"""Pixels of a scaled picture for each pixel of the page's layout, as fine screens have them."""
_HIGHEST = 16_383
"""Pixels of a side that WebP can hold."""


@dataclass(frozen=True)
class EmbeddedPicture:
    """One picture as a data URI."""

    label: str
    uri: str
    width: int
    """Pixels that the page gives it, as far as it has them."""
    height: int
    pixelated: bool = False
    """Whether it is small enough to be enlarged without smoothing."""
    original: str = ""
    """Address of the picture as it was made, relative to the page; empty where the page shows just that."""


@dataclass(frozen=True)
class Fineness:
    """How large and how exact pictures stand in a page."""

    widest: int
    """Pixels to which the width of larger pictures is scaled."""
    exact_up_to: int
    """Width in pixels up to which a picture is embedded as it is, byte for byte."""
    quality: int
    """Of WebP, up to 100, for all others."""


@dataclass(frozen=True)
class Cell:
    """Width of a picture on the page, in its layout's pixels."""

    wide: int
    narrow: int
    """On a phone."""


def cell_of(pictures: Iterable[EmbeddedPicture | None], wanted: Cell) -> Cell:
    """Return how wide pictures of one size are shown: small ones by a whole factor, on phones by quarters, too.

    A phone has several pixels for each of its layout's, so that quarters hardly show there.

    Args:
        pictures: the first that is there tells.
        wanted: about so wide.
    """
    first = next((picture for picture in pictures if picture is not None), None)
    if first is None or not first.pixelated:
        return wanted
    wide = max(1, round(wanted.wide / first.width))
    narrow = max(1.0, math.floor(4 * wanted.narrow / first.width) / 4)
    return Cell(wide * first.width, round(narrow * first.width))


def embed_png(label: str, png: bytes | None, fineness: Fineness, original: str = "") -> EmbeddedPicture | None:
    """Make a picture for a page of the content of a PNG file; None where that is no picture.

    Args:
        label: says in the page what it is.
        png: the file's content, from anybody.
        fineness: how large and exact it becomes.
        original: address of the file, relative to the page.
    """
    if png is None or not png.startswith(PNG_SIGNATURE) or len(png) < 24:
        return None
    width, height = struct.unpack(">II", png[16:24])  # of the IHDR chunk
    if width <= fineness.exact_up_to:
        return EmbeddedPicture(label, _uri("png", png), width, height, width <= PIXELATED_UP_TO)
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as file:
            picture = file.convert("RGB")
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, MemoryError, Image.DecompressionBombError):
        return None  # cut short, or made to do harm
    small = shrunk(picture, fineness.widest)
    density = DENSITY if small.width < width else 1
    return EmbeddedPicture(
        label,
        _uri("webp", encode_webp(small, quality=fineness.quality, method=2)),
        max(1, small.width // density),
        max(1, small.height // density),
        small.width <= PIXELATED_UP_TO and small.width == width,
        original,
    )


def embed_thumbnail(label: str, picture: Image.Image) -> EmbeddedPicture:
    """Make a picture for a page of a small one in memory: without loss where it is enlarged pixel by pixel."""
    pixelated = picture.width <= PIXELATED_UP_TO
    exact = {"lossless": True, "quality": 0, "method": 0}  # quickly
    content = encode_webp(picture, **(exact if pixelated else {"quality": 90, "method": 2}))
    return EmbeddedPicture(label, _uri("webp", content), picture.width, picture.height, pixelated)


def shrunk(picture: Image.Image, widest: int, highest: int = _HIGHEST) -> Image.Image:
    """Return a picture scaled down until it is no wider and no higher; one that is not comes back as it is."""
    factor = min(widest / picture.width, highest / picture.height)
    if factor >= 1:
        return picture
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def encode_webp(picture: Image.Image, **settings: Any) -> bytes:
    """Encode an RGB picture as WebP, with Pillow's settings of that name."""
    buffer = io.BytesIO()
    picture.save(buffer, format="WEBP", **settings)
    return buffer.getvalue()


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()
