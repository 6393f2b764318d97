"""What the judge of faces says of pictures before and after, summed up over many.

What the built-in judge of faces says of held-out pairs: the age shift, and what must not change.

The student on faces that the renderer draws and no training saw, against the same faces truly older.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gdp import Evaluation, EvaluationContext, Evaluator, Headline, Metric, PictureRow, Sentence
from gdp.plugins.evaluators import FaceAttribute, FaceAttributesConfig, RenderedFacesConfig
from gdp.plugins.evaluators.held_out import (
    NO_HELD_OUT,
    absent,
    gain_headlines,
    gain_metric,
    gain_sentences,
    one_by_one,
    picture_row,
    spread_out,
    unchanged,
)
from gdp.plugins.evaluators.similarity import PSNR_PROTOCOL, psnr_db
from gdp.plugins.faces.attributes import MAX_AGE, MIN_AGE, FaceAttributes, sample_attributes
from gdp.plugins.faces.judge import FaceAssessment, FaceJudge, builtin_fingerprint
from gdp.plugins.faces.renderer import render
from gdp.toolbox import EVALUATED_BYTES_A_PIXEL, percent


@dataclass(frozen=True)
class Judged:
    """The judge's answers on N pictures, one answer each instead of probabilities."""

    age: Tensor
    """Years, (N,)."""
    face: Tensor
    """Whether there is a face, (N,) bool."""
    attributes: dict[FaceAttribute, Tensor]
    """Name to class number, (N,): glasses and smile 0 or 1, hair length 0 to 2, skin 0 to 3."""

    @classmethod
    def of(cls, assessments: Iterable[FaceAssessment]) -> Judged:
        """Take the likeliest answer of each assessment (a probability of one half and more is a yes)."""
        parts = list(assessments)
        return cls(
            age=torch.cat([part.age for part in parts]).double().cpu(),
            face=torch.cat([part.face for part in parts]).cpu() >= 0.5,
            attributes={
                "glasses": torch.cat([part.glasses for part in parts]).cpu().ge(0.5).long(),
                "smile": torch.cat([part.smile for part in parts]).cpu().ge(0.5).long(),
                "hair_length": torch.cat([part.hair_length for part in parts]).cpu().argmax(dim=1),
                "skin": torch.cat([part.skin for part in parts]).cpu().argmax(dim=1),
            },
        )


def mean_shift(before: Judged, after: Judged) -> float:
    """Return by how many years the judged age grew, on average."""
    return float((after.age - before.age).mean())


def agreement(before: Judged, after: Judged, names: Sequence[FaceAttribute]) -> dict[FaceAttribute, float]:
    """Return the share of pictures, in [0, 1], on which the judge gives the same answer before and after."""
    return {
        name: float(before.attributes[name].eq(after.attributes[name]).double().mean()) for name in dict.fromkeys(names)
    }


def add_shift_ratio(
    evaluation: Evaluation, prefix: str, shifts: tuple[float, float], reference: str, smallest: float, on: str
) -> None:
    """Add the mean age shifts of the student and of what it is held against, and their ratio.

    Args:
        evaluation: gets the numbers.
        prefix: beginning of their names.
        shifts: mean years of the student and of the reference.
        reference: `teacher` or `truth`.
        smallest: size of the reference's shift, in years, below which a ratio would mean nothing.
        on: on which pictures, for the protocol.
    """
    student, other = shifts
    judged = f"by the built-in judge of faces, mean over {on}"
    judge = builtin_fingerprint()
    words = {"teacher": "the teacher's target", "truth": "the true older face"}[reference]
    evaluation.metrics |= {
        f"{prefix}.age_shift_student_years": Metric(
            student, f"Judged age of the student's picture less that of its source, {judged}.", "years", judge=judge
        ),
        f"{prefix}.age_shift_{reference}_years": Metric(
            other, f"Judged age of {words} less that of the source, {judged}.", "years", judge=judge
        ),
    }
    if abs(other) < smallest:
        evaluation.absent[f"{prefix}.age_shift_ratio"] = (
            f"{words} is judged only {other:.2f} years older than the source on average (min_shift_years is "
            f"{smallest:g}), so a ratio would mean nothing"
        )
        return
    evaluation.metrics[f"{prefix}.age_shift_ratio"] = Metric(
        student / other,
        f"Mean judged age shift of the student divided by that of {words}, {judged}. 1 is as much as the reference.",
        "share",
        judge=judge,
    )


