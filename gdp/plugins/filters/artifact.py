"""`artifact`: blur, the blocks of JPEG, and the checkerboards of transposed convolutions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from gdp import (
    PairBatch,
    Score,
    Scores,
    ScoringFilter,
    Verdict,
)
from gdp.toolbox import (
    number,
    pictures_by_part,
    unrounded_levels,
)

_BLUR_WINDOW = 9
"""Pixels over which Crete and others blur a picture once more."""
_BLOCK = 8
_NEIGHBOURHOOD, _PEAK = 6, 2
"""Frequencies on each side that a peak is compared with, and those nearest to it that belong to the peak."""
_QUANTISATION = 1.0 / 12.0
"""Variance of rounding to 8-bit levels: the power below which a picture's spectrum says nothing."""
_FLAT = 1e-6


class ArtifactFilter(ScoringFilter):
    """Measures every picture of a pair once: `source_blur`, `source_blockiness`, `source_checkerboard`, and so on.

    Measured on 256 faces of each kind, from the 1st to the 99th percentile:

    | pictures | blur | blockiness | checkerboard, dB |
    |---|---|---|---|
    | rendered faces, 64 px | 0.19 to 0.32 | 0.8 to 1.6 | -9 to 12 |
    | samples of the embedded teacher, 64 px | 0.23 to 0.39 | 1.1 to 1.5 | -11 to 12 |
    | photographed faces, 256 px | 0.28 to 0.44 | 1.0 to 1.1 | -6 to 10 |
    | rendered, blurred by a Gaussian of 1 pixel | 0.40 to 0.55 | | |
    | rendered, JPEG of quality 30 (10) | | 1.2 to 2.1 (1.9 to 3.6) | |
    | rendered, with a checkerboard of 8 levels of 255 | | | 22 to 36 |

    Each defect is told from clean pictures of the same kind with an AUC of 1.0 (JPEG of quality 30: 0.97), but noise by
    none of the three.
    """

    def score(self, pairs: PairBatch) -> list[Scores]:
        """Measure every picture, to 4 digits."""
        rows: list[dict[str, Score]] = [{} for _ in pairs.indices]
        measures: dict[str, Callable[[Tensor], Tensor]] = {
            "blur": blur,
            "blockiness": blockiness,
            "checkerboard": checkerboard,
        }
        for part, images in pictures_by_part(pairs).items():
            levels = luminance(images)
            for name, measure in measures.items():
                for row, value in zip(rows, measure(levels).tolist(), strict=True):
                    row[f"{part}_{name}"] = round(value, 4)
        return [*rows]

    def decide(self, scores: Mapping[int, Scores]) -> dict[int, Verdict]:
        """Keep the pairs of which no picture exceeds a limit; the reason names the first that does."""
        limits = {
            "blur": (self.config.max_blur, "is blurred"),
            "blockiness": (self.config.max_blockiness, "shows the blocks of JPEG"),
            "checkerboard": (self.config.max_checkerboard, "shows a checkerboard"),
        }
        verdicts = {}
        for index, row in scores.items():
            faults = [
                f"{part.rstrip('2')} {words}"
                for name, (limit, words) in limits.items()
                for part in ("source", "source2", "target")
                if limit is not None and (number(row, f"{part}_{name}") or 0.0) > limit
            ]
            verdicts[index] = Verdict.keep_if(not faults, reason=faults[0] if faults else None, **row)
        return verdicts


def luminance(images: Tensor) -> Tensor:
    """Return the luminance (Rec. 601) of (N, 3, H, W) in [-1, 1] as 8-bit levels, (N, H, W) float64 in [0, 255]."""
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64, device=images.device)
    return torch.einsum("nchw,c->nhw", unrounded_levels(images.double()), weights)


