"""Landmark models that are none, or are understood wrongly, are refused before a picture is changed, with the
reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy
import onnx
import pytest
from landmark_files import write_constant_model
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from student_files import write_inverting_student
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.core.errors import CorruptFileError, GdpError, ShapeError
from gdp.plugins.face_alignment import LandmarkSettings
from gdp.plugins.face_alignment.finder import LandmarkFinder
from gdp.plugins.face_alignment.frames import Frame

Outputs = Mapping[str, numpy.ndarray]

HEIGHT, WIDTH = 48, 64
STRIDE = 4
FACE = numpy.array([[0.3, 0.3], [0.5, 0.3], [0.4, 0.4], [0.33, 0.5], [0.47, 0.5]])
"""As shares of what is shown."""
SHAPE = numpy.array([[-0.1, -0.1], [0.1, -0.1], [0.0, 0.0], [-0.07, 0.1], [0.07, 0.1]])
"""The same around its middle."""
ONE = numpy.array([[0.9]])


def priors(rows: int = HEIGHT // STRIDE, columns: int = WIDTH // STRIDE) -> numpy.ndarray:
    """(P, 2): middles of the places of a detector, as shares."""
    down, across = numpy.mgrid[0:rows, 0:columns] + 0.5
    return numpy.stack([across / columns, down / rows], axis=-1).reshape(-1, 2)


def dense(face_at: int = 90) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Scores (1, P) and offsets (1, P, 5, 2) of a detector that looks everywhere and finds a face at one place."""
    places = priors()
    scores = numpy.full((1, len(places)), 0.01)
    scores[0, face_at] = 0.95
    noise = 0.01 * numpy.random.default_rng(4).standard_normal((1, len(places), 5, 2))
    return scores, SHAPE + noise


def decoded() -> numpy.ndarray:
    return dense()[1] + priors()[None, :, None]