def agreement_metrics(prefix: str, shares: dict[FaceAttribute, float], whose: str, on: str) -> dict[str, Metric]:
    """Return `<prefix>.<attribute>` for each attribute that must not change."""
    return {
        f"{prefix}.{name}": Metric(
            share,
            f"Share of pictures on which the built-in judge gives {name.replace('_', ' ')} the same class in the "
            f"source and in {whose}; {on}.",
            "share",
            "higher",
            builtin_fingerprint(),
        )
        for name, share in shares.items()
    }


def _in_years(numbers: Mapping[str, float], name: str) -> str:
    """Return how many years a shift is, in brackets; empty where that is not known."""
    years = numbers.get(name)
    return "" if years is None else f" ({years:.1f} years)".replace("-", "\u2212")


HELD_OUT = "quality.held_out"


class FaceAttributesEvaluator(Evaluator):
    """Judges source, target and the student's picture of each held-out pair.

    The judge knows the built-in renderer's faces and what a generator makes of them; not photographs.
    """

    config: FaceAttributesConfig

    def evaluate(self, context: EvaluationContext) -> Evaluation:
        """Judge the held-out pairs; pictures in which the judge sees no face count like the others."""
        indices = spread_out(context.held_out, self.config.count or len(context.held_out))
        if not indices:
            return absent([f"{HELD_OUT}.age_shift_ratio"], NO_HELD_OUT)
        source, target, prediction = judge_pairs(FaceJudge.load(), context, indices, self.config.batch)
        on = f"{len(indices)} held-out pairs"
        evaluation = Evaluation()
        shifts = mean_shift(source, prediction), mean_shift(source, target)
        add_shift_ratio(evaluation, HELD_OUT, shifts, "teacher", self.config.min_shift_years, on)
        for after, prefix, whose in (
            (prediction, f"{HELD_OUT}.agreement", "the student's picture"),
            (target, f"{HELD_OUT}.teacher_agreement", "the teacher's target"),
        ):
            shares = agreement(source, after, self.config.attributes)
            evaluation.metrics |= agreement_metrics(prefix, shares, whose, on)
        evaluation.metrics[f"{HELD_OUT}.face_found"] = Metric(
            float(prediction.face.double().mean()),
            f"Share of the student's pictures in which the built-in judge sees a face, {on}; of the teacher's targets "
            f"it is {float(target.face.double().mean()):.4f}.",
            "share",
            "higher",
            builtin_fingerprint(),
        )
        return evaluation

    @classmethod
    def sentences(cls, numbers: Mapping[str, float]) -> Iterator[Sentence]:
        """Say how much older the pictures are judged, as a share of the teacher's."""
        if (shift := numbers.get(f"{HELD_OUT}.age_shift_ratio")) is not None:
            years = _in_years(numbers, f"{HELD_OUT}.age_shift_teacher_years")
            yield Sentence(f"Its judged age shift is **{percent(shift)}** of the teacher's{years}.", rank=50)

    @classmethod
    def headlines(cls, numbers: Mapping[str, float]) -> Iterator[Headline]:
        """Show that share."""
        if (shift := numbers.get(f"{HELD_OUT}.age_shift_ratio")) is not None:
            yield Headline(percent(shift), "of the teacher's age shift", 70, f"{HELD_OUT}.age_shift_ratio")


def judge_pairs(
    judge: FaceJudge, context: EvaluationContext, indices: Sequence[int], size: int
) -> tuple[Judged, Judged, Judged]:
    """Judge the source, the target and the student's picture of each pair."""
    parts: tuple[list[FaceAssessment], ...] = ([], [], [])
    for pairs in context.batches("judged pairs", indices, size):
        source = pairs.source.to(context.device)
        for part, images in zip(parts, (unchanged(source), pairs.target, context.predict(source)), strict=True):
            part.extend(assess_each(judge, images.to(context.device)))
    source_judged, target_judged, predicted = (Judged.of(part) for part in parts)
    return source_judged, target_judged, predicted


