"""The student on faces that the renderer draws and no training saw, against the same faces truly older."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gdp.core.interfaces.evaluators import Evaluation, EvaluationContext, Evaluator, Metric, PictureRow
from gdp.plugins.evaluators.config import RenderedFacesConfig
from gdp.plugins.evaluators.face_attributes import judge_pairs
from gdp.plugins.evaluators.judged import Judged, add_shift_ratio, agreement, agreement_metrics, mean_shift
from gdp.plugins.evaluators.pairs import absent, spread_out
from gdp.plugins.evaluators.similarity import PSNR_PROTOCOL, psnr_db
from gdp.plugins.faces.attributes import MAX_AGE, MIN_AGE, FaceAttributes, sample_attributes
from gdp.plugins.faces.judge import FaceJudge
from gdp.plugins.faces.renderer import render

PREFIX = "quality.rendered"
NAMES = tuple(f"{PREFIX}.{name}" for name in ("psnr_db", "age_shift_ratio", "attribute_agreement"))
SHIFT_PAIRS = 64
"""Held-out pairs from which the teacher's age shift is taken."""


@dataclass(frozen=True)
class _Pictures:
    """N faces as rendered, truly older, and as the student makes them; each (N, 3, R, R) in [-1, 1]."""

    source: Tensor
    truth: Tensor
    student: Tensor


class RenderedFacesEvaluator(Evaluator):
    """Quality, age shift and kept attributes where the truth is known."""

    config: RenderedFacesConfig

    def evaluate(self, context: EvaluationContext) -> Evaluation:
        """Draw faces, send them through the student, and compare with the same faces rendered older."""
        if context.pair_source.input_channels != 3:
            return absent(NAMES, "the student takes more than one picture, so a single face is no input for it")
        judge = FaceJudge.load()
        years = self.config.years if self.config.years is not None else self._teacher_shift(judge, context)
        if years is None:
            return absent(NAMES, "no pair was held out to tell how many years the teacher adds: set years")
        youngest = max(self.config.min_age, MIN_AGE, MIN_AGE - years)
        oldest = min(self.config.max_age or MAX_AGE, MAX_AGE, MAX_AGE - years)
        if oldest - youngest < 1:
            reason = f"too few ages from {youngest:.0f} years can be rendered {years:.1f} years older"
            return absent(NAMES, f"{reason}: change min_age, max_age or years")
        faces = faces_of_ages(self.config.seed, self.config.count, youngest, oldest)
        pictures = self._pictures(context, faces, years)
        on = (
            f"{len(faces)} faces of the built-in renderer (seed {self.config.seed}, {youngest:.0f} to {oldest:.0f} "
            f"years old), which no training saw; the truth is the same face {years:.1f} years older"
        )
        evaluation = Evaluation(rows=self._rows(faces, pictures))
        self._measure(evaluation, judge, pictures, on)
        evaluation.metrics[f"{PREFIX}.true_shift_years"] = Metric(
            years,
            "Years by which the true older face was rendered older: the recipe's setting, or else the mean judged "
            f"age shift of the teacher on up to {SHIFT_PAIRS} held-out pairs.",
            "years",
        )
        return evaluation

    def _teacher_shift(self, judge: FaceJudge, context: EvaluationContext) -> float | None:
        indices = spread_out(context.held_out, SHIFT_PAIRS)
        if not indices:
            return None
        source, target, _ = judge_pairs(judge, context, indices, self.config.batch)
        return mean_shift(source, target)

    def _pictures(self, context: EvaluationContext, faces: FaceAttributes, years: float) -> _Pictures:
        resolution = context.pair_source.resolution
        source, truth = render(faces, resolution), render(faces.older(years), resolution)
        predictions = []
        with context.progress.task("rendered faces", len(faces), "faces") as task:
            for part in torch.split(source, self.config.batch):
                predictions.append(context.predict(part.to(context.device)).cpu())
                task.advance(len(part))
        return _Pictures(source, truth, torch.cat(predictions))

    def _measure(self, evaluation: Evaluation, judge: FaceJudge, pictures: _Pictures, on: str) -> None:
        for name, images, whose in (
            ("psnr_db", pictures.student, "The student's picture"),
            ("psnr_db_unchanged", pictures.source, "The unchanged source"),
        ):
            protocol = f"{PSNR_PROTOCOL}. {whose} against the true older face; {on}."
            value = float(psnr_db(images, pictures.truth).double().mean())
            evaluation.metrics[f"{PREFIX}.{name}"] = Metric(value, protocol, "dB", "higher")
        source, truth, student = (
            Judged.of([judge.assess(images)]) for images in (pictures.source, pictures.truth, pictures.student)
        )
        shifts = mean_shift(source, student), mean_shift(source, truth)
        add_shift_ratio(evaluation, PREFIX, shifts, "truth", self.config.min_shift_years, on)
        shares = agreement(source, student, self.config.attributes)
        evaluation.metrics |= agreement_metrics(f"{PREFIX}.agreement", shares, "the student's picture", on)
        of_truth = agreement(source, truth, self.config.attributes)
        evaluation.metrics |= agreement_metrics(f"{PREFIX}.truth_agreement", of_truth, "the true older face", on)
        if shares:
            evaluation.metrics[f"{PREFIX}.attribute_agreement"] = Metric(
                min(shares.values()),
                f"The smallest of {PREFIX}.agreement over {', '.join(shares).replace('_', ' ')}; {on}.",
                "share",
                "higher",
            )

    def _rows(self, faces: FaceAttributes, pictures: _Pictures) -> list[PictureRow]:
        rows = []
        for face in spread_out(range(len(faces)), self.config.pictures):
            columns = {
                "source": pictures.source[face],
                "student": pictures.student[face],
                "truth": pictures.truth[face],
            }
            rows.append(PictureRow(f"Rendered faces / face {face}, {float(faces.age[face]):.0f} years", columns))
        return rows


def faces_of_ages(seed: int, count: int, youngest: float, oldest: float) -> FaceAttributes:
    """Draw `count` faces of `seed` with an age in [youngest, oldest] years: the first that there are."""
    parts: list[FaceAttributes] = []
    start = 0
    while sum(map(len, parts)) < count:
        faces = sample_attributes(seed, range(start, start + 4 * count))
        parts.append(faces[(faces.age >= youngest) & (faces.age <= oldest)])
        start += 4 * count
    return FaceAttributes.cat(parts)[:count]
