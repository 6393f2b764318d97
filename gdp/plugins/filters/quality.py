"""Filters of how good pictures are: sharpness, marks of encoders and generators, and what a discriminator thinks."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional

from gdp import BuildContext, MissingResourceError, PairBatch, Score, Scores, ScoringFilter, TranslatorTeacher, Verdict
from gdp.plugins.filters import DiscriminatorScoreConfig
from gdp.toolbox import in_fixed_chunks, number, pictures_by_part, reduced_to_side, unrounded_levels

_AT_ONCE = 2**20
"""Pixels of the pictures that are measured together, in float64."""
_TILE = 64
"""Pixels of the squares that blur and checkerboards are measured in, whatever the picture's size."""
_SHARPEST = 8
"""Blur is that of the sharpest eighth of the squares: a background out of focus makes no blurred portrait."""
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
    | rendered, blurred by a Gaussian of 1 pixel | 0.40 to 0.55 | | |
    | rendered, JPEG of quality 30 (10) | | 1.2 to 2.1 (1.9 to 3.6) | |
    | rendered, with a checkerboard of 8 levels of 255 | | | 22 to 36 |

    Each defect is told from clean pictures of the same kind with an AUC of 1.0 (JPEG of quality 30: 0.97), but noise by
    none of the three. What real faces of 1024, 512 and 256 px get stands in `docs/filters.md`.
    """

    score_settings = frozenset({"measured_at"})
    score_version = 2
    """2: blur at one size and checkerboards in windows of one size."""

    def score(self, pairs: PairBatch) -> list[Scores]:
        """Measure every picture, to 4 digits."""
        rows: list[dict[str, Score]] = [{} for _ in pairs.indices]
        measures: dict[str, Callable[[Tensor], Tensor]] = {
            "blur": lambda images: blur(luminance(reduced_to_side(images, self.config.measured_at))),
            "blockiness": lambda images: blockiness(luminance(images)),
            "checkerboard": lambda images: checkerboard(luminance(images)),
        }
        for part, images in pictures_by_part(pairs).items():
            for name, measure in measures.items():
                for row, value in zip(rows, _few_at_once(measure, images), strict=True):
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


def _few_at_once(measure: Callable[[Tensor], Tensor], images: Tensor) -> list[float]:
    """Measure pictures (N, 3, H, W) each by itself, so many together as a bound of memory lets; N numbers."""
    count = max(1, _AT_ONCE // (images.shape[-2] * images.shape[-1]))
    return [value for chunk in torch.split(images, count) for value in measure(chunk).tolist()]


def luminance(images: Tensor) -> Tensor:
    """Return the luminance (Rec. 601) of (N, 3, H, W) in [-1, 1] as 8-bit levels, (N, H, W) float64 in [0, 255]."""
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64, device=images.device)
    return torch.einsum("nchw,c->nhw", unrounded_levels(images.double()), weights)


def blur(levels: Tensor) -> Tensor:
    """Return the blur of (N, H, W) levels, (N,): 0 for the sharpest picture, 1 for one without any detail.

    Crete and others, "The blur effect: perception and estimation with a new no-reference perceptual blur metric"
    (2007), section 3: how little the differences of neighbours shrink when the picture is blurred once more, along the
    worse of the two axes. Unlike the variance of the Laplacian it does not grow with contrast. It is measured in
    squares of about 64 pixels, and the limit of their sharpest eighth is taken.
    """
    tiles = _tiles(levels)  # (N, T, h, w)
    each = tiles.flatten(0, 1)
    worse = torch.maximum(_blur_along_rows(each), _blur_along_rows(each.transpose(1, 2)))
    ranked: Tensor = worse.reshape(tiles.shape[:2]).sort(dim=1).values
    return ranked[:, tiles.shape[1] // _SHARPEST]


def _tiles(levels: Tensor) -> Tensor:
    """Cut (N, H, W) into as many equal tiles of 64 pixels and a little more as fit: (N, T, h, w); small ones are one.

    Height and width of a tile are even where the picture has two pixels; what is left at the right and below is left.
    """
    height, width = (max(1, size // max(1, size // _TILE) // 2 * 2) for size in levels.shape[1:])
    rows = levels.unfold(1, height, height).unfold(2, width, width)  # (N, rows, columns, h, w)
    return rows.flatten(1, 2)


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
    the picture out of it. Spectra of windows of about 64 pixels are averaged (Welch, 1967), for the peak of the same
    pattern grows with the window.
    """
    tiles = _tiles(levels)  # (N, T, h, w)
    height, width = tiles.shape[2:]
    rows, columns = (torch.hann_window(size, dtype=levels.dtype, device=levels.device) for size in (height, width))
    windowed = (tiles - tiles.mean(dim=(2, 3), keepdim=True)) * rows[:, None] * columns
    power = torch.fft.fft2(windowed).abs().square().mean(dim=1) / (rows.square().sum() * columns.square().sum())
    power = power + _QUANTISATION
    reach = torch.arange(-_NEIGHBOURHOOD, _NEIGHBOURHOOD + 1, device=levels.device)
    beside = (reach.abs()[:, None] > _PEAK) | (reach.abs() > _PEAK)
    found = []
    for y, x in ((height // 2, 0), (0, width // 2), (height // 2, width // 2)):
        around = power[:, (y + reach) % height][:, :, (x + reach) % width][:, beside]
        found.append(10 * torch.log10(power[:, y, x] / around.median(dim=1).values))
    return torch.stack(found).amax(dim=0)


class SharpnessFilter(ScoringFilter):
    """Measures every picture of a pair once: scores `source`, `target` and, with two sources, `source2`.

    At `measured_at` pixels, for the number falls with the size at which the same face is shown.
    """

    score_settings = frozenset({"measured_at"})
    score_version = 2
    """2: measured at one size."""

    def score(self, pairs: PairBatch) -> list[Scores]:
        """Measure the variance of the Laplacian, to 3 digits."""
        measured = {part: _few_at_once(self._sharpness, images) for part, images in pictures_by_part(pairs).items()}
        rows: list[Scores] = []
        for position in range(len(pairs)):
            row: dict[str, Score] = {part: round(values[position], 3) for part, values in measured.items()}
            rows.append(row)
        return rows

    def _sharpness(self, images: Tensor) -> Tensor:
        return laplacian_variance(reduced_to_side(images, self.config.measured_at))

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
    grey = luminance(images)
    inner = grey[:, 1:-1, 1:-1]
    laplacian = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:] - 4 * inner
    return laplacian.flatten(1).var(dim=1, correction=0)


_CHUNK = 8


class DiscriminatorScoreFilter(ScoringFilter):
    """Scores each picture once by the mean logit of the discriminator: `source_realism`, `target_realism`.

    Of a translator's pairs only the target is scored, for its discriminator knows no source. A discriminator learnt to
    tell its own generator's pictures from real ones, which is not the same as good ones from bad ones: the embedded
    one tells rendered faces from samples with an AUC of 0.99 and sharp from blurred rendered faces with 0.95, but
    samples from the same samples blurred or noisy with 0.5, and faces from failed ones with 0.56. Measure with
    `only_score = true` what yours says before you let it drop anything.

    Raises:
        MissingResourceError: there is no teacher, or none with a discriminator.
    """

    score_settings = frozenset()

    def __init__(self, config: DiscriminatorScoreConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        teacher = context.teacher
        discriminator = None if teacher is None else teacher.discriminator
        if discriminator is None:
            raise MissingResourceError(
                "discriminator-score: "
                + ("the recipe has no [teacher]" if teacher is None else "the teacher comes without a discriminator")
                + ". Give the teacher the one it was trained with (stylegan2: teacher.discriminator; cyclegan: weights "
                "that hold it), or judge by another filter, such as artifact or sharpness."
            )
        self._discriminator: nn.Module = discriminator.to(context.device).eval()
        self._parts = ("target",) if isinstance(teacher, TranslatorTeacher) else ("source", "source2", "target")

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the discriminator's tensors."""
        digest = hashlib.sha256()
        for name, tensor in self._discriminator.state_dict().items():
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def check(self) -> str:
        """Tell that nothing would be dropped, where no rule is set."""
        if self.config.min_realism is None and self.config.drop_lowest == 0:
            return "measures only: neither min_realism nor drop_lowest is set"
        return ""

    def score(self, pairs: PairBatch) -> list[Scores]:
        """Measure every picture that the discriminator knows: the mean of its logits, to 4 digits."""
        rows: list[dict[str, Score]] = [{} for _ in pairs.indices]
        for part, images in pictures_by_part(pairs).items():
            if part not in self._parts:
                continue
            logits = in_fixed_chunks(self._mean_logit, images.to(self.context.device), _CHUNK).cpu().tolist()
            for row, value in zip(rows, logits, strict=True):
                row[f"{part}_realism"] = round(value, 4) if math.isfinite(value) else None
        return [*rows]

    def decide(self, scores: Mapping[int, Scores]) -> dict[int, Verdict]:
        """Drop what is below `min_realism`, and of all pairs that came here the `drop_lowest` share."""
        lowest = {index: self._realism(row) for index, row in scores.items()}
        # Ties go by the pair's number, so that a verdict never depends on the order in which pairs are asked.
        ranked = sorted((value, index) for index, value in lowest.items() if value is not None)
        dropped = {index for _, index in ranked[: int(self.config.drop_lowest * len(ranked))]}
        verdicts = {}
        for index, row in scores.items():
            value = lowest[index]
            if value is None:
                verdicts[index] = Verdict.unknown("the discriminator gives no number", **row)
            elif self.config.min_realism is not None and value < self.config.min_realism:
                verdicts[index] = Verdict.drop(f"realism below {self.config.min_realism:g}", **row)
            elif index in dropped:
                verdicts[index] = Verdict.drop(f"among the least real {self.config.drop_lowest:.0%}", **row)
            else:
                verdicts[index] = Verdict.keep(**row)
        return verdicts

    @torch.no_grad()
    def _mean_logit(self, images: Tensor) -> Tensor:
        logits: Tensor = self._discriminator(images)
        return logits.float().flatten(1).mean(dim=1)

    def _realism(self, row: Scores) -> float | None:
        asked: tuple[str, ...] = ("source", "source2") if self.config.of == "source" else ("target",)
        if self.config.of == "both":
            asked = self._parts
        # A translator's source has no score of its own; then the target speaks for the pair.
        parts = [part for part in asked if f"{part}_realism" in row] or ["target"]
        values = [number(row, f"{part}_realism") for part in parts]
        return None if None in values else min(value for value in values if value is not None)
