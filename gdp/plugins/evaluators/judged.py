"""What the judge of faces says of pictures before and after, summed up over many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gdp.core.interfaces.evaluators import Evaluation, Metric
from gdp.plugins.evaluators.config import FaceAttribute
from gdp.plugins.faces.judge import FaceAssessment


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
    words = {"teacher": "the teacher's target", "truth": "the true older face"}[reference]
    evaluation.metrics |= {
        f"{prefix}.age_shift_student_years": Metric(
            student, f"Judged age of the student's picture less that of its source, {judged}.", "years"
        ),
        f"{prefix}.age_shift_{reference}_years": Metric(
            other, f"Judged age of {words} less that of the source, {judged}.", "years"
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
        )
        for name, share in shares.items()
    }
