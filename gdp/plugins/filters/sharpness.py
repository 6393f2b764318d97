"""`sharpness`: blurred pictures have little variance in their second derivative."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gdp.core.interfaces.filters import ScoringFilter
from gdp.core.pairs import PairBatch, Score, Scores, Verdict
from gdp.support.picture_parts import pictures_by_part


class SharpnessFilter(ScoringFilter):
    """Measures every picture of a pair once: scores `source`, `target` and, with two sources, `source2`."""

    def score(self, pairs: PairBatch) -> list[Scores]:
        """Measure the variance of the Laplacian, to 3 digits."""
        pictures = pictures_by_part(pairs)
        measured = {part: laplacian_variance(images).tolist() for part, images in pictures.items()}
        rows: list[Scores] = []
        for position in range(len(pairs)):
            row: dict[str, Score] = {part: round(values[position], 3) for part, values in measured.items()}
            rows.append(row)
        return rows

    def decide(self, scores: Mapping[int, Scores]) -> dict[int, Verdict]:
        """Keep the pairs of which every picture is sharp enough."""
        verdicts = {}
        for index, row in scores.items():
            blurred = [part for part, value in row.items() if float(value or 0) < self.config.min_sharpness]
            reason = f"{blurred[0].rstrip('2')} is blurred" if blurred else None
            verdicts[index] = Verdict.keep_if(not blurred, reason=reason, **row)
        return verdicts


def laplacian_variance(images: Tensor) -> Tensor:
    """Return (N,) float64: the variance over the inner pixels of the 4-neighbour Laplacian of the luminance.

    Pech-Pacheco and others, "Diatom autofocusing in brightfield microscopy" (2000), section 2. The luminance
    (Rec. 601) of `images` (N, 3, H, W) in [-1, 1] is taken in 8-bit levels, 0 to 255, so the numbers compare with
    those of other programs. They grow with contrast and fall with the resolution at which a scene is shown.
    """
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64, device=images.device)
    grey = torch.einsum("nchw,c->nhw", images.double().add(1).mul(127.5), weights)
    inner = grey[:, 1:-1, 1:-1]
    laplacian = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:] - 4 * inner
    return laplacian.flatten(1).var(dim=1, correction=0)
