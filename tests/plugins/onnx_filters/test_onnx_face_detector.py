from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from onnx_files import plain, write_model
from pydantic import ValidationError

from gdp.core.errors import ShapeError
from gdp.core.interfaces.context import BuildContext
from gdp.core.pairs import PairBatch, PairRecord
from gdp.plugins.onnx_filters.classifier import OnnxClassifierFilter
from gdp.plugins.onnx_filters.config import FaceDetectorModel, OnnxClassifierConfig, OnnxFaceDetectorConfig
from gdp.plugins.onnx_filters.detector import Face, FaceFinder, OnnxFaceDetectorFilter, overlap

BLACK, RED, GREEN, YELLOW = (0.0, 0.0, 0.0), (255.0, 0.0, 0.0), (0.0, 255.0, 0.0), (255.0, 255.0, 0.0)
LEFT, RIGHT = (0.0, 0.25, 0.5, 0.75), (0.5, 0.25, 1.0, 0.75)


def write_detector(path: Path, batch: int | str = 1) -> Path:
    """A detector of 3 anchors: red is a face on the left (and a worse box of it), green one on the right."""
    weights = torch.zeros(3, 3 * 2 + 3 * 4)
    weights[0, 1], weights[0, 3], weights[1, 5] = 1 / 255, 0.8 / 255, 0.97 / 255
    shifted = tuple(value + 0.05 for value in LEFT)
    bias = [0.0] * 6 + [*LEFT, *shifted, *RIGHT]
    return write_model(path, weights, bias=bias, batch=batch, outputs={"scores": (3, 2), "boxes": (3, 4)})


RAW = {"mean": (0.0, 0.0, 0.0), "deviation": (1.0, 1.0, 1.0)}


def detector(path: Path, **settings: Any) -> OnnxFaceDetectorFilter:
    config = OnnxFaceDetectorConfig.model_validate({"weights": path, "input": RAW, **settings})
    return OnnxFaceDetectorFilter(config, BuildContext())


def pairs_of(source: torch.Tensor, target: torch.Tensor) -> PairBatch:
    indices = list(range(len(source)))
    return PairBatch(indices, source, target, [PairRecord(index=index, seed=0) for index in indices])


def reasons(judge: OnnxFaceDetectorFilter, pairs: PairBatch) -> list[str | None]:
    verdicts = judge.decide(dict(enumerate(judge.score(pairs))))
    return [verdicts[index].reason for index in range(len(pairs))]


@pytest.mark.parametrize("batch", [1, "batch"])
def test_overlapping_boxes_are_one_face(tmp_path: Path, batch: int | str) -> None:
    settings = FaceDetectorModel.model_validate({"weights": write_detector(tmp_path / "d.onnx", batch), "input": RAW})
    nothing, left, both = FaceFinder(settings, torch.device("cpu")).find(plain(BLACK, RED, YELLOW, size=32))
    assert nothing == []
    assert left == [Face(1.0, LEFT)]
    assert both == [Face(1.0, LEFT), Face(0.97, RIGHT)]


def test_pairs_are_dropped_for_the_rule_they_fail(tmp_path: Path) -> None:
    path = write_detector(tmp_path / "d.onnx")
    cases: list[tuple[dict[str, Any], tuple[tuple[float, float, float], tuple[float, float, float]], str | None]] = [
        ({}, (RED, RED), None),
        ({}, (RED, BLACK), "no face in the target"),
        ({}, (YELLOW, RED), "more than 1 faces in the source"),
        ({"min_score": 0.98}, (YELLOW, RED), None),
        ({"max_faces": None}, (YELLOW, RED), None),
        ({"min_faces": 2, "max_faces": 2}, (YELLOW, RED), "too few faces in the target"),
        ({"min_faces": 0, "max_faces": 0}, (BLACK, RED), "a face in the target"),
        ({"min_size": 0.6}, (RED, RED), "face too small in the source"),
        ({}, (RED, GREEN), None),
        ({"min_overlap": 0.5}, (RED, GREEN), "faces overlap by less than 0.5"),
        ({"min_overlap": 0.5}, (RED, RED), None),
    ]
    for settings, (source, target), reason in cases:
        assert reasons(detector(path, **settings), pairs_of(plain(source), plain(target))) == [reason], settings


