"""Pictures of pairs as they are sent: PNG without loss, small ones enlarged."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy
from numpy.typing import NDArray
from PIL import Image

from gdp.core.pairs.records import PairBatch
from gdp.core.pictures import to_array, to_levels

Of = Literal["source", "target", "both"]
"""Which pictures of a pair are shown to a service."""


@dataclass(frozen=True)
class Picture:
    """A picture as it is to be asked about."""

    pixels: NDArray[numpy.uint8]
    """(H, W, 3) RGB, as stored."""
    factor: int
    """How many times each side is enlarged before it is sent."""

    @property
    def sha256(self) -> str:
        """Hash of what is sent: of the pixels, their shape and the factor, so that no PNG encoder's version counts."""
        height, width, _ = self.pixels.shape
        digest = hashlib.sha256(f"{height} {width} {self.factor} ".encode())
        digest.update(self.pixels.tobytes())
        return digest.hexdigest()

    def encode(self, least_bytes: int) -> bytes:
        """Return the picture as PNG of at least that many bytes, enlarged by bicubic interpolation."""
        image = Image.fromarray(self.pixels)
        if self.factor > 1:
            size = (image.width * self.factor, image.height * self.factor)
            image = image.resize(size, Image.Resampling.BICUBIC)
        encoded = _png(image, 1)
        return encoded if len(encoded) >= least_bytes else _png(image, 0)


def pictures(pairs: PairBatch, of: Of, enlarge_to: int) -> Iterator[tuple[int, dict[str, Picture]]]:
    """Yield each pair's number and its pictures by name: source, target, source2.

    Args:
        pairs: the pairs.
        of: which of their pictures; source means both of them where the student takes two.
        enlarge_to: pixels; a picture whose shorter side is below is enlarged by the least whole factor that reaches it.
    """
    parts = {} if of == "target" else {"source": pairs.source[:, :3]}
    if of != "source":
        parts["target"] = pairs.target
    if of != "target" and pairs.source.shape[1] > 3:
        parts["source2"] = pairs.source[:, 3:]
    arrays = {name: to_array(to_levels(part)) for name, part in parts.items()}  # (N, H, W, 3)
    factor = max(1, -(-enlarge_to // min(pairs.target.shape[2:])))
    for row, index in enumerate(pairs.indices):
        yield index, {name: Picture(numpy.array(array[row]), factor) for name, array in arrays.items()}


def _png(image: Image.Image, level: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=level)
    return file.getvalue()
