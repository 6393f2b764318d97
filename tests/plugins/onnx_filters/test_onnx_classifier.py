from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from onnx_files import plain, write_model
from pydantic import ValidationError

from gdp.core.errors import ShapeError
from gdp.core.interfaces.context import BuildContext
from gdp.core.pairs import PairBatch, PairRecord, Scores
from gdp.plugins.onnx_filters.classifier import OnnxClassifierFilter
from gdp.plugins.onnx_filters.config import Head, OnnxClassifierConfig

BINS = [[0, 2], [3, 9], [10, 19], [20, 29], [70]]


def one_hot(*positions: int, count: int) -> torch.Tensor:
    """Weights (3, count): red raises the first of the numbers, green the second, blue the third."""
    weights = torch.zeros(3, count)
    for colour, position in enumerate(positions):
        weights[colour, position] = 0.1
    return weights


def pairs_of(source: torch.Tensor, target: torch.Tensor) -> PairBatch:
    indices = list(range(len(source)))
    return PairBatch(indices, source, target, [PairRecord(index=index, seed=0) for index in indices])


def classifier(**settings: Any) -> OnnxClassifierFilter:
    return OnnxClassifierFilter(OnnxClassifierConfig.model_validate(settings), BuildContext())


def decisions(judge: OnnxClassifierFilter, scores: list[Scores]) -> list[tuple[str, str | None]]:
    verdicts = judge.decide(dict(enumerate(scores)))
    return [(verdicts[index].decision, verdicts[index].reason) for index in range(len(scores))]


RED, GREEN, BLUE = (255.0, 0.0, 0.0), (0.0, 255.0, 0.0), (0.0, 0.0, 255.0)


@pytest.fixture
def ages(tmp_path: Path) -> Path:
    """Red is 3 to 9, green 10 to 19, blue 70 and above; black is any."""
    return write_model(tmp_path / "ages.onnx", one_hot(1, 2, 4, count=5))


def test_a_bin_is_told_with_its_edges_and_its_certainty(ages: Path) -> None:
    judge = classifier(weights=ages, heads={"age": {"kind": "bins", "bins": BINS}})
    first, second = judge.score(pairs_of(plain(RED, BLUE), plain(GREEN, (0, 0, 0))))
    assert (first["source_age_low"], first["source_age_high"], first["source_age_confidence"]) == (3, 9, 1.0)
    assert (first["target_age_low"], first["target_age_high"], first["target_age"]) == (10, 19, 14.5)
    assert (second["source_age_low"], second["source_age_high"]) == (70, None)
    assert second["source_age"] == 74.5  # an open bin counts as wide as the one before it
    assert second["target_age_confidence"] == 0.2


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"min_age": 18}, ["drop", "unknown", "keep"]),
        ({"min_age": 10}, ["drop", "keep", "keep"]),
        ({"min_age": 20}, ["drop", "drop", "keep"]),
        ({"max_age": 19}, ["keep", "keep", "drop"]),
        ({"max_age": 15}, ["keep", "unknown", "drop"]),
        ({"max_age": 80}, ["keep", "keep", "unknown"]),
        ({"min_age": 5, "max_age": 18}, ["unknown", "unknown", "drop"]),
    ],
)
def test_a_bin_that_a_limit_parts_is_unknown(ages: Path, limits: dict[str, int], expected: list[str]) -> None:
    judge = classifier(weights=ages, heads={"age": {"kind": "bins", "bins": BINS}}, **limits)
    scores = judge.score(pairs_of(plain(RED, GREEN, BLUE), plain(BLUE, BLUE, BLUE)))
    assert [decision for decision, _ in decisions(judge, scores)] == expected


def test_the_look_ahead_names_the_bins_that_cannot_decide(ages: Path) -> None:
    heads = {"age": {"kind": "bins", "bins": BINS}}
    assert classifier(weights=ages, heads=heads, min_age=18).check() == (
        "age 10-19 straddles 18: such pairs are unknown"
    )
    assert classifier(weights=ages, heads=heads, min_age=20).check() == ""
    assert classifier(weights=ages, heads=heads).check() == "measures only: no rule is set"


