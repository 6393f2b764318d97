"""Measurements of translators: there and back, and against the truth of scenes.

There and back: what the teacher's way back makes of the student's pictures, against the source.

A translator's student and its teacher against the true counterpart, where a dataset of two domains knows it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import torch
from torch import Tensor, nn

from gdp import (
    Evaluation,
    EvaluationContext,
    Evaluator,
    Headline,
    Metric,
    PairRecord,
    Part,
    Sentence,
    TranslatorTeacher,
    UnpairedDataset,
)
from gdp.plugins.evaluators import CycleConfig, UnpairedTruthConfig
from gdp.plugins.evaluators.held_out import (
    GAIN,
    NO_HELD_OUT,
    absent,
    add_rows,
    gain_headlines,
    gain_metric,
    gain_sentences,
    one_by_one,
    spread_out,
    unchanged,
)
from gdp.plugins.evaluators.similarity import MEASURES
from gdp.toolbox import from_levels, plain, with_unit

CYCLE = "quality.cycle"
CYCLE_NAMES = (f"{CYCLE}.l1_student", f"{CYCLE}.l1_teacher")

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
            return absent(CYCLE_NAMES, NO_TRANSLATOR)
        back = context.teacher.opposite
        if back is None:
            return absent(CYCLE_NAMES, NO_WAY_BACK)
        indices = spread_out(context.held_out, self.config.count or len(context.held_out))
        if not indices:
            return absent(CYCLE_NAMES, NO_HELD_OUT)
        shown = set(spread_out(indices, self.config.pictures))
        values: dict[str, list[Tensor]] = {"student": [], "teacher": []}
        evaluation = Evaluation()
        for pairs in context.batches("there and back", indices, self.config.batch):
            source = pairs.source.to(context.device)
            prediction = context.predict(source)
            rebuilt = _translate(back, prediction)
            values["student"].append(_difference(rebuilt, source))
            values["teacher"].append(_difference(_translate(back, pairs.target.to(context.device)), source))
            titles = [f"There and back / pair {index}" for index in pairs.indices]
            columns = {"source": unchanged(source), "student": prediction, "reconstruction": rebuilt}
            add_rows(evaluation, pairs.indices, shown, titles, **columns)
        evaluation.metrics = {
            f"{CYCLE}.l1_{whose}": _metric(whose, float(torch.cat(parts).mean()), len(indices))
            for whose, parts in values.items()
        }
        return evaluation

    @classmethod
    def sentences(cls, numbers: Mapping[str, float]) -> Iterator[Sentence]:
        """Say how near the way back comes to the sources, from the student's pictures and from the teacher's."""
        student, teacher = (numbers.get(name) for name in CYCLE_NAMES)
        if student is not None and teacher is not None:
            yield Sentence(
                f"Translated back, its pictures come within an L1 of {plain(student, 3)} of their sources, the "
                f"teacher's own within {plain(teacher, 3)}.",
                rank=70,
            )


@torch.no_grad()
def _translate(back: nn.Module, images: Tensor) -> Tensor:
    """Translate (N, 3, H, W) in [-1, 1] to the source's domain."""
    return torch.cat([back(image) for image in torch.split(images, 1)]).clamp(-1, 1)


def _difference(rebuilt: Tensor, source: Tensor) -> Tensor:
    """Mean absolute difference of each picture, (N,)."""
    return one_by_one(MEASURES["l1"].of, rebuilt, unchanged(source)).double().cpu()


def _metric(whose: str, value: float, count: int) -> Metric:
    return Metric(
        value,
        f"{MEASURES['l1'].protocol}, mean over {count} held-out pictures: the source against what the teacher's "
        f"generator of the way back makes of the {whose}'s picture.",
        "",
        "lower",
    )


TRUTH = "quality.truth"
BELOW_TEACHER = f"{TRUTH}.psnr_db_below_teacher"
TRUTH_NAMES = (*(f"{TRUTH}.{name}" for name in MEASURES), f"{TRUTH}.{GAIN}", BELOW_TEACHER)

NO_DATASET = "the recipe has no [dataset] of two domains, which alone can know the true counterparts"
NO_PLACE = (
    "the pairs do not say which picture of the dataset their source is: the true counterpart is found for pairs of the "
    "source `translate`"
)
NO_TRUTH = "nobody knows the true counterparts of this dataset's pictures; those of rendered-scenes are known"

Place = tuple[Part, int]
"""Part of the dataset, and number in it."""


