"""Pictures to send: rendered faces and what is made of them, encoded."""

from __future__ import annotations

import io
from functools import cache

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.functional import gaussian_blur

from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.renderer import render


@cache
def faces(count: int = 16) -> Tensor:
    """Render faces of 64 px, (N, 3, 64, 64) in [-1, 1]."""
    return render(sample_attributes(5, range(count)))


def truth(name: str, count: int = 16) -> list[float]:
    """Return an attribute of these faces as the renderer drew it."""
    return [float(value) for value in getattr(sample_attributes(5, range(count)), name)]


def encode(picture: Tensor, image_format: str = "PNG", enlarge: int = 4) -> bytes:
    """Encode one picture (3, H, W), each pixel a block of `enlarge` pixels."""
    large = functional.interpolate(picture[None], scale_factor=enlarge, mode="nearest")[0]
    levels = large.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels.permute(1, 2, 0).numpy()).save(buffer, image_format)
    return buffer.getvalue()


def blurred(picture: Tensor) -> Tensor:
    return gaussian_blur(picture[None], [13, 13], [3.0, 3.0])[0]


def noisy(picture: Tensor) -> Tensor:
    return picture + torch.randn(picture.shape, generator=torch.Generator().manual_seed(0)) * 40 / 127.5


def noise(number: int, size: int = 24) -> bytes:
    """Return a picture of noise; each number gives another."""
    generator = torch.Generator().manual_seed(number)
    return encode(torch.rand(3, size, size, generator=generator) * 2 - 1, enlarge=3)
