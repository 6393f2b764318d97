"""`gdp apply` says where a student is out of its depth, refuses with --strict, and offers --resize and --align."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from embedded_people import make_scene
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from typer.testing import CliRunner, Result

from gdp.cli.app import app
from gdp.core.files import file_sha256
from gdp.core.pictures import to_levels
from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.renderer import render
from gdp.support.picture_statistics import Levels, PictureStatistics
from gdp.tools.deploy.cards import Card, Difference, write_card

SHARED = Path(os.environ.get("GDP_GOLDEN", Path(__file__).parents[2] / ".." / "shared" / "golden")).parent
PEOPLE = SHARED / "real" / "stylegan2_ffhq_edits" / "images"
WORDS = "faces as gdp's renderer draws them, upright in the middle"
ALIGNER = "landmarks:builtin:faces64"


def faces(seed: int, count: int) -> list[Levels]:
    return list(to_levels(render(sample_attributes(seed, range(count)), 64)).permute(0, 2, 3, 1).numpy())


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported student that turns every level round, as if it had been trained on rendered faces."""
    path = tmp_path_factory.mktemp("student") / "student.onnx"
    told = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", "h", "w", 3])
        for name in ("pictures", "translated")
    ]
    white = numpy_helper.from_array(numpy.array(255, numpy.uint8), "white")
    graph = helper.make_graph(
        [helper.make_node("Sub", ["white", "pictures"], ["translated"])], "g", told[:1], told[1:], [white]
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    statistics = PictureStatistics.of(faces(1, 256), 64)
    assert statistics is not None
    trained_on = {
        "pictures": {"words": WORDS, "one": "face", "frame": "faces64", "aligner": ALIGNER},
        "statistics": statistics.to_data(),
    }
    difference = Difference(1, 0, 0.0, None)
    write_card(Card("onnx", "here", 4, 3, 64, "0" * 64, 1, file_sha256(path), difference, {}, trained_on), path)
    return path


def apply(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["apply", *map(str, arguments), "--threads", "1"], catch_exceptions=False)


def levels_of(path: Path) -> Levels:
    with Image.open(path) as picture:
        return numpy.asarray(picture.convert("RGB"))


def write(folder: Path, **pictures: Levels) -> Path:
    folder.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        Image.fromarray(picture).save(folder / f"{name}.png")
    return folder


def kinds(told: dict[str, Any]) -> dict[str, list[str]]:
    by_file: dict[str, list[dict[str, Any]]] = told["warnings"]["by_file"]
    return {Path(name).stem: [entry["kind"] for entry in entries] for name, entries in by_file.items()}


def test_faces_as_it_knows_them_are_translated_without_a_word(student: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in", **{f"face{number}": face for number, face in enumerate(faces(7, 6))})
    finished = apply(student, source, "-o", tmp_path / "out")
    assert finished.exit_code == 0
    assert "warning" not in finished.stderr
    told = json.loads(apply(student, source, "-o", tmp_path / "out", "--json", "--strict").stdout)
    assert told["warnings"] == {"told": [], "by_file": {}}
    assert len(told["written"]) == 6


@pytest.mark.skipif(not PEOPLE.is_dir(), reason="the shared photographs are not here")
def test_six_photos_of_1024_px_are_warned_of_and_can_be_resized_or_aligned(student: Path, tmp_path: Path) -> None:
    photos = sorted(PEOPLE.glob("*_aligned.jpg"))[:6]
    told = json.loads(apply(student, *photos, "-o", tmp_path / "whole", "--json").stdout)
    lines = told["warnings"]["told"]
    assert lines[0] == f"this student was trained at 64 px on {WORDS}"
    assert lines[1].startswith("6 of 6 files are 16 times larger than its training pictures (")
    assert "--resize translates at 64 px" in lines[1]
    assert f"--align {ALIGNER} translates each face in its place" in lines[1]
    assert sum("unlike" in found for found in kinds(told).values()) >= 4
    resized = json.loads(apply(student, *photos, "-o", tmp_path / "resized", "--json", "--resize").stdout)
    assert not any("larger" in found for found in kinds(resized).values())
    assert levels_of(tmp_path / "resized" / photos[0].name).shape == (1024, 1024, 3)
    aligned = json.loads(apply(student, photos[0], "-o", tmp_path / "aligned", "--json", "--align", ALIGNER).stdout)
    assert not any("larger" in found for found in kinds(aligned).values())
    strict = apply(student, *photos, "-o", tmp_path / "strict", "--strict")
    assert strict.exit_code == 1
    assert not (tmp_path / "strict").exists()


def test_strict_writes_the_others_and_nothing_of_what_is_unlike(student: Path, tmp_path: Path) -> None:
    face = faces(7, 1)[0]
    source = write(
        tmp_path / "in", face=face, dark=numpy.zeros((64, 64, 3), numpy.uint8), large=face.repeat(4, 0).repeat(4, 1)
    )
    told = json.loads(apply(student, source, "-o", tmp_path / "out", "--json").stdout)
    assert kinds(told)["dark"] == ["flat"]
    assert "larger" in kinds(told)["large"]
    assert "face" not in kinds(told)
    refused = apply(student, source, "-o", tmp_path / "strict", "--json", "--strict")
    assert refused.exit_code == 1
    assert [path.name for path in (tmp_path / "strict").iterdir()] == ["face.png"]
    failed = {Path(entry["file"]).stem: entry["reason"] for entry in json.loads(refused.stdout)["failed"]}
    assert failed.keys() == {"dark", "large"}
    assert failed["dark"].startswith(f"{source / 'dark.png'}: it is of one colour")
    assert "it is 4 times larger than the 64 px" in failed["large"]


def test_resize_keeps_size_and_detail_and_transparency(student: Path, tmp_path: Path) -> None:
    large = numpy.asarray(Image.fromarray(faces(7, 1)[0]).resize((512, 512), Image.Resampling.BICUBIC))
    fine = (numpy.indices((512, 512)).sum(axis=0) % 2 * 20).astype(numpy.uint8)[..., None]
    shown = numpy.clip(large.astype(int) + fine, 0, 255).astype(numpy.uint8)
    Image.fromarray(numpy.dstack([shown, numpy.full((512, 512), 255, numpy.uint8)])).save(tmp_path / "face.png")
    assert apply(student, tmp_path / "face.png", "-o", tmp_path / "out.png", "--resize").exit_code == 0
    with Image.open(tmp_path / "out.png") as picture:
        assert (picture.size, picture.mode) == ((512, 512), "RGBA")
    made = levels_of(tmp_path / "out.png").astype(int)
    smooth = numpy.asarray(Image.fromarray(shown).resize((64, 64), Image.Resampling.BOX)).mean()
    assert abs(made.mean() - (255 - smooth)) < 4
    flat = made[100:110, 100:110, 1]
    assert abs(abs(numpy.diff(flat, axis=1)).mean() - 20) < 6, "the pattern finer than the student's pixels is there"
    apply(student, tmp_path / "face.png", "-o", tmp_path / "plain.png", "--resize", "--no-align-detail")
    assert abs(numpy.diff(levels_of(tmp_path / "plain.png")[100:110, 100:110, 1].astype(int), axis=1)).mean() < 6


def test_a_picture_without_a_face_is_told_with_and_without_align(student: Path, tmp_path: Path) -> None:
    lawn = numpy.random.default_rng(3).integers(40, 160, (96, 96, 3), dtype=numpy.uint8)
    source = write(tmp_path / "in", lawn=lawn, people=make_scene(21, (220, 380), [110.0, 90.0]).picture)
    told = json.loads(apply(student, source, "-o", tmp_path / "whole", "--json").stdout)
    assert "none-found" in kinds(told)["lawn"]
    told = json.loads(apply(student, source, "-o", tmp_path / "aligned", "--json", "--align", ALIGNER).stdout)
    assert kinds(told)["lawn"] == ["none-found"]
    assert told["faces"]["found"] == 2
    strict = apply(student, source, "-o", tmp_path / "strict", "--align", ALIGNER, "--strict")
    assert strict.exit_code == 1
    assert "lawn.png: it shows no face" in strict.stderr
    assert not (tmp_path / "strict" / "lawn.png").exists()


def test_a_video_is_told_once_with_the_share_of_its_frames(student: Path, tmp_path: Path) -> None:
    import av

    path, frames = tmp_path / "in.mp4", [*faces(7, 3), *[numpy.zeros((64, 64, 3), numpy.uint8)] * 3]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=5, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    told = json.loads(apply(student, path, "-o", tmp_path / "out.mp4", "--json").stdout)
    (entries,) = told["warnings"]["by_file"].values()
    assert [(entry["kind"], entry["share"]) for entry in entries] == [("flat", 0.5)]
    assert sum("(in.mp4, 50% of 6 frames)" in line for line in told["warnings"]["told"]) == 1
    refused = apply(student, path, write(tmp_path / "in", face=faces(7, 1)[0]), "-o", tmp_path / "strict", "--strict")
    assert refused.exit_code == 1
    assert f"{path}: it is of one colour" in refused.stderr
    assert [file.name for file in (tmp_path / "strict").iterdir()] == ["face.png"]


def test_align_and_resize_exclude_each_other(student: Path, tmp_path: Path) -> None:
    write(tmp_path, face=faces(7, 1)[0])
    refused = apply(student, tmp_path / "face.png", "-o", tmp_path / "out.png", "--resize", "--align", ALIGNER)
    assert refused.exit_code == 2
    assert "--align and --resize" in refused.stderr
    assert apply(student, tmp_path / "face.png", "-o", tmp_path / "o.png", "--no-align-detail").exit_code == 2