class UnpairedTruthEvaluator(Evaluator):
    """PSNR, SSIM and L1 to the truth: of the student, of its teacher, and of the unchanged source.

    Nothing was ever trained on the truth. The teacher's picture is the stored target.
    """

    config: UnpairedTruthConfig

    def evaluate(self, context: EvaluationContext) -> Evaluation:
        """Measure on the held-out pairs, each picture by itself, then average."""
        dataset = self.context.dataset
        if not isinstance(dataset, UnpairedDataset):
            return absent(TRUTH_NAMES, NO_DATASET)
        indices = spread_out(context.held_out, self.config.count or len(context.held_out))
        if not indices:
            return absent(TRUTH_NAMES, NO_HELD_OUT)
        shown = set(spread_out(indices, self.config.pictures))
        columns: dict[str, list[Tensor]] = defaultdict(list)
        evaluation = Evaluation()
        for pairs in context.batches("true counterparts", indices, self.config.batch):
            places = _places(pairs.records)
            truth = None if places is None else _truth(dataset, places)
            if places is None or truth is None:
                return absent(TRUTH_NAMES, NO_PLACE if places is None else NO_TRUTH)
            prediction = context.predict(pairs.source.to(context.device)).cpu()
            compared = {"": prediction, "teacher_": pairs.target, "_unchanged": unchanged(pairs.source)}
            for name, measured in _compare(compared, truth).items():
                columns[name].append(measured)
            titles = [f"Beside the true counterpart / {dataset.name(*place)}" for place in places]
            pictures = {"source": compared["_unchanged"], "teacher": pairs.target, "student": prediction}
            add_rows(evaluation, pairs.indices, shown, titles, **pictures, truth=truth)
        values = {name: float(torch.cat(parts).mean()) for name, parts in columns.items()}
        evaluation.metrics = _metrics(values, len(indices))
        return evaluation

    @classmethod
    def sentences(cls, numbers: Mapping[str, float]) -> Iterator[Sentence]:
        """Say how near student and teacher come to the truth."""
        yield from gain_sentences(numbers, TRUTH, "On held-out pictures")
        student, teacher = (numbers.get(f"{TRUTH}.{name}") for name in ("psnr_db", "teacher_psnr_db"))
        if student is None or teacher is None:
            return
        side = "above" if student >= teacher else "below"
        yield Sentence(
            f"Against the truth, which no training saw, its pictures reach {with_unit(student, 'dB')}: "
            f"**{with_unit(abs(student - teacher), 'dB')} {side}** the teacher's {with_unit(teacher, 'dB')}.",
            rank=60,
        )

    @classmethod
    def headlines(cls, numbers: Mapping[str, float]) -> Iterator[Headline]:
        """Show what is gained over doing nothing, and how far the student is from its teacher, to the truth."""
        yield from gain_headlines(numbers, TRUTH)
        if (below := numbers.get(BELOW_TEACHER)) is not None:
            side = "above" if below <= 0 else "below"
            yield Headline(with_unit(abs(below), "dB"), f"{side} the teacher, to the truth", 50, BELOW_TEACHER)


def _places(records: Sequence[PairRecord]) -> list[Place] | None:
    """Return where in the dataset the sources of pairs are; None where a record does not say."""
    places: list[Place] = []
    for record in records:
        part, number = record.edit.get("part"), record.edit.get("number")
        if part not in ("trainA", "trainB", "testA", "testB") or not isinstance(number, int):
            return None
        places.append((part, number))
    return places


def _truth(dataset: UnpairedDataset, places: Sequence[Place]) -> Tensor | None:
    """Return the true counterparts (N, 3, R, R) in [-1, 1]; None where the dataset does not know them."""
    pictures = []
    for part, group in groupby(places, key=lambda place: place[0]):
        known = dataset.truth(part, [number for _, number in group])
        if known is None:
            return None
        pictures.append(known)
    return from_levels(torch.cat(pictures))


def _compare(compared: dict[str, Tensor], truth: Tensor) -> dict[str, Tensor]:
    """Measure each picture, (N,), of everybody's pictures (N, 3, H, W) in [-1, 1]."""
    return {
        _name(whose, name): one_by_one(measure.of, pictures, truth).double()
        for whose, pictures in compared.items()
        for name, measure in MEASURES.items()
    }


def _name(whose: str, measure: str) -> str:
    return f"{whose}{measure}" if whose.endswith("_") else f"{measure}{whose}"


def _metrics(values: dict[str, float], count: int) -> dict[str, Metric]:
    on = (
        f"{count} held-out pictures of the dataset, against the true counterpart in the other domain, which no "
        f"training saw"
    )
    words = {
        "": "The student's picture",
        "teacher_": "The teacher's picture as stored (8 bits)",
        "_unchanged": "The unchanged source",
    }
    metrics = {}
    for name, measure in MEASURES.items():
        for whose, picture in words.items():
            better = "" if whose == "_unchanged" else measure.better
            called = _name(whose, name)
            protocol = f"{measure.protocol}. {picture}; {on}."
            metrics[f"{TRUTH}.{called}"] = Metric(values[called], protocol, measure.unit, better)
    metrics[f"{TRUTH}.{GAIN}"] = gain_metric(TRUTH, metrics)
    metrics[BELOW_TEACHER] = Metric(
        values["teacher_psnr_db"] - values["psnr_db"],
        f"{TRUTH}.teacher_psnr_db less {TRUTH}.psnr_db; below 0 the student is nearer to the truth than its teacher.",
        "dB",
        "lower",
    )
    metrics[f"{TRUTH}.count"] = Metric(count, "Held-out pictures that these numbers were measured on.")
    return metrics
