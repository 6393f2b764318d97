"""Numbers that are given to a run, and what evaluators say of all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

import gdp
from gdp.core.run_folder import RunFolder
from gdp.support.metrics_files import GIVEN, finite, read_given_metrics, verdict_document, write_given_metrics


def give(folder: Path, content: str) -> RunFolder:
    (folder / GIVEN).write_text(content)
    return RunFolder(folder)


def test_what_was_given_comes_back_with_its_protocol(tmp_path: Path) -> None:
    metrics = {"size.before.parameters": gdp.Metric(12, "Counted.", "", "lower"), "a.b": gdp.Metric(0.5, "", "share")}
    write_given_metrics(RunFolder(tmp_path), metrics)
    assert read_given_metrics(RunFolder(tmp_path), ["size.student.parameters", "a.bc"]) == metrics


def test_a_run_that_was_given_nothing_has_no_such_numbers(tmp_path: Path) -> None:
    assert read_given_metrics(RunFolder(tmp_path)) == {}


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("null", "holds a NoneType where a dict is due"),
        ("[1]", "holds a list where a dict is due"),
        ('{"a.b": 3}', "a.b holds no number with its protocol"),
        ('{"a": {"value": 3}}', "a is no dotted name of a number"),
        ('{"../b.c": {"value": 3}}', "is no dotted name of a number"),
        ('{"protocols.a": {"value": 3}}', "protocols.a is no dotted name of a number"),
        ('{"a.b": {"protocol": "x"}}', "a.b has no finite number as its value"),
        ('{"a.b": {"value": true}}', "a.b has no finite number as its value"),
        ('{"a.b": {"value": NaN}}', "a.b has no finite number as its value"),
        ('{"a.b": {"value": 1' + "0" * 400 + "}}", "a.b has no finite number as its value"),
        ('{"a.b": {"value": 1, "unit": ["m"]}}', "a protocol, a unit or a better that is no text"),
        ('{"m.n": {"value": 1}}', "m.n cannot be given, for an evaluator of the recipe measures m.n"),
        ('{"m.n.o": {"value": 1}}', "m.n.o cannot be given, for an evaluator of the recipe measures m.n"),
        ('{"x.y": {"value": 1}}', "x.y cannot be given, for an evaluator of the recipe measures x.y.z"),
    ],
)
def test_a_file_that_gives_no_numbers_is_refused_with_what_is_wrong(tmp_path: Path, content: str, wrong: str) -> None:
    with pytest.raises(gdp.CorruptFileError) as caught:
        read_given_metrics(give(tmp_path, content), ["m.n", "x.y.z"])
    assert wrong in str(caught.value)
    assert str(tmp_path / GIVEN) in str(caught.value)


@pytest.mark.parametrize("value", [None, True, "3", [], float("nan"), float("-inf"), 10**400])
def test_only_finite_numbers_count(value: Any) -> None:
    assert finite(value) is None
    assert finite(3) == 3.0


class Talkative(gdp.Evaluator):
    """An evaluator for a test."""

    def evaluate(self, context: gdp.EvaluationContext) -> gdp.Evaluation:
        return gdp.Evaluation()

    @classmethod
    def sentences(cls, numbers: Mapping[str, float]) -> Iterable[gdp.Sentence]:
        return [gdp.Sentence(f"It is {numbers['a.b']:g}.", place="speed and size")]

    @classmethod
    def headlines(cls, numbers: Mapping[str, float]) -> Iterable[gdp.Headline]:
        return [gdp.Headline("1", "of all", rank=3)]


class Silent(gdp.Evaluator):
    """An evaluator that measures and says nothing."""

    def evaluate(self, context: gdp.EvaluationContext) -> gdp.Evaluation:
        return gdp.Evaluation()


class Confused(Talkative):
    """An evaluator whose headlines are none."""

    @classmethod
    def headlines(cls, numbers: Mapping[str, float]) -> Iterable[gdp.Headline]:
        return ["1"]  # type: ignore[list-item]  # the mistake that is tested


def test_evaluators_are_heard_in_turn_and_may_be_silent() -> None:
    document = verdict_document([("talkative", lambda: Talkative), ("silent", lambda: Silent)], {"a.b": 2.0})
    assert json.loads(json.dumps(document)) == {
        "sentences": [{"evaluator": "talkative", "text": "It is 2.", "rank": 100, "place": "speed and size"}],
        "headlines": [{"evaluator": "talkative", "value": "1", "words": "of all", "rank": 3, "number": ""}],
        "failed": [],
    }


def not_there() -> type[gdp.Evaluator]:
    raise gdp.PluginNotFoundError("no evaluator plugin is called that")


@pytest.mark.parametrize(
    ("implementation", "why"),
    [
        (lambda: Talkative, "evaluator broken: failed with KeyError: 'a.b'"),
        (lambda: Confused, "evaluator broken: failed with"),
        (not_there, "no evaluator plugin is called that"),
    ],
)
def test_an_evaluator_that_fails_to_speak_is_named_and_silences_no_other(
    implementation: Callable[[], type[gdp.Evaluator]], why: str
) -> None:
    class Sound(Silent):
        @classmethod
        def sentences(cls, numbers: Mapping[str, float]) -> Iterable[gdp.Sentence]:
            return [gdp.Sentence("All is well.")]

    document = verdict_document([("broken", implementation), ("sound", lambda: Sound)], {"c.d": 1.0})
    assert [sentence["evaluator"] for sentence in document["sentences"]] == ["sound"]
    assert document["headlines"] == []
    (line,) = document["failed"]
    assert line.startswith("what the evaluator broken says of its numbers: ") and why in line