def blur(levels: Tensor) -> Tensor:
    """Return the blur of (N, H, W) levels, (N,): 0 for the sharpest picture, 1 for one without any detail.

    Crete and others, "The blur effect: perception and estimation with a new no-reference perceptual blur metric"
    (2007), section 3: how little the differences of neighbours shrink when the picture is blurred once more, along the
    worse of the two axes. Unlike the variance of the Laplacian it does not grow with contrast.
    """
    return torch.maximum(_blur_along_rows(levels), _blur_along_rows(levels.transpose(1, 2)))


def _blur_along_rows(levels: Tensor) -> Tensor:
    half = _BLUR_WINDOW // 2
    padded = functional.pad(levels[:, None], (half, half, 0, 0), mode="replicate")
    again = functional.avg_pool2d(padded, (1, _BLUR_WINDOW), stride=1)[:, 0]
    sharp, smooth = (picture.diff(dim=2).abs() for picture in (levels, again))
    lost = (sharp - smooth).clamp_min(0).sum(dim=(1, 2))
    return 1 - lost / sharp.sum(dim=(1, 2)).clamp_min(_FLAT)


def blockiness(levels: Tensor) -> Tensor:
    """Return how much (N, H, W) levels jump between blocks of 8 pixels, (N,): about 1 where there are no blocks.

    Wang, Sheikh and Bovik, "No-reference perceptual quality assessment of JPEG compressed images" (2002), section 2:
    blockiness B, the mean difference across the borders of blocks, over activity A, the mean difference elsewhere; the
    mean of both axes. Blocks are counted from the top left, so a cropped or resized JPEG shows none.
    """
    borders, inside = zip(*(_differences(picture) for picture in (levels, levels.transpose(1, 2))), strict=True)
    across, within = sum(borders), sum(inside)
    assert isinstance(across, Tensor) and isinstance(within, Tensor)
    # A picture without differences has no blocks.
    return torch.where(within > _FLAT, across / within.clamp_min(_FLAT), 1 + across)


def _differences(levels: Tensor) -> tuple[Tensor, Tensor]:
    steps = levels.diff(dim=2).abs().mean(dim=1)  # (N, W - 1)
    border = torch.arange(steps.shape[1], device=levels.device) % _BLOCK == _BLOCK - 1
    if not border.any():
        return torch.zeros_like(steps[:, 0]), torch.zeros_like(steps[:, 0])
    return steps[:, border].mean(dim=1), steps[:, ~border].mean(dim=1)


def checkerboard(levels: Tensor) -> Tensor:
    """Return the height of the spectrum's peak at half the sampling rate over what lies around it, (N,) in decibels.

    Transposed convolutions of stride 2 leave patterns that repeat every two pixels (Odena, Dumoulin and Olah,
    "Deconvolution and checkerboard artifacts", 2016), which stand in the spectrum as peaks at half the sampling rate
    of either axis or both (Zhang, Karaman and Chang, "Detecting and simulating artifacts in GAN fake images", 2019,
    section 3). The highest of the three is taken, over the median power around it; Hann's window keeps the edges of
    the picture out of it.
    """
    height, width = (size - size % 2 for size in levels.shape[1:])
    even = levels[:, :height, :width]
    rows, columns = (torch.hann_window(size, dtype=levels.dtype, device=levels.device) for size in (height, width))
    windowed = (even - even.mean(dim=(1, 2), keepdim=True)) * rows[:, None] * columns
    power = torch.fft.fft2(windowed).abs().square() / (rows.square().sum() * columns.square().sum())
    power = power + _QUANTISATION
    reach = torch.arange(-_NEIGHBOURHOOD, _NEIGHBOURHOOD + 1, device=levels.device)
    beside = (reach.abs()[:, None] > _PEAK) | (reach.abs() > _PEAK)
    found = []
    for y, x in ((height // 2, 0), (0, width // 2), (height // 2, width // 2)):
        around = power[:, (y + reach) % height][:, :, (x + reach) % width][:, beside]
        found.append(10 * torch.log10(power[:, y, x] / around.median(dim=1).values))
    return torch.stack(found).amax(dim=0)
