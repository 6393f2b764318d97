"""What the built-in judge of faces says of held-out pairs: the age shift, and what must not change."""

from __future__ import annotations

from collections.abc import Sequence

from gdp.core.interfaces.evaluators import Evaluation, EvaluationContext, Evaluator, Metric
from gdp.plugins.evaluators.config import FaceAttributesConfig
from gdp.plugins.evaluators.judged import Judged, add_shift_ratio, agreement, agreement_metrics, mean_shift
from gdp.plugins.evaluators.pairs import NO_HELD_OUT, absent, batches, spread_out, unchanged
from gdp.plugins.faces.judge import FaceAssessment, FaceJudge

PREFIX = "quality.held_out"


class FaceAttributesEvaluator(Evaluator):
    """Judges source, target and the student's picture of each held-out pair.

    The judge knows the built-in renderer's faces and what a generator makes of them; not photographs.
    """

    config: FaceAttributesConfig

    def evaluate(self, context: EvaluationContext) -> Evaluation:
        """Judge the held-out pairs; pictures in which the judge sees no face count like the others."""
        indices = spread_out(context.held_out, self.config.count or len(context.held_out))
        if not indices:
            return absent([f"{PREFIX}.age_shift_ratio"], NO_HELD_OUT)
        source, target, prediction = judge_pairs(FaceJudge.load(), context, indices, self.config.batch)
        on = f"{len(indices)} held-out pairs"
        evaluation = Evaluation()
        shifts = mean_shift(source, prediction), mean_shift(source, target)
        add_shift_ratio(evaluation, PREFIX, shifts, "teacher", self.config.min_shift_years, on)
        for after, prefix, whose in (
            (prediction, f"{PREFIX}.agreement", "the student's picture"),
            (target, f"{PREFIX}.teacher_agreement", "the teacher's target"),
        ):
            shares = agreement(source, after, self.config.attributes)
            evaluation.metrics |= agreement_metrics(prefix, shares, whose, on)
        evaluation.metrics[f"{PREFIX}.face_found"] = Metric(
            float(prediction.face.double().mean()),
            f"Share of the student's pictures in which the built-in judge sees a face, {on}; of the teacher's targets "
            f"it is {float(target.face.double().mean()):.4f}.",
            "share",
            "higher",
        )
        return evaluation


def judge_pairs(
    judge: FaceJudge, context: EvaluationContext, indices: Sequence[int], size: int
) -> tuple[Judged, Judged, Judged]:
    """Judge the source, the target and the student's picture of each pair."""
    parts: tuple[list[FaceAssessment], ...] = ([], [], [])
    for pairs in batches(context, "judged pairs", indices, size):
        source = pairs.source.to(context.device)
        for part, images in zip(parts, (unchanged(source), pairs.target, context.predict(source)), strict=True):
            part.append(judge.assess(images.to(context.device)))
    source_judged, target_judged, predicted = (Judged.of(part) for part in parts)
    return source_judged, target_judged, predicted
