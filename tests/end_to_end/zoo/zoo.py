"""Plugins of a recipe, right in all but one answer: the setting `member` names it, `answer` is given instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from odd_plugins import answer_of, odd

import gdp

GDP_API = 1


class ZooConfig(gdp.Config):
    """Settings of every plugin of the zoo."""

    member: str = ""
    """The member that answers wrongly."""
    answer: str = "right"
    """What it answers."""


def _hook(kind: str, *names: str, trained: str = "") -> Any:
    def hook(register: gdp.Register) -> None:
        for name in names:
            stem = "".join(part.title() for part in name.split("-"))
            training = ZooConfig if name == trained else None
            place = f"zoo:make_{stem}"
            register(f"zoo-{name}", config=ZooConfig, implementation=place, summary="One of the zoo", training=training)

    return gdp.hookimpl(hook)


gdp_register_teachers = _hook("teachers", "teacher", "translator", "trained", trained="trained")
gdp_register_pair_sources = _hook("pair_sources", "source", "taught", "pictured")
gdp_register_filters = _hook("filters", "filter", "scoring", "combining")
gdp_register_students = _hook("students", "student")
gdp_register_losses = _hook("losses", "loss")
gdp_register_evaluators = _hook("evaluators", "evaluator")
gdp_register_datasets = _hook("datasets", "dataset", "unpaired")
gdp_register_stages = _hook("stages", "stage")


def _wrong(plugin: Any) -> tuple[str, str]:
    return plugin.config.member, plugin.config.answer


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
        TinyTranslatorTeacher,
        TinyUnpairedDataset,
        pictures,
    )

    class Pictured(TinyPairSource):
        def make(self, indices: Sequence[int]) -> gdp.PairBatch:
            dataset = self.context.dataset
            assert isinstance(dataset, gdp.Dataset)
            source = dataset.images([index % len(dataset) for index in indices]).float() / 127.5 - 1
            records = [gdp.PairRecord(index, 0) for index in indices]
            return gdp.PairBatch(list(indices), source, source.flip(3), records)

    class Trained(TinyLatentTeacher):
        @classmethod
        def train(cls, config: Any, images: Any, folder: Path, progress: gdp.Progress) -> Any:
            weights = folder / "weights"
            folder.mkdir(parents=True, exist_ok=True)
            weights.write_text(config.model_dump_json())
            return answer_of(config, "train", weights)

        @classmethod
        def trained_settings(cls, weights: Path) -> Any:
            return answer_of(ZooConfig.model_validate_json(weights.read_text()), "trained_settings", {})

        @classmethod
        def untrained(cls, config: Any, training: Any, context: gdp.BuildContext) -> Any:
            return answer_of(training, "untrained", cls(config, context))

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
        "Teacher": lambda: odd(TinyLatentTeacher, _wrong, "map", "synthesize", "fingerprint", "resolution", "module",
                               "num_ws", "example_inputs", "weights_licence", "shows"),
        "Translator": lambda: odd(TinyTranslatorTeacher, _wrong, "translate", "opposite", "discriminators", "module",
                                  "resolution", "fingerprint"),
        "Trained": lambda: Trained,
        "Unpaired": lambda: odd(TinyUnpairedDataset, _wrong, "images", "count", "resolution", "fingerprint", "name",
                                "shows"),
        "Source": lambda: odd(TinyPairSource, _wrong, "make", "resolution", "count", "input_channels", "fingerprint",
                               "held_out", "live", "check"),
        "Taught": lambda: odd(TinyPairSource, _wrong, "make"),
        "Pictured": lambda: odd(Pictured, _wrong, "make"),
        "Filter": lambda: odd(Plain, _wrong, "judge", "summary", "check"),
        "Scoring": lambda: odd(Scoring, _wrong, "score", "score_stream", "decide", "fingerprint", "score_settings"),
        "Combining": lambda: odd(Combining, _wrong, "decide"),
        "Student": lambda: odd(TinyStudent, _wrong, "generator", "generate_in_phase", "phases", "initialise",
                                "phase_downscale", "discriminate", "discriminator"),
        "Loss": lambda: odd(AbsoluteDifference, _wrong, "generator", "watch", "fit", "discriminator"),
        "Evaluator": lambda: odd(Measure, _wrong, "evaluate"),
        "Dataset": lambda: odd(TinyDataset, _wrong, "images", "resolution", "__len__"),
        "Stage": lambda: odd(Note, _wrong, "key", "execute", "applies", "is_there"),
    }[stem]()  # fmt: skip