def test_thresholds_decide_from_scores_that_were_measured_once(tmp_path: Path) -> None:
    path = write_detector(tmp_path / "d.onnx")
    scores = dict(enumerate(detector(path).score(pairs_of(plain(YELLOW), plain(RED)))))
    assert (scores[0]["source_face"], scores[0]["source_face_size"]) == (1.0, 0.5)
    assert detector(path, min_score=0.5).decide(scores)[0].scores["source_face_count"] == 2
    assert detector(path, min_score=0.99).decide(scores)[0].scores["source_face_count"] == 1
    assert not {"min_score", "min_faces", "min_size", "weights"} & OnnxFaceDetectorFilter.score_settings


def test_a_classifier_can_be_shown_the_face_alone(tmp_path: Path) -> None:
    """The right half is white; the face on the left is all that counts, and without a face nothing is known."""
    weights = torch.tensor([[0.0], [0.0], [1.0]])
    picture = plain(RED, BLACK, size=32)
    picture[:, 2, :, 16:] = 1.0
    settings = {
        "weights": write_model(tmp_path / "c.onnx", weights),
        "heads": {"blue": {"kind": "regression"}},
        "face": {"weights": write_detector(tmp_path / "d.onnx"), "input": RAW, "margin": 1.0},
        "rules": {"blue": {"max": 10}},
    }
    judge = OnnxClassifierFilter(OnnxClassifierConfig.model_validate(settings), BuildContext())
    scores = judge.score(pairs_of(picture, picture))
    assert (scores[0]["source_blue"], scores[0]["source_face"]) == (0.0, 1.0)
    assert (scores[1]["source_blue"], scores[1]["source_face"]) == (None, 0.0)
    verdicts = judge.decide(dict(enumerate(scores)))
    assert (verdicts[0].decision, verdicts[1].decision, verdicts[1].reason) == (
        "keep", "unknown", "no face in the source",
    )  # fmt: skip


def test_senseless_boxes_are_no_faces(tmp_path: Path) -> None:
    bias = [0.0, 1.0] * 3 + [0.5, 0.5, 0.4, 0.6, float("nan"), 0.0, 1.0, 1.0, -1e30, -1e30, 1e30, 1e30]
    path = write_model(tmp_path / "d.onnx", torch.zeros(3, 18), bias=bias, outputs={"scores": (3, 2), "boxes": (3, 4)})
    settings = FaceDetectorModel.model_validate({"weights": path, "input": RAW})
    assert FaceFinder(settings, torch.device("cpu")).find(plain(RED)) == [[Face(1.0, (-0.5, -0.5, 1.5, 1.5))]]


def test_other_models_are_refused_with_their_shapes(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", torch.zeros(3, 14), outputs={"scores": (2, 2), "boxes": (2, 5)})
    with pytest.raises(ShapeError, match=r"this model's are \(N, 2, 2\) and \(N, 2, 5\)"):
        detector(path)
    with pytest.raises(ShapeError, match="no output called 'confidence'"):
        detector(path, scores="confidence")


def test_overlap_is_intersection_over_union() -> None:
    assert overlap(Face(1.0, (0.0, 0.0, 0.5, 1.0)), Face(1.0, (0.25, 0.0, 0.75, 1.0))) == pytest.approx(1 / 3)


def test_counts_that_no_picture_can_have_are_refused() -> None:
    with pytest.raises(ValidationError, match="no pair can pass"):
        OnnxFaceDetectorConfig(weights=Path("d.onnx"), min_faces=2, max_faces=1)
