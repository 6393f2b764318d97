"""`photo-ages`: how much older a student makes photographed faces, held against its teacher."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch

from gdp import Evaluation, EvaluationContext, Evaluator, Headline, Metric, Sentence
from gdp.plugins.evaluators.held_out import NO_HELD_OUT, absent, spread_out, unchanged
from gdp.plugins.face_ages import PhotographedAgesConfig
from gdp.plugins.face_ages.network import Assessment, PhotographJudge
from gdp.toolbox import percent

PREFIX = "quality.held_out.photo"
RATIO = f"{PREFIX}.age_shift_ratio"


class PhotographedAgesEvaluator(Evaluator):
    """Judges source, target and the student's picture of each held-out pair by face-api.js's network.

    The pictures must show faces cut alike, as FFHQ's; the network takes whatever it is shown for a face.

    Raises:
        MissingResourceError, CorruptFileError: the weights cannot be used, see `PhotographJudge`.
    """

    config: PhotographedAgesConfig

    def evaluate(self, context: EvaluationContext) -> Evaluation:
        """Judge the held-out pairs."""
        indices = spread_out(context.held_out, self.config.count or len(context.held_out))
        if not indices:
            return absent([RATIO], NO_HELD_OUT)
        judge = PhotographJudge(self.config, context.progress)
        parts: tuple[list[Assessment], ...] = ([], [], [])
        for pairs in context.batches("judged pairs", indices, self.config.batch):
            source = pairs.source.to(context.device)
            shown = unchanged(source), pairs.target.to(context.device), context.predict(source)
            for part, images in zip(parts, shown, strict=True):
                part.extend(judge.assess(image) for image in torch.split(images, 1))  # nothing depends on the batch
        return self._measured(judge.fingerprint, *parts)

    def _measured(
        self, judge: str, source: Sequence[Assessment], target: Sequence[Assessment], student: Sequence[Assessment]
    ) -> Evaluation:
        before, teachers, students = (
            torch.cat([each.age for each in part]).double() for part in (source, target, student)
        )
        on = f"by face-api.js's age network, mean over {len(before)} held-out pairs"
        teacher, made = (float((after - before).mean()) for after in (teachers, students))
        evaluation = Evaluation()
        for name, value, whose in (
            ("age_shift_student_years", made, "the student's picture"),
            ("age_shift_teacher_years", teacher, "the teacher's target"),
        ):
            protocol = f"Judged age of {whose} less that of its source, {on}."
            evaluation.metrics[f"{PREFIX}.{name}"] = Metric(value, protocol, "years", judge=judge)
        if abs(teacher) < self.config.min_shift_years:
            evaluation.absent[RATIO] = (
                f"the teacher's target is judged only {teacher:.2f} years older than the source on average "
                f"(min_shift_years is {self.config.min_shift_years:g}), so a ratio would mean nothing"
            )
        else:
            protocol = (
                f"Mean judged age shift of the student divided by the teacher's, {on}. 1 is as much as the teacher."
            )
            evaluation.metrics[RATIO] = Metric(made / teacher, protocol, "share", judge=judge)
        return evaluation

    @classmethod
    def sentences(cls, numbers: Mapping[str, float]) -> Iterator[Sentence]:
        """Say how much older the pictures are judged, as a share of the teacher's."""
        if (shift := numbers.get(RATIO)) is not None:
            yield Sentence(
                f"By a judge of photographs its age shift is **{percent(shift)}** of the teacher's.", rank=51
            )

    @classmethod
    def headlines(cls, numbers: Mapping[str, float]) -> Iterator[Headline]:
        """Show that share."""
        if (shift := numbers.get(RATIO)) is not None:
            yield Headline(percent(shift), "of the teacher's age shift, photographs", 71, RATIO)
