"""Landmark models of others: what they read, in what shapes they tell, and what is said of those that cannot tell."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy
import pytest
from landmark_files import write_constant_model

from gdp.core.errors import CorruptFileError, MissingResourceError, ShapeError
from gdp.plugins.face_alignment.finder import LandmarkFinder
from gdp.plugins.face_alignment.frames import Frame, open_frame

REAL = Path(os.environ.get("GDP_GOLDEN") or Path(__file__).parents[3].parent / "shared" / "golden").parent / "real"

FACE = numpy.array([[0.3, 0.3], [0.5, 0.3], [0.4, 0.4], [0.33, 0.5], [0.47, 0.5]])
"""As shares of what is shown."""
OTHER = FACE * 0.4 + [0.5, 0.1]
FFHQ = Frame("ffhq")


def sixty_eight(five: numpy.ndarray) -> numpy.ndarray:
    """The 300-W scheme with these five, the eyes as rings around their middles."""
    points = numpy.full((68, 2), 0.9)
    ring = 0.02 * numpy.stack([numpy.cos(numpy.arange(6)), numpy.sin(numpy.arange(6))], axis=1)
    ring -= ring.mean(axis=0)
    points[36:42], points[42:48] = five[0] + ring, five[1] + ring
    points[30], points[48], points[54] = five[2:]
    return points


def picture(height: int = 96, width: int = 128) -> numpy.ndarray:
    return numpy.full((height, width, 3), (200, 100, 50), numpy.uint8)


@pytest.mark.parametrize("form", ["ten", "five", "136", "68"])
@pytest.mark.parametrize("scores", ["plain", "column", "two"])
def test_landmarks_are_read_in_every_usual_shape(tmp_path: Path, form: str, scores: str) -> None:
    faces = numpy.stack([FACE, OTHER, FACE + 0.004])
    told = faces if form in ("ten", "five") else numpy.stack([sixty_eight(face) for face in faces])
    told = told.reshape(1, 3, -1) if form in ("ten", "136") else told[None]
    given = numpy.array([0.9, 0.8, 0.7])
    shaped = {
        "plain": given[None],
        "column": given[None, :, None],
        "two": numpy.stack([1 - given, given], axis=1)[None],
    }
    boxes = numpy.zeros((1, 3, 4))
    path = write_constant_model(tmp_path / "m.onnx", {"boxes": boxes, "scores": shaped[scores], "points": told})
    found = LandmarkFinder(path).find(picture(), FFHQ)
    assert [face.score for face in found] == pytest.approx([0.9, 0.8]), "the third is the first face once more"
    assert numpy.allclose(found[0].landmarks, FACE * [128, 96], atol=1e-3)
    assert numpy.allclose(found[1].landmarks, OTHER * [128, 96], atol=1e-3)


def test_a_picture_of_another_shape_is_padded_or_stretched(tmp_path: Path) -> None:
    path = write_constant_model(tmp_path / "m.onnx", {"scores": numpy.array([[0.9]]), "points": FACE[None, None]})
    tall = picture(192, 128)  # the model reads 48 x 64: a quarter of the height, so 32 of the 64 columns are shown
    assert numpy.allclose(LandmarkFinder(path).find(tall, FFHQ)[0].landmarks, FACE * [256, 192], atol=1e-3)
    (tmp_path / "m.json").write_text('{"fit": "stretch"}')
    assert numpy.allclose(LandmarkFinder(path).find(tall, FFHQ)[0].landmarks, FACE * [128, 192], atol=1e-3)
    (tmp_path / "m.json").write_text('{"fit": "stretch", "coordinates": "pixels"}')
    pixels = write_constant_model(
        tmp_path / "m.onnx", {"scores": numpy.array([[0.9]]), "points": (FACE * [64, 48])[None, None]}
    )
    assert numpy.allclose(LandmarkFinder(pixels).find(tall, FFHQ)[0].landmarks, FACE * [128, 192], atol=1e-3)


def test_colours_are_brought_to_the_declared_order_and_range(tmp_path: Path) -> None:
    outputs = {"scores": numpy.array([[0.9]]), "points": FACE[None, None]}
    path = write_constant_model(tmp_path / "m.onnx", outputs, probe=True)
    (tmp_path / "m.json").write_text(json.dumps({"channels": "BGR", "mean": [1, 2, 3], "deviation": [2, 4, 5]}))
    finder = LandmarkFinder(path)
    shown, _ = finder._fitted(picture(), (48, 64))
    assert numpy.allclose(finder._outputs(shown[None])["mean"], [[(50 - 1) / 2, (100 - 2) / 4, (200 - 3) / 5]])


def test_faces_that_are_unlikely_or_no_faces_are_left_out(tmp_path: Path) -> None:
    points = numpy.stack([FACE, OTHER, numpy.full((5, 2), numpy.nan), FACE + 0.3])
    scores = numpy.array([[0.6, 0.8, 0.9, 0.4]])
    path = write_constant_model(tmp_path / "m.onnx", {"scores": scores, "points": points[None]})
    assert [round(face.score, 3) for face in LandmarkFinder(path).find(picture(), FFHQ)] == [0.8, 0.6]
    (tmp_path / "m.json").write_text('{"min_score": 0.95}')
    assert LandmarkFinder(path).find(picture(), FFHQ) == []


def test_turned_pictures_tell_landmarks_of_the_picture_as_it_stands(tmp_path: Path) -> None:
    small = FACE * 0.2 + [0.05, 0.02]
    path = write_constant_model(
        tmp_path / "m.onnx", {"scores": numpy.array([[0.9]]), "points": small[None, None]}, shape=(1, 3, 64, 64)
    )
    (tmp_path / "m.json").write_text('{"turns": true}')
    found = LandmarkFinder(path).find(picture(64, 64), FFHQ)
    x, y = small.T * 64
    expected = [(x, y), (64 - y, x), (64 - x, 64 - y), (y, 64 - x)]
    assert len(found) == 4
    for points in expected:
        assert any(numpy.allclose(face.landmarks.T, points, atol=1e-3) for face in found)


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder of real models is absent")
def test_ultraface_tells_boxes_only_and_that_is_said() -> None:
    with pytest.raises(ShapeError) as raised:
        LandmarkFinder(REAL / "ultraface" / "version-RFB-320.onnx")
    told = str(raised.value)
    assert "landmarks are needed" in told and "boxes only" in told
    assert "scores (1, 4420, 2)" in told and "boxes (1, 4420, 4)" in told


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    good = {"scores": numpy.array([[0.9]]), "points": FACE[None, None]}
    with pytest.raises(MissingResourceError, match="no such landmark model"):
        LandmarkFinder(tmp_path / "none.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(CorruptFileError, match="cannot load this model"):
        LandmarkFinder(broken)
    with pytest.raises(ShapeError, match=r"reads one picture \(N, 3, H, W\)"):
        LandmarkFinder(write_constant_model(tmp_path / "grey.onnx", good, shape=(1, 1, 48, 64)))
    path = write_constant_model(tmp_path / "m.onnx", good)
    (tmp_path / "m.json").write_text('{"chanels": "BGR"}')
    with pytest.raises(CorruptFileError, match="no settings of a landmark model"):
        LandmarkFinder(path)
    (tmp_path / "m.json").write_text('{"landmarks": "marks"}')
    with pytest.raises(ShapeError, match=r"name its outputs in m\.json"):
        LandmarkFinder(path)


def test_a_frame_is_ffhqs_or_a_file(tmp_path: Path) -> None:
    assert open_frame("ffhq").landmarks is None
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"landmarks": FACE.tolist()}))
    assert numpy.allclose(open_frame(str(path)).landmarks, FACE)
    for text in ("no json", "[]", '{"landmarks": [[0, 1]]}', '{"landmarks": [["a", 1]]}', "{}"):
        path.write_text(text)
        with pytest.raises(CorruptFileError, match=r"mine\.json"):
            open_frame(str(path))
    with pytest.raises(MissingResourceError, match="a frame is called ffhq, or is a JSON file"):
        open_frame("celeba")
