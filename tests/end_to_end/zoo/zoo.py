"""Plugins of every kind of a recipe that are right in all but one answer: `member` names it, `answer` gives it instead.

An answer is an expression of `right` (what the right plugin answers), `self` and `given` (the arguments); `fail(error)`
raises. Where `member` is empty, all answers are right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gdp

GDP_API = 1


class ZooConfig(gdp.Config):
    """Settings of every plugin of the zoo."""

    member: str = ""
    """The member that answers wrongly."""
    answer: str = "right"
    """What it answers."""


def _hook(kind: str, *names: str) -> Any:
    def hook(register: gdp.Register) -> None:
        for name in names:
            stem = "".join(part.title() for part in name.split("-"))
            register(f"zoo-{name}", config=ZooConfig, implementation=f"zoo:make_{stem}", summary="One of the zoo")

    return gdp.hookimpl(hook)


gdp_register_teachers = _hook("teachers", "teacher")
gdp_register_pair_sources = _hook("pair_sources", "source", "taught", "pictured")
gdp_register_filters = _hook("filters", "filter", "scoring", "combining")
gdp_register_students = _hook("students", "student")
gdp_register_losses = _hook("losses", "loss")
gdp_register_evaluators = _hook("evaluators", "evaluator")
gdp_register_datasets = _hook("datasets", "dataset")
gdp_register_stages = _hook("stages", "stage")


def fail(error: BaseException) -> Any:
    """Raise an error inside an expression."""
    raise error


def _odd(base: type[Any], *members: str) -> type[Any]:
    """Return a class that answers as its settings say."""

    def construct(self: Any, config: Any, context: Any) -> None:
        base.__init__(self, config, context)
        if config.member == "__init__":
            _answer(self, None, ())

    def method(name: str) -> Any:
        def ask(self: Any, *given: Any) -> Any:
            right = getattr(base, name)
            if self.config.member != name:
                return right(self, *given)
            return _answer(self, lambda: right(self, *given), given)

        return ask

    def attribute(name: str) -> Any:
        def ask(self: Any) -> Any:
            found = getattr(base, name)
            right = found.fget(self) if isinstance(found, property) else found
            return right if self.config.member != name else _answer(self, lambda: right, ())

        return property(ask)

    body: dict[str, Any] = {"__init__": construct}
    for name in members:
        found = getattr(base, name)
        body[name] = method(name) if callable(found) else attribute(name)
    return type(base)(f"Odd{base.__name__}", (base,), body)


def _answer(self: Any, right: Any, given: tuple[Any, ...]) -> Any:
    import torch

    names = {"self": self, "given": given, "torch": torch, "gdp": gdp, "fail": fail, "nan": float("nan")}
    if "right" in self.config.answer:
        names["right"] = right()
    return eval(self.config.answer, names)


def __getattr__(name: str) -> Any:
    """Make the implementation that is asked for; here torch comes in."""
    if not name.startswith("make_"):
        raise AttributeError(name)
    made = _made(name.removeprefix("make_"))
    globals()[name] = made
    return made


def _made(stem: str) -> type[Any]:
    from gdp.testing.examples import (
        AbsoluteDifference,
        TinyDataset,
        TinyLatentTeacher,
        TinyPairSource,
        TinyStudent,
        pictures,
    )

    class Pictured(TinyPairSource):
        def make(self, indices: Sequence[int]) -> gdp.PairBatch:
            dataset = self.context.dataset
            assert isinstance(dataset, gdp.Dataset)
            source = dataset.images([index % len(dataset) for index in indices]).float() / 127.5 - 1
            records = [gdp.PairRecord(index, 0) for index in indices]
            return gdp.PairBatch(list(indices), source, source.flip(3), records)

    class Plain(gdp.Filter):
        def judge(self, pairs: gdp.PairBatch) -> list[gdp.Verdict]:
            return [gdp.Verdict.keep(x=1) for _ in pairs.indices]

    class Scoring(gdp.ScoringFilter):
        def score(self, pairs: gdp.PairBatch) -> list[gdp.Scores]:
            return [{"x": 1.0} for _ in pairs.indices]

        def decide(self, scores: Mapping[int, gdp.Scores]) -> dict[int, gdp.Verdict]:
            return {index: gdp.Verdict.keep() for index in scores}

    class Combining(gdp.CombiningFilter):
        def decide(self, scores: Mapping[int, Mapping[str, gdp.Scores]]) -> dict[int, gdp.Verdict]:
            return {index: gdp.Verdict.keep() for index in scores}

    class Measure(gdp.Evaluator):
        def evaluate(self, context: gdp.EvaluationContext) -> gdp.Evaluation:
            row = gdp.PictureRow("zoo", {"student": pictures(1)[0]})
            return gdp.Evaluation({"zoo.number": gdp.Metric(1.0, "Counted.")}, rows=[row])

    class Note(gdp.Stage[gdp.Run]):
        def execute(self, run: gdp.Run) -> Mapping[str, Any]:
            return {"noted": 1}

    return {
        "Teacher": lambda: _odd(TinyLatentTeacher, "map", "synthesize", "fingerprint", "resolution", "module", "num_ws",
                                "example_inputs"),
        "Source": lambda: _odd(TinyPairSource, "make", "resolution", "count", "input_channels", "fingerprint",
                               "held_out", "live", "check"),
        "Taught": lambda: _odd(TinyPairSource, "make"),
        "Pictured": lambda: _odd(Pictured, "make"),
        "Filter": lambda: _odd(Plain, "judge", "summary", "check"),
        "Scoring": lambda: _odd(Scoring, "score", "score_stream", "decide", "fingerprint", "score_settings"),
        "Combining": lambda: _odd(Combining, "decide"),
        "Student": lambda: _odd(TinyStudent, "generator", "generate_in_phase", "phases", "initialise",
                                "phase_downscale", "discriminate", "discriminator"),
        "Loss": lambda: _odd(AbsoluteDifference, "generator", "watch", "fit", "discriminator"),
        "Evaluator": lambda: _odd(Measure, "evaluate"),
        "Dataset": lambda: _odd(TinyDataset, "images", "resolution", "__len__"),
        "Stage": lambda: _odd(Note, "key", "execute", "applies", "is_there"),
    }[stem]()  # fmt: skip
