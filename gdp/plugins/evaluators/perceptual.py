"""ST-LPIPS of the student's pictures to the teacher's, on pairs never trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from gdp import BuildContext, Evaluation, EvaluationContext, Evaluator, Metric, Sentence
from gdp.plugins.evaluators import STLPIPSConfig
from gdp.plugins.evaluators.held_out import NO_HELD_OUT, PREFIX, absent, spread_out, unchanged
from gdp.plugins.losses.shift_tolerant import load_distance, measured, st_lpips_protocol
from gdp.toolbox import plain

ST_LPIPS = f"{PREFIX}.st_lpips"
ST_LPIPS_UNCHANGED = f"{ST_LPIPS}_unchanged"


class STLPIPSEvaluator(Evaluator):
    """ST-LPIPS (Ghildyal and Liu, ECCV 2022) beside what returning the source unchanged would get.

    It forgives a shift of a pixel and punishes blur, where PSNR does the opposite. Its numbers are no LPIPS.

    Raises:
        MissingResourceError, CorruptFileError: the weights that `gdp-distill[perceptual]` brings cannot be had.
    """

    config: STLPIPSConfig

    def __init__(self, config: STLPIPSConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self._distance = load_distance(config.network, config.resolution).to(context.device)

    def evaluate(self, context: EvaluationContext) -> Evaluation:
        """Measure on the held-out pairs, each picture by itself, then average."""
        indices = spread_out(context.held_out, self.config.count or len(context.held_out))
        if not indices:
            return absent([ST_LPIPS, ST_LPIPS_UNCHANGED], NO_HELD_OUT)
        parts: dict[str, list[Tensor]] = {ST_LPIPS: [], ST_LPIPS_UNCHANGED: []}
        for pairs in context.batches("ST-LPIPS", indices, self.config.batch):
            source, target = pairs.source.to(context.device), pairs.target.to(context.device)
            parts[ST_LPIPS].append(measured(self._distance, context.predict(source), target))
            parts[ST_LPIPS_UNCHANGED].append(measured(self._distance, unchanged(source), target))
        on = f"on {len(indices)} held-out pairs, against the teacher's target as stored (8 bits)"
        how = st_lpips_protocol(self._distance, self.config.network, *target.shape[2:])
        words = {ST_LPIPS: f"{how}; {on}.", ST_LPIPS_UNCHANGED: f"{how}; {on}: what the unchanged source gets."}
        better = {ST_LPIPS: "lower", ST_LPIPS_UNCHANGED: ""}
        values = {name: float(torch.cat(found).mean()) for name, found in parts.items()}
        return Evaluation(
            metrics={name: Metric(value, words[name], "", better[name]) for name, value in values.items()}
        )

    @classmethod
    def sentences(cls, numbers: Mapping[str, float]) -> Iterator[Sentence]:
        """Say how unlike its pictures look, beside the unchanged source."""
        student, source = numbers.get(ST_LPIPS), numbers.get(ST_LPIPS_UNCHANGED)
        if student is not None and source is not None:
            yield Sentence(
                f"Its pictures' perceptual distance (ST-LPIPS) from the teacher's is **{plain(student, 3)}**, the "
                f"unchanged sources' {plain(source, 3)}.",
                rank=35,
            )
