from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from onnx_files import plain, write_model
from pydantic import ValidationError

from gdp.core.errors import CorruptFileError, MissingResourceError, ShapeError
from gdp.plugins.onnx_filters.config import PictureInput
from gdp.plugins.onnx_filters.model import OnnxModel, prepare, square_around

CPU = torch.device("cpu")
COLOURS = torch.eye(3)


def test_a_model_reads_what_the_settings_declare(tmp_path: Path) -> None:
    picture = plain((255, 102, 0), size=16)
    settings = PictureInput(
        width=8, height=8, channels="BGR", white=1, mean=(0.1, 0.2, 0.3), deviation=(0.5, 1.0, 2.0), layout="NHWC"
    )
    model = OnnxModel(write_model(tmp_path / "m.onnx", COLOURS, layout="NHWC"), settings, CPU)
    expected = torch.tensor([[(0.0 - 0.1) / 0.5, (0.4 - 0.2) / 1.0, (1.0 - 0.3) / 2.0]])
    torch.testing.assert_close(model.run(picture)["logits"], expected)


def test_a_size_that_the_file_fixes_need_not_be_declared(tmp_path: Path) -> None:
    model = OnnxModel(write_model(tmp_path / "m.onnx", COLOURS, size=8), PictureInput(), CPU)
    assert (model.settings.width, model.settings.height) == (8, 8)
    torch.testing.assert_close(model.run(plain((10, 20, 30), size=64))["logits"], torch.tensor([[10.0, 20.0, 30.0]]))


@pytest.mark.parametrize("batch", ["batch", 1, 3, 8])
def test_answers_are_the_same_bits_in_every_batch(tmp_path: Path, batch: int | str) -> None:
    weights = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    model = OnnxModel(write_model(tmp_path / "m.onnx", weights, batch=batch), PictureInput(), CPU)
    pictures = torch.rand(11, 3, 20, 20, generator=torch.Generator().manual_seed(1)) * 2 - 1
    together = model.run(pictures)["logits"]
    assert together.shape == (11, 5)
    for start, stop in ((0, 1), (3, 11), (5, 7)):
        assert torch.equal(model.run(pictures[start:stop])["logits"], together[start:stop])


def test_a_model_that_promises_any_batch_and_takes_one_is_run_one_by_one(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", COLOURS, batch=1)
    import onnx

    promised = onnx.load(path)
    for value in (*promised.graph.input, *promised.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(promised, path)
    model = OnnxModel(path, PictureInput(), CPU)
    found = model.run(plain((1, 2, 3), (4, 5, 6)))["logits"]
    torch.testing.assert_close(found, torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))


def test_the_crop_is_a_share_of_the_picture() -> None:
    picture = plain((0, 0, 0), size=32)
    picture[:, :, 8:16, 16:24] = 1.0
    shown = prepare(picture, PictureInput(width=8, height=8, crop=(0.5, 0.25, 0.75, 0.5)))
    assert torch.equal(shown, torch.full((1, 3, 8, 8), 255.0))
    tiny = prepare(plain((255, 255, 255), size=2), PictureInput(width=4, height=4, crop=(0.9, 0.9, 1.0, 1.0)))
    assert torch.equal(tiny, torch.full((1, 3, 4, 4), 255.0))


def test_the_square_around_a_face_is_black_beyond_the_picture() -> None:
    picture = plain((255, 255, 255), size=20)
    square = square_around(picture, [(0.0, 0.25, 0.5, 0.75)], margin=2.0, side=20, mode="bilinear")
    # The box is 10 pixels wide around (5, 10): the square reaches from -5 to 15.
    assert torch.equal(square[0, 0, :, :5], torch.full((20, 5), -1.0))
    assert torch.equal(square[0, 0, :, 5:], torch.full((20, 15), 1.0))
    outside = square_around(picture, [(2.0, 2.0, 3.0, 3.0)], margin=1.0, side=4, mode="bilinear")
    torch.testing.assert_close(outside, torch.full((1, 3, 4, 4), -1.0))


def test_truncated_and_foreign_files_are_refused_by_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = write_model(tmp_path / "whole.onnx", COLOURS).read_bytes()
    hostile = [b"", b"\x80\x04", b"PK\x03\x04 no model", bytes(range(256)) * 64, b"\xff" * 1000]
    for data in [*(content[:length] for length in (1, 40, len(content) // 2, len(content) - 3)), *hostile]:
        (tmp_path / "broken.onnx").write_bytes(data)
        with pytest.raises((CorruptFileError, ShapeError), match=r"broken\.onnx"):
            OnnxModel(tmp_path / "broken.onnx", PictureInput(), CPU)
    assert capfd.readouterr().err == ""


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match=r"nowhere\.onnx: there is no such model"):
        OnnxModel(tmp_path / "nowhere.onnx", PictureInput(), CPU)


def test_without_onnxruntime_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_model(tmp_path / "m.onnx", COLOURS)
    monkeypatch.setitem(sys.modules, "onnxruntime.capi", None)
    with pytest.raises(MissingResourceError, match=r"gdp-distill\[onnx\]"):
        OnnxModel(path, PictureInput(), CPU)


@pytest.mark.parametrize(
    ("file", "settings", "message"),
    [
        ({}, {"name": "image"}, "not 'image' .*the model has picture"),
        ({}, {"width": 16}, "reads a width of 8 pixels; the recipe says input.width = 16"),
        ({"size": "side"}, {}, "takes any width; say which"),
        ({}, {"layout": "NHWC"}, "that is 8 colours instead of 3"),
        ({"size": 100_000}, {}, "which no picture model has"),
        ({"batch": 10**9}, {}, "which no picture model has"),
        ({"outputs": {"logits": (3,)}, "batch": 4}, {"layout": "NHWC"}, "Mend input.layout"),
    ],
)
def test_what_does_not_fit_is_said_with_what_is_there(
    tmp_path: Path, file: dict[str, object], settings: dict[str, object], message: str
) -> None:
    path = write_model(tmp_path / "m.onnx", COLOURS, **file)  # type: ignore[arg-type] # one set of arguments a case
    with pytest.raises(ShapeError, match=message):
        OnnxModel(path, PictureInput.model_validate(settings), CPU)


def test_the_fingerprint_covers_tensors_in_files_beside_the_model(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", COLOURS)
    alone = OnnxModel(path, PictureInput(), CPU).fingerprint
    (tmp_path / "m.onnx.data").write_bytes(b"tensors")
    (tmp_path / "other.onnx").write_bytes(b"another model")
    assert OnnxModel(path, PictureInput(), CPU).fingerprint != alone


@pytest.mark.parametrize("settings", [{"crop": [0.5, 0, 0.4, 1]}, {"crop": [0, 0, 1, 1.1]}, {"deviation": [0, 1, 1]}])
def test_settings_without_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PictureInput.model_validate(settings)