def yunet() -> Outputs:
    """YuNet's raw export: 12 heads, three sizes of four kinds."""
    random = numpy.random.default_rng(5)
    made = {}
    for kind, numbers in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for stride in (8, 16, 32):
            places = (160 // stride) * (160 // stride)
            values = random.random if numbers == 1 else random.standard_normal
            made[f"{kind}_{stride}"] = values((1, places, numbers))
    return made


def retinaface_raw() -> Outputs:
    """An SSD detector exported without its priors: offsets over the priors' sizes and variances."""
    scores, offsets = dense()
    return {
        "boxes": numpy.random.default_rng(6).standard_normal((1, scores.shape[1], 4)),
        "scores": numpy.stack([1 - scores, scores], axis=2),
        "landmarks": (offsets / (0.1 * 0.25)).reshape(1, -1, 10),
    }


def random_offsets() -> Outputs:
    scores, _ = dense()
    return {"scores": scores, "landmarks": numpy.random.default_rng(7).standard_normal((1, scores.shape[1], 10))}


def faces(points: numpy.ndarray, scores: numpy.ndarray = ONE) -> Callable[[], Outputs]:
    return lambda: {"scores": scores, "points": points[None, None]}


WRONG: dict[str, tuple[Callable[[], Outputs], str]] = {
    "12 heads of YuNet": (yunet, r"3 of its outputs could be its landmarks \(kps_8, kps_16, kps_32\)"),
    "two heads of scores": (
        lambda: {"scores": ONE, "iou": ONE, "points": FACE[None, None]},
        r"2 of its outputs could be its scores \(scores, iou\)",
    ),
    "undecoded offsets": (retinaface_raw, "are not decoded"),
    "undecoded offsets in strides": (lambda: {"scores": dense()[0], "points": dense()[1] * 4}, "are not decoded"),
    "random offsets": (random_offsets, "are not decoded"),
    "outside of the picture": (faces(FACE + numpy.array([1.2, 0])), "landmarks lie outside of the picture"),
    "eyes below the mouth": (faces(FACE[[3, 4, 2, 0, 1]]), "the eyes are below the mouth"),
    "left and right exchanged": (faces(FACE[[1, 0, 2, 4, 3]]), "left and right are exchanged"),
    "all equal": (faces(numpy.full((5, 2), 0.5)), "all landmarks lie in one place"),
    "landmarks of NaN": (faces(numpy.full((5, 2), numpy.nan)), "landmarks are no numbers"),
    "scores of NaN": (faces(FACE, ONE * numpy.nan), "are no numbers"),
    "every x before every y": (faces(FACE.T.reshape(5, 2)), "are none:"),
    "y before x": (faces((FACE + numpy.array([-0.2, 0.2]))[:, ::-1]), "are none:"),
    "pixels told as shares": (faces(FACE * [WIDTH, HEIGHT]), r'if they are pixels say "coordinates": "pixels"'),
    "logits told as probabilities": (faces(FACE, ONE * 7.5), 'if they are logits say "activation"'),
    "the face's column first": (
        lambda: {"scores": numpy.stack([dense()[0], 1 - dense()[0]], axis=2), "points": decoded()},
        "stand in another order",
    ),
    "98 landmarks": (faces(numpy.full((98, 2), 0.5)), "points for another count"),
    "29 landmarks": (faces(numpy.full((29, 2), 0.5)), "there are no landmarks"),
    "one face without places": (lambda: {"scores": ONE, "points": FACE.reshape(1, 10)}, "there are no landmarks"),
    "landmarks before places": (
        lambda: {"scores": dense()[0], "points": decoded().reshape(1, -1, 10).swapaxes(1, 2)}, "there are no landmarks",
    ),
    "scores of other places": (
        lambda: {"scores": dense()[0][:, :50], "points": decoded()}, r"there are no scores \(N, P\) of the same places",
    ),
    "boxes only": (lambda: {"scores": dense()[0], "boxes": numpy.zeros((1, 192, 4))}, "it tells boxes only"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_model_is_refused_with_the_reason(tmp_path: Path, kind: str) -> None:
    outputs, reason = WRONG[kind]
    path = write_constant_model(tmp_path / "m.onnx", outputs(), shape=(1, 3, HEIGHT, WIDTH))
    with pytest.raises(ShapeError, match=reason) as raised:
        LandmarkFinder(path)
    assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.parametrize("kind", ["undecoded offsets", "eyes below the mouth", "12 heads of YuNet"])
def test_no_file_is_written_with_a_wrong_model(tmp_path: Path, kind: str) -> None:
    outputs, _ = WRONG[kind]
    model = write_constant_model(tmp_path / "m.onnx", outputs(), shape=(1, 3, HEIGHT, WIDTH))
    student = write_inverting_student(tmp_path / "student.onnx")
    for name in ("a.png", "b.png"):
        Image.new("RGB", (90, 70), (120, 80, 40)).save(tmp_path / name)
    arguments = ["apply", student, tmp_path / "a.png", tmp_path / "b.png", "-o", tmp_path / "out", "--align", model]
    done = CliRunner().invoke(app, [*map(str, arguments), "--threads", "1"], catch_exceptions=False)
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ") and "no picture is changed" in done.stderr
    assert not list((tmp_path).rglob("out/*"))


def seeing_model(path: Path, points: numpy.ndarray) -> Path:
    """Write a model that finds one face at `points` in bright pictures that are not plain, and none in others."""
    nodes = [
        helper.make_node("ReduceMax", ["pictures"], ["most"], keepdims=0),
        helper.make_node("ReduceMin", ["pictures"], ["least"], keepdims=0),
        helper.make_node("Sub", ["most", "least"], ["range"]),
        helper.make_node("Clip", ["range", "nought", "one"], ["some"]),
        helper.make_node("Mul", ["score", "some"], ["scores"]),
        helper.make_node("Identity", ["points_value"], ["points"]),
    ]
    values = {
        "nought": numpy.zeros(()), "one": numpy.ones(()), "score": ONE, "points_value": points[None, None],
    }  # fmt: skip
    graph = helper.make_graph(
        nodes, "seeing", [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, (1, 3, HEIGHT, WIDTH))],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1, 1)),
         helper.make_tensor_value_info("points", TensorProto.FLOAT, (1, 1, 5, 2))],
        [numpy_helper.from_array(value.astype(numpy.float32), name) for name, value in values.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def test_a_model_that_is_wrong_in_photos_alone_changes_none(tmp_path: Path) -> None:
    """It says nothing of plain pictures, so only a photo tells; then nothing is written either."""
    photo = numpy.random.default_rng(8).integers(0, 256, (70, 90, 3)).astype(numpy.uint8)
    good = LandmarkFinder(seeing_model(tmp_path / "good.onnx", FACE))
    assert len(good.find(photo, Frame("ffhq"))) == 1
    wrong = seeing_model(tmp_path / "wrong.onnx", FACE[[3, 4, 2, 0, 1]])
    Image.fromarray(photo).save(tmp_path / "photo.png")
    student = write_inverting_student(tmp_path / "student.onnx")
    arguments = ["apply", student, tmp_path / "photo.png", "-o", tmp_path / "out", "--align", wrong, "--threads", "1"]
    done = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 1 and "the eyes are below the mouth" in " ".join(done.stderr.split())
    assert not list((tmp_path).rglob("out/*.png"))


def test_files_that_are_no_models_are_told_as_such(tmp_path: Path) -> None:
    for name, content in (("text.onnx", b"no model"), ("empty.onnx", b""), ("photo.onnx", b"\x89PNG\r\n\x1a\n" * 9)):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(CorruptFileError, match="cannot load this model"):
            LandmarkFinder(path)
    last = write_constant_model(
        tmp_path / "last.onnx", {"scores": ONE, "points": FACE[None, None]}, shape=(1, 48, 64, 3)
    )
    with pytest.raises(ShapeError, match='with "layout": "NHWC"'):
        LandmarkFinder(last)


@pytest.mark.parametrize(
    ("settings", "outputs"),
    [
        ({"coordinates": "pixels"}, {"scores": ONE, "points": (FACE * [WIDTH, HEIGHT])[None, None]}),
        ({"coordinates": "centred"}, {"scores": ONE, "points": (2 * FACE - 1)[None, None]}),
        ({"activation": "sigmoid"}, {"scores": ONE * 3.0, "points": FACE[None, None]}),
        ({"activation": "softmax"}, {"scores": numpy.array([[[-2.0, 2.0]]]), "points": FACE[None, None]}),
        ({"order": "apart"}, {"scores": ONE, "points": FACE.T.reshape(1, 1, 10)}),
        ({"points": [[1], [0], [2], [4], [3]]}, {"scores": ONE, "points": FACE[[1, 0, 2, 4, 3]][None, None]}),
        (
            {"points": [[0, 1], [2, 3], [4], [5], [6]], "order": "apart", "coordinates": "pixels"},
            {"scores": ONE, "points": (FACE[[0, 0, 1, 1, 2, 3, 4]] * [WIDTH, HEIGHT]).T.reshape(1, 1, 14)},
        ),
        (
            {"scores": "finished", "landmarks": "marks"},
            {"raw": ONE, "finished": ONE, "offsets": FACE[None, None] * 9, "marks": FACE[None, None]},
        ),
    ],
)  # fmt: skip
def test_a_right_model_of_other_units_works_with_its_keys(
    tmp_path: Path, settings: dict[str, object], outputs: Outputs
) -> None:
    path = write_constant_model(tmp_path / "m.onnx", outputs, shape=(1, 3, HEIGHT, WIDTH))
    with pytest.raises(GdpError):
        LandmarkFinder(path)
    path.with_suffix(".json").write_text(json.dumps(settings))
    (found,) = LandmarkFinder(path).find(numpy.full((96, 128, 3), 90, numpy.uint8), Frame("ffhq"))
    assert numpy.allclose(found.landmarks, FACE * [128, 96], atol=1e-2)


def test_pictures_are_shown_with_colours_last_where_the_settings_say_so(tmp_path: Path) -> None:
    outputs = {"scores": ONE, "points": FACE[None, None]}
    path = write_constant_model(tmp_path / "m.onnx", outputs, shape=(1, HEIGHT, WIDTH, 3))
    path.with_suffix(".json").write_text('{"layout": "NHWC"}')
    assert len(LandmarkFinder(path).find(numpy.full((96, 128, 3), 90, numpy.uint8), Frame("ffhq"))) == 1


def test_a_decoded_detector_that_looks_everywhere_is_right(tmp_path: Path) -> None:
    outputs = {"boxes": numpy.zeros((1, 192, 4)), "scores": dense()[0], "points": decoded()}
    path = write_constant_model(tmp_path / "m.onnx", outputs, shape=(1, 3, HEIGHT, WIDTH))
    (found,) = LandmarkFinder(path).find(numpy.full((96, 128, 3), 90, numpy.uint8), Frame("ffhq"))
    assert numpy.allclose(found.landmarks, decoded()[0, 90] * [128, 96], atol=1e-2)


def test_describe_shows_every_key_that_stands_beside_a_model() -> None:
    done = CliRunner().invoke(app, ["describe", "aligner", "landmarks"], catch_exceptions=False)
    assert done.exit_code == 0
    for key in LandmarkSettings.model_fields:
        assert f"\n      {key}: " in done.stdout, key
    assert '"coordinates": "pixels"' in done.stdout
