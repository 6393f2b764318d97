"""Filters of picture quality: sharpness, and what a discriminator thinks.

`sharpness`: blurred pictures have little variance in their second derivative.

`discriminator-score`: how real the teacher's own adversary finds the pictures.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor, nn

from gdp import (
    BuildContext,
    MissingResourceError,
    PairBatch,
    Score,
    Scores,
    ScoringFilter,
    TranslatorTeacher,
    Verdict,
)
from gdp.plugins.filters import DiscriminatorScoreConfig
from gdp.plugins.filters.artifact import luminance
from gdp.toolbox import (
    in_fixed_chunks,
    number,
    pictures_by_part,
)


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