def assess_each(judge: FaceJudge, images: Tensor) -> list[FaceAssessment]:
    """Assess pictures (N, 3, H, W), each by itself: an answer does not depend on what else is looked at."""
    return [judge.assess(image) for image in torch.split(images, 1)]


RENDERED = "quality.rendered"
RENDERED_NAMES = tuple(
    f"{RENDERED}.{name}" for name in ("psnr_db", "psnr_db_gain", "age_shift_ratio", "attribute_agreement")
)
SHIFT_PAIRS = 64
"""Held-out pairs from which the teacher's age shift is taken."""


@dataclass
class _Rendered:
    """What is found on rendered faces, one number or assessment a face: as drawn, truly older, and the student's."""

    psnr: list[Tensor] = field(default_factory=list)
    psnr_unchanged: list[Tensor] = field(default_factory=list)
    source: list[FaceAssessment] = field(default_factory=list)
    truth: list[FaceAssessment] = field(default_factory=list)
    student: list[FaceAssessment] = field(default_factory=list)
    rows: list[PictureRow] = field(default_factory=list)


class RenderedFacesEvaluator(Evaluator):
    """Quality, age shift and kept attributes where the truth is known."""

    config: RenderedFacesConfig

    def evaluate(self, context: EvaluationContext) -> Evaluation:
        """Draw faces, send them through the student, and compare with the same faces rendered older."""
        if context.pair_source.input_channels != 3:
            return absent(
                RENDERED_NAMES, "the student takes more than one picture, so a single face is no input for it"
            )
        judge = FaceJudge.load()
        years = self.config.years if self.config.years is not None else self._teacher_shift(judge, context)
        if years is None:
            return absent(RENDERED_NAMES, "no pair was held out to tell how many years the teacher adds: set years")
        youngest = max(self.config.min_age, MIN_AGE, MIN_AGE - years)
        oldest = min(self.config.max_age or MAX_AGE, MAX_AGE, MAX_AGE - years)
        if oldest - youngest < 1:
            reason = f"too few ages from {youngest:.0f} years can be rendered {years:.1f} years older"
            return absent(RENDERED_NAMES, f"{reason}: change min_age, max_age or years")
        faces = faces_of_ages(self.config.seed, self.config.count, youngest, oldest)
        found = self._look(context, judge, faces, years)
        on = (
            f"{len(faces)} faces of the built-in renderer (seed {self.config.seed}, {youngest:.0f} to {oldest:.0f} "
            f"years old), which no training saw; the truth is the same face {years:.1f} years older"
        )
        evaluation = Evaluation(rows=found.rows)
        self._measure(evaluation, found, on)
        evaluation.metrics[f"{RENDERED}.true_shift_years"] = Metric(
            years,
            "Years by which the true older face was rendered older: the recipe's setting, or else the mean judged "
            f"age shift of the teacher on up to {SHIFT_PAIRS} held-out pairs.",
            "years",
            judge="" if self.config.years is not None else builtin_fingerprint(),
        )
        return evaluation

    @classmethod
    def sentences(cls, numbers: Mapping[str, float]) -> Iterator[Sentence]:
        """Say how the student does where the truth is known."""
        yield from gain_sentences(numbers, RENDERED, "On rendered faces that no training saw")
        shift, kept = (numbers.get(f"{RENDERED}.{name}") for name in ("age_shift_ratio", "attribute_agreement"))
        if shift is None:
            return
        text = f"On rendered faces the judged age shift is **{percent(shift)}** of the true one"
        text += _in_years(numbers, f"{RENDERED}.age_shift_truth_years")
        if kept is not None:
            least = "all of them" if kept >= 1 else f"at least {percent(kept)}"
            text += f", and every attribute that must not change agrees on {least}"
        yield Sentence(f"{text}.", rank=80)

    @classmethod
    def headlines(cls, numbers: Mapping[str, float]) -> Iterator[Headline]:
        """Show what is gained over doing nothing, the age shift, and the attribute that is kept least."""
        yield from gain_headlines(numbers, RENDERED)
        if (shift := numbers.get(f"{RENDERED}.age_shift_ratio")) is not None:
            yield Headline(percent(shift), "of the true age shift, rendered faces", 75, f"{RENDERED}.age_shift_ratio")
        if (kept := numbers.get(f"{RENDERED}.attribute_agreement")) is not None:
            words = "keep an attribute, the worst; rendered faces"
            yield Headline(percent(kept), words, 80, f"{RENDERED}.attribute_agreement")

    def _teacher_shift(self, judge: FaceJudge, context: EvaluationContext) -> float | None:
        indices = spread_out(context.held_out, SHIFT_PAIRS)
        if not indices:
            return None
        source, target, _ = judge_pairs(judge, context, indices, self.config.batch)
        return mean_shift(source, target)

    def _look(self, context: EvaluationContext, judge: FaceJudge, faces: FaceAttributes, years: float) -> _Rendered:
        """Draw faces, as many at a time as the memory holds, and note what is found on them."""
        resolution, found = context.pair_source.resolution, _Rendered()
        shown, size = set(spread_out(range(len(faces)), self.config.pictures)), (resolution, resolution)
        together = context.memory.pictures_together(size, self.config.batch, bytes_a_pixel=EVALUATED_BYTES_A_PIXEL)
        with context.progress.task("rendered faces", len(faces), "faces") as task:
            for start in range(0, len(faces), together):
                some = faces[start : start + together]
                source, truth = render(some, resolution), render(some.older(years), resolution)
                student = context.predict(source.to(context.device)).cpu()
                found.psnr.append(one_by_one(psnr_db, student, truth))
                found.psnr_unchanged.append(one_by_one(psnr_db, source, truth))
                found.source += assess_each(judge, source)
                found.truth += assess_each(judge, truth)
                found.student += assess_each(judge, student)
                for row in sorted(shown & set(range(start, start + len(some)))):
                    columns = {"source": source, "student": student, "truth": truth}
                    title = f"Rendered faces / face {row}, {float(faces.age[row]):.0f} years"
                    found.rows.append(picture_row(title, {name: each[row - start] for name, each in columns.items()}))
                task.advance(len(some))
        return found

    def _measure(self, evaluation: Evaluation, found: _Rendered, on: str) -> None:
        for name, values, whose in (
            ("psnr_db", found.psnr, "The student's picture"),
            ("psnr_db_unchanged", found.psnr_unchanged, "The unchanged source"),
        ):
            protocol = f"{PSNR_PROTOCOL}. {whose} against the true older face; {on}."
            value = float(torch.cat(values).double().mean())
            evaluation.metrics[f"{RENDERED}.{name}"] = Metric(value, protocol, "dB", "higher")
        evaluation.metrics[f"{RENDERED}.psnr_db_gain"] = gain_metric(RENDERED, evaluation.metrics)
        source, truth, student = (Judged.of(each) for each in (found.source, found.truth, found.student))
        shifts = mean_shift(source, student), mean_shift(source, truth)
        add_shift_ratio(evaluation, RENDERED, shifts, "truth", self.config.min_shift_years, on)
        shares = agreement(source, student, self.config.attributes)
        evaluation.metrics |= agreement_metrics(f"{RENDERED}.agreement", shares, "the student's picture", on)
        of_truth = agreement(source, truth, self.config.attributes)
        evaluation.metrics |= agreement_metrics(f"{RENDERED}.truth_agreement", of_truth, "the true older face", on)
        if shares:
            evaluation.metrics[f"{RENDERED}.attribute_agreement"] = Metric(
                min(shares.values()),
                f"The smallest of {RENDERED}.agreement over {', '.join(shares).replace('_', ' ')}; {on}.",
                "share",
                "higher",
                builtin_fingerprint(),
            )


def faces_of_ages(seed: int, count: int, youngest: float, oldest: float) -> FaceAttributes:
    """Draw `count` faces of `seed` with an age in [youngest, oldest] years: the first that there are."""
    parts: list[FaceAttributes] = []
    start = 0
    while sum(map(len, parts)) < count:
        faces = sample_attributes(seed, range(start, start + 4 * count))
        parts.append(faces[(faces.age >= youngest) & (faces.age <= oldest)])
        start += 4 * count
    return FaceAttributes.cat(parts)[:count]
