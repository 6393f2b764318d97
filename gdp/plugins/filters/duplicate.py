"""`duplicate`: sources that look like an earlier one's, by perceptual hash."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from gdp.core.interfaces.filters import ScoringFilter
from gdp.core.pairs import PairBatch, Scores, Verdict

_SIDE = 32
"""The hash sees pictures at 32 x 32 pixels ..."""
_FREQUENCIES = 8
"""... and of them the 8 x 8 lowest frequencies."""


class DuplicateFilter(ScoringFilter):
    """Keeps the pair with the lowest number of each group of near-duplicates.

    A pair is dropped if its source lies within `max_distance` bits of that of a kept pair with a lower number (where
    the source is two pictures: if both lie within it, each of its own).
    """

    def score(self, pairs: PairBatch) -> list[Scores]:
        """Hash each source: 16 hexadecimal digits for each of its pictures."""
        hashes = [perceptual_hash(images) for images in torch.split(pairs.source, 3, dim=1)]
        return [{"hash": "".join(f"{int(part[row]):016x}" for part in hashes)} for row in range(len(pairs))]

    def decide(self, scores: Mapping[int, Scores]) -> dict[int, Verdict]:
        """Go through the pairs in order, comparing each hash with all that are kept so far in one vector operation."""
        indices = sorted(scores)
        hashes = _parse([str(scores[index]["hash"]) for index in indices])
        kept = numpy.empty_like(hashes)  # (N, pictures)
        owners: list[int] = []
        verdicts = {}
        for index, value in zip(indices, hashes, strict=True):
            distances = numpy.bitwise_count(kept[: len(owners)] ^ value).max(axis=1)
            nearest = int(distances.argmin()) if owners else None
            if nearest is not None and distances[nearest] <= self.config.max_distance:
                verdicts[index] = Verdict.drop(
                    "near-duplicate of an earlier pair",
                    hash=scores[index]["hash"],
                    duplicate_of=owners[nearest],
                    distance=int(distances[nearest]),
                )
                continue
            kept[len(owners)] = value
            owners.append(index)
            verdicts[index] = Verdict.keep(hash=scores[index]["hash"])
        return verdicts


def perceptual_hash(images: Tensor) -> NDArray[numpy.uint64]:
    """Return 64 bits for each of `images` (N, 3, H, W) in [-1, 1]: (N,).

    The pHash of Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010), section 3.2.1:
    the luminance at 32 x 32 pixels, its cosine transform, and of the 8 x 8 lowest frequencies whether each lies above
    their median (the constant term is left out: 63 bits carry something).
    """
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    grey = torch.einsum("nchw,c->nhw", images.cpu().double(), weights)[:, None]
    small = functional.interpolate(grey, size=(_SIDE, _SIDE), mode="bilinear", antialias=True, align_corners=False)[
        :, 0
    ]
    basis = _cosines()
    low = (basis @ small @ basis.T).flatten(1)[:, 1:]  # (N, 63)
    # The small margin keeps rounding from choosing the bits of pictures without any structure.
    bits: NDArray[numpy.bool_] = (low > low.median(dim=1, keepdim=True).values + 1e-6).numpy()
    powers = numpy.uint64(1) << numpy.arange(low.shape[1], dtype=numpy.uint64)
    hashes: NDArray[numpy.uint64] = (bits * powers).sum(axis=1, dtype=numpy.uint64)
    return hashes


def _cosines() -> Tensor:
    """Return the 8 lowest rows of the DCT-II of 32 samples, (8, 32)."""
    frequency = torch.arange(_FREQUENCIES, dtype=torch.float64)[:, None]
    position = torch.arange(_SIDE, dtype=torch.float64)[None]
    return torch.cos(math.pi / _SIDE * (position + 0.5) * frequency)


def _parse(digits: list[str]) -> NDArray[numpy.uint64]:
    """Turn hashes of 16 hexadecimal digits a picture into (N, pictures)."""
    rows = [[int(text[start : start + 16], 16) for start in range(0, len(text), 16)] for text in digits]
    return numpy.array(rows, dtype=numpy.uint64).reshape(len(digits), -1)
