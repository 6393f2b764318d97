"""There and back: what the teacher's way back makes of the student's pictures, against the source."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gdp.core.interfaces.evaluators import Evaluation, EvaluationContext, Evaluator, Metric
from gdp.core.interfaces.teachers import TranslatorTeacher
from gdp.plugins.evaluators.config import CycleConfig
from gdp.plugins.evaluators.pairs import NO_HELD_OUT, absent, add_rows, batches, spread_out, unchanged
from gdp.plugins.evaluators.similarity import MEASURES

PREFIX = "quality.cycle"
NAMES = (f"{PREFIX}.l1_student", f"{PREFIX}.l1_teacher")

NO_TRANSLATOR = "the recipe's teacher translates no pictures, so there is no way back"
NO_WAY_BACK = "the teacher's weights hold no generator of the way back"


class CycleEvaluator(Evaluator):
    """Cycle consistency: mean absolute difference of the source and its reconstruction from the translation.

    A translation that keeps the source's content can be undone; Zhu et al., ICCV 2017, equation 2.
    """

    config: CycleConfig

    def evaluate(self, context: EvaluationContext) -> Evaluation:
        """Send the student's pictures and the teacher's back through the teacher's opposite generator."""
        if not isinstance(context.teacher, TranslatorTeacher):
            return absent(NAMES, NO_TRANSLATOR)
        back = context.teacher.opposite
        if back is None:
            return absent(NAMES, NO_WAY_BACK)
        indices = spread_out(context.held_out, self.config.count or len(context.held_out))
        if not indices:
            return absent(NAMES, NO_HELD_OUT)
        shown = set(spread_out(indices, self.config.pictures))
        values: dict[str, list[Tensor]] = {"student": [], "teacher": []}
        evaluation = Evaluation()
        for pairs in batches(context, "there and back", indices, self.config.batch):
            source = pairs.source.to(context.device)
            prediction = context.predict(source)
            rebuilt = _translate(back, prediction)
            values["student"].append(_difference(rebuilt, source))
            values["teacher"].append(_difference(_translate(back, pairs.target.to(context.device)), source))
            titles = [f"There and back / pair {index}" for index in pairs.indices]
            columns = {"source": unchanged(source), "student": prediction, "reconstruction": rebuilt}
            add_rows(evaluation, pairs.indices, shown, titles, **columns)
        evaluation.metrics = {
            f"{PREFIX}.l1_{whose}": _metric(whose, float(torch.cat(parts).mean()), len(indices))
            for whose, parts in values.items()
        }
        return evaluation


@torch.no_grad()
def _translate(back: nn.Module, images: Tensor) -> Tensor:
    """Translate (N, 3, H, W) in [-1, 1] to the source's domain."""
    pictures: Tensor = back(images).clamp(-1, 1)
    return pictures


def _difference(rebuilt: Tensor, source: Tensor) -> Tensor:
    """Mean absolute difference of each picture, (N,)."""
    return MEASURES["l1"].of(rebuilt, unchanged(source)).double().cpu()


def _metric(whose: str, value: float, count: int) -> Metric:
    return Metric(
        value,
        f"{MEASURES['l1'].protocol}, mean over {count} held-out pictures: the source against what the teacher's "
        f"generator of the way back makes of the {whose}'s picture.",
        "",
        "lower",
    )