def test_answers_below_the_least_certainty_are_unknown(ages: Path) -> None:
    judge = classifier(
        weights=ages, heads={"age": {"kind": "bins", "bins": BINS}}, min_age=3, age_of="both", min_confidence=0.5
    )
    scores = judge.score(pairs_of(plain(RED, RED), plain(RED, (0, 0, 0))))
    assert decisions(judge, scores) == [("keep", None), ("unknown", "age of the target is not certain enough")]


def test_labels_can_be_allowed_forbidden_and_asked_to_stay(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", one_hot(0, 1, 2, count=3))
    heads = {"mood": {"kind": "labels", "labels": ["glad", "sad", "calm"]}}
    pictures = pairs_of(plain(RED, RED, GREEN), plain(RED, BLUE, GREEN))
    cases: list[tuple[dict[str, Any], list[str | None]]] = [
        ({"allowed": ["glad"]}, [None, None, "mood of the source is sad"]),
        ({"forbidden": ["calm"], "of": "target"}, [None, "mood of the target is calm", None]),
        ({"same": True}, [None, "the edit changed mood", None]),
    ]
    for rule, reasons in cases:
        judge = classifier(weights=path, heads=heads, rules={"mood": rule})
        assert [reason for _, reason in decisions(judge, judge.score(pictures))] == reasons


def test_one_output_can_hold_several_heads(tmp_path: Path) -> None:
    """The layout of InsightFace's genderage: two gender logits, then the age in centuries."""
    weights = torch.tensor([[0.1, 0.0, 0.3 / 255], [0.0, 0.1, 0.6 / 255], [0.0, 0.0, 0.0]])
    path = write_model(tmp_path / "genderage.onnx", weights, size=96)
    judge = classifier(weights=path, preset="insightface-genderage", min_age=18, rules={"age": {"min_change": 5}})
    (scores,) = judge.score(pairs_of(plain(RED, size=32), plain(GREEN, size=32)))
    assert (scores["source_gender"], scores["target_gender"]) == ("female", "male")
    assert (scores["source_age"], scores["target_age"]) == (30.0, 60.0)
    assert decisions(judge, [scores]) == [("keep", None)]
    assert decisions(judge, [{**scores, "target_age": 33.0}]) == [("drop", "age changes by less than 5")]


def test_fairface_needs_one_line(tmp_path: Path) -> None:
    path = write_model(tmp_path / "fairface.onnx", one_hot(8, 11, 13, count=18), batch=1, size=224)
    judge = classifier(weights=path, preset="fairface", min_age=18)
    (scores,) = judge.score(pairs_of(plain(GREEN), plain(BLUE)))
    assert (scores["source_age_low"], scores["source_age_high"], scores["target_age_low"]) == (10, 19, 30)
    assert decisions(judge, [scores]) == [("unknown", "age of the source lies on both sides of a limit")]


def test_what_the_recipe_writes_comes_before_the_preset(tmp_path: Path) -> None:
    config = OnnxClassifierConfig.model_validate(
        {"weights": tmp_path / "x.onnx", "preset": "fairface", "input": {"resize": "bicubic", "white": 255},
         "heads": {"gender": {"kind": "labels", "slice": [7, 9], "labels": ["m", "f"]}}}
    )  # fmt: skip
    assert (config.input.resize, config.input.white, config.input.width) == ("bicubic", 255, 224)
    assert config.heads["gender"].labels == ("m", "f")
    assert len(config.heads["age"].bins) == 9
    # A resolved recipe, which names everything, is the same again.
    assert OnnxClassifierConfig.model_validate(config.model_dump()) == config


def test_several_outputs_are_read_by_name_and_a_logit_tells_two_labels(tmp_path: Path) -> None:
    weights = torch.tensor([[0.1, 0.01], [-0.1, 0.0], [0.0, 0.0]])
    path = write_model(tmp_path / "m.onnx", weights, bias=[0.0, 1.0], outputs={"mask": (1,), "quality": (1, 1)})
    judge = classifier(
        weights=path,
        heads={
            "mask": {"kind": "labels", "output": "mask", "labels": ["no", "yes"], "activation": "sigmoid"},
            "quality": {"kind": "regression", "output": "quality", "factor": 10, "offset": 1},
        },
        rules={"quality": {"min": 20, "of": "both"}},
    )
    (scores,) = judge.score(pairs_of(plain(RED), plain(GREEN)))
    assert (scores["source_mask"], scores["target_mask"]) == ("yes", "no")
    assert (scores["source_quality"], scores["target_quality"]) == (pytest.approx(36.5), pytest.approx(11.0))
    assert decisions(judge, [scores]) == [("drop", "quality of the target is below 20")]


def test_a_model_that_gives_no_number_decides_nothing(tmp_path: Path) -> None:
    weights = torch.full((3, 1), 3e38)
    judge = classifier(
        weights=write_model(tmp_path / "m.onnx", weights), heads={"age": {"kind": "regression"}}, min_age=18
    )
    (scores,) = judge.score(pairs_of(plain(RED), plain(RED)))
    assert scores["source_age"] is None
    assert decisions(judge, [scores]) == [("unknown", "the model gives no age")]


def test_both_pictures_of_a_double_source_are_limited(ages: Path) -> None:
    judge = classifier(weights=ages, heads={"age": {"kind": "bins", "bins": BINS}}, min_age=20)
    sources = torch.cat([plain(BLUE, BLUE), plain(BLUE, RED)], dim=1)
    scores = judge.score(pairs_of(sources, plain(RED, RED)))
    assert decisions(judge, scores) == [("keep", None), ("drop", "age of the source is below 20")]


def test_scores_do_not_depend_on_the_batch(ages: Path) -> None:
    judge = classifier(weights=ages, heads={"age": {"kind": "bins", "bins": BINS}})
    pictures = torch.rand(13, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    together = judge.score(pairs_of(pictures, pictures.flip(0)))
    assert judge.score(pairs_of(pictures[4:6], pictures.flip(0)[4:6])) == together[4:6]


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ({"age": {"kind": "bins", "bins": [[0, 2], [3, 9]]}}, r"the head age has 2 numbers; the output logits has 5"),
        ({"age": {"kind": "bins", "bins": BINS, "output": "ages"}}, r"no output called 'ages'; .* logits \(N, 5\)"),
        ({"age": {"kind": "regression", "slice": [5, 6]}}, r"slice takes 5 to 6"),
    ],
)
def test_heads_that_the_model_does_not_have_are_refused(ages: Path, heads: dict[str, Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        classifier(weights=ages, heads=heads)


REGRESSION, BINNED = {"kind": "regression"}, {"kind": "bins", "bins": BINS}
LABELLED = {"kind": "labels", "labels": ["a", "b"]}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give heads, or a preset"),
        ({"heads": {"gender": LABELLED}, "min_age": 18}, "need a head called age; there are gender"),
        ({"heads": {"age": BINNED}, "min_age": 30, "max_age": 20}, "no pair can pass"),
        ({"heads": {"age": BINNED}, "min_age": 3, "rules": {"age": {"max": 9}}}, "not both"),
        ({"heads": {"age": BINNED}, "rules": {"ages": {"min": 3}}}, "rules.ages: there is no such head"),
        ({"heads": {"gender": LABELLED}, "rules": {"gender": {"min": 3}}}, "gender is a label"),
        ({"heads": {"gender": LABELLED}, "rules": {"gender": {"allowed": ["c"]}}}, "never 'c'; its labels are a, b"),
        ({"heads": {"age": REGRESSION}, "rules": {"age": {"same": True}}}, "never quite the same"),
        ({"heads": {"age": REGRESSION}, "rules": {"age": {"forbidden": ["old"]}}}, "age is no label"),
        ({"preset": "fairfaces"}, "preset"),
    ],
)
def test_rules_without_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        OnnxClassifierConfig.model_validate({"weights": "m.onnx", **settings})


@pytest.mark.parametrize(
    "head",
    [
        {"kind": "bins"},
        {"kind": "labels"},
        {"kind": "regression", "labels": ["a"]},
        {"kind": "bins", "bins": [[9, 3]]},
        {"kind": "bins", "bins": [[0, 9], [10]], "activation": "sigmoid"},
        {"kind": "labels", "labels": ["a", "b", "c"], "activation": "sigmoid"},
        {"kind": "regression", "slice": [3, 3]},
    ],
)
def test_heads_without_meaning_are_refused(head: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Head.model_validate(head)
