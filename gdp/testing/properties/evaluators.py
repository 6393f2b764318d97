"""What evaluators promise: numbers with their protocol, and a student that is left as it was."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, get_args

import torch
from torch import Tensor

from gdp.core.interfaces.evaluators import Evaluation, EvaluationContext, Evaluator, Headline, Place, Sentence
from gdp.core.interfaces.students import Student
from gdp.core.pairs.records import PairBatch
from gdp.core.pictures import from_levels
from gdp.core.progress import SilentProgress
from gdp.testing.examples import TinyPairSource, part_of
from gdp.testing.findings import fail, require, require_pictures, require_same
from gdp.testing.subject import SEED, Subject

PLACES: tuple[str, ...] = get_args(Place)
_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")


def exercise(subject: Subject, evaluator: Evaluator) -> Any:
    """Measure the world's student; numbers that were announced to vary are left out."""
    found = evaluator.evaluate(_context(subject, _student(subject)))
    numbers = {name: metric.value for name, metric in found.metrics.items() if not subject.varies(name)}
    return numbers, sorted(found.absent), [row.pictures for row in found.rows]


def _student(subject: Subject) -> Student:
    student = subject.world.student(subject.context(seed=SEED))
    student.initialise(subject.world.teacher)
    student.generator.eval().requires_grad_(False)
    return student


def _context(subject: Subject, student: Student) -> EvaluationContext:
    pairs = subject.world.pairs
    place = {index: position for position, index in enumerate(pairs.indices)}

    @torch.no_grad()
    def predict(images: Tensor) -> Tensor:
        predicted: Tensor = student.generator(images)
        return predicted.clamp(-1, 1)

    def load(indices: Sequence[int]) -> PairBatch:
        return part_of(pairs, [place[index] for index in indices])

    return EvaluationContext(
        student=student,
        predict=predict,
        teacher=subject.world.teacher,
        pair_source=TinyPairSource(None, subject.context()),
        held_out=list(pairs.indices),
        load=load,
        seed=SEED,
        device=torch.device("cpu"),
        progress=SilentProgress(),
    )


def _evaluate(subject: Subject) -> Evaluation:
    evaluator: Evaluator = subject.build()
    found = evaluator.evaluate(_context(subject, _student(subject)))
    require(isinstance(found, Evaluation), f"evaluate returned a {type(found).__name__}", "return a gdp.Evaluation")
    return found


def every_number_has_its_protocol(subject: Subject) -> None:
    """Numbers have dotted names, are plain numbers, and say how they were measured; what could not be had says why."""
    found = _evaluate(subject)
    require(
        bool(found.metrics or found.absent), "it measured nothing and said of nothing why", "fill metrics or absent"
    )
    for name, metric in found.metrics.items():
        require(
            _NAME.fullmatch(name) is not None, f"a number is called {name!r}", "name it like quality.held_out.psnr_db"
        )
        require(
            type(metric.value) in (int, float), f"{name} is a {type(metric.value).__name__}", "convert with float()"
        )
        require(bool(metric.protocol.strip()), f"{name} has no protocol", "say on what, how many, by which formula")
        require(metric.better in ("", "higher", "lower"), f"{name}.better is {metric.better!r}", "higher, lower or ''")
    for name, reason in found.absent.items():
        require(bool(reason.strip()), f"{name} is absent without a reason", "say why, and what would mend it")


def its_pictures_fit_the_report(subject: Subject) -> None:
    """Rows of pictures are (3, H, W), floats in [-1, 1] or uint8 levels."""
    for row in _evaluate(subject).rows:
        for column, picture in row.pictures.items():
            shown = from_levels(picture) if picture.dtype == torch.uint8 else picture
            require_pictures(shown, (3, None, None), f"{row.title}, {column}")


def its_words_fit_its_numbers(subject: Subject) -> None:
    """Sentences and headlines are made by the class from the numbers alone, and none where there are no numbers."""
    evaluator: type[Evaluator] = type(subject.build())
    numbers = {name: float(metric.value) for name, metric in _evaluate(subject).metrics.items()}
    for sentence in evaluator.sentences(numbers):
        _require_sentence(sentence)
    for headline in evaluator.headlines(numbers):
        require(isinstance(headline, Headline), f"headlines gave a {type(headline).__name__}", "give gdp.Headline(...)")
        require(bool(headline.value.strip() and headline.words.strip()), f"{headline} is empty", "fill value and words")
    said = [*evaluator.sentences({}), *evaluator.headlines({})]
    require(not said, f"it said {said[:1]} of numbers that are not there", "ask for its numbers with numbers.get")


def _require_sentence(sentence: object) -> None:
    if not isinstance(sentence, Sentence):
        fail(f"sentences gave a {type(sentence).__name__}", "give gdp.Sentence(text)")
    text = sentence.text
    require(text.strip().endswith("."), f"{text!r} is no sentence", "end it with a full stop")
    require(text.count("**") % 2 == 0, f"{text!r} has a ** without another", "put one on both sides")
    require(sentence.place in PLACES, f"there is no place {sentence.place!r}", f"one of {', '.join(PLACES)}")


def the_student_is_left_as_it_was(subject: Subject) -> None:
    """The student's weights and mode are the same after measuring."""
    student = _student(subject)
    before = {name: tensor.clone() for name, tensor in student.generator.state_dict().items()}
    subject.build().evaluate(_context(subject, student))
    mend = "measure with context.predict; work on a copy of the network if it must change"
    require_same(before, dict(student.generator.state_dict()), "the student's weights changed", mend)
    require(not student.generator.training, "the student was left in training mode", mend)


PROPERTIES = (
    every_number_has_its_protocol,
    its_words_fit_its_numbers,
    its_pictures_fit_the_report,
    the_student_is_left_as_it_was,
)
