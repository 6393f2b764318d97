"""`gdp apply --align` on the command line, by the shipped model of the embedded world and a student that inverts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy
import pytest
from embedded_people import Scene, make_scene
from landmark_files import write_constant_model
from PIL import Image
from student_files import write_inverting_student
from typer.testing import CliRunner, Result

from gdp.cli.app import app
from gdp.plugins.face_alignment import FACES64

pytestmark = pytest.mark.training

ALIGN = ("--align", "builtin:faces64")


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported student that turns every level round: 255 - level."""
    return write_inverting_student(tmp_path_factory.mktemp("student") / "student.onnx")


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene(21, (220, 380), [110.0, 90.0])


THIRD_PARTY = """
import gdp
import numpy


class NoSettings(gdp.Config):
    \"\"\"Nothing to set.\"\"\"


class LeftHalf(gdp.Aligner):
    finds = ("left half", "left halves")

    def regions(self, pictures):
        side = float(pictures.shape[1])
        return [[gdp.Square(numpy.array([[side, 0, 0], [0, side, 0]]))] for _ in pictures]


class Failing(LeftHalf):
    def regions(self, pictures):
        raise RuntimeError("the camera is gone")


class Exits(LeftHalf):
    def __init__(self, config, context):
        raise SystemExit("no licence")


class Boxes(LeftHalf):
    def regions(self, pictures):
        return [[(0, 0, 8, 8)] for _ in pictures]


class Endless(LeftHalf):
    def regions(self, pictures):
        return [[gdp.Square(1e9 * numpy.eye(2, 3))] for _ in pictures]


class Wordless(LeftHalf):
    finds = "halves"


@gdp.hookimpl
def gdp_register_aligners(register):
    for made in (LeftHalf, Failing, Exits, Boxes, Endless, Wordless):
        name = "left" if made is LeftHalf else made.__name__.lower()
        register(name, config=NoSettings, implementation=f"halves:{made.__name__}", summary="Finds halves in a test")
"""


@pytest.fixture(scope="module")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The option with aligners of one file."""
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "halves.py").write_text(THIRD_PARTY)
    return "--plugins-dir", str(folder)


def apply(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["apply", *map(str, arguments), "--threads", "1"], catch_exceptions=False)


def levels_of(path: Path) -> numpy.ndarray:
    with Image.open(path) as picture:
        return numpy.asarray(picture)


def test_faces_are_translated_and_all_else_is_untouched(student: Path, scene: Scene, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    Image.fromarray(scene.picture).save(source / "people.png")
    empty = numpy.full((90, 120, 3), (90, 140, 60), numpy.uint8)
    Image.fromarray(empty).save(source / "lawn.png")
    # Inverting turns the finest detail round, too: it must not be kept here.
    done = apply(student, source, "-o", tmp_path / "out", *ALIGN, "--no-align-detail", "--align-size", "128", "--json")
    assert done.exit_code == 0, done.output
    faces = json.loads(done.stdout)["faces"]
    assert (faces["found"], faces["pictures"], faces["pictures_without"]) == (2, 2, 1)
    assert {Path(name).name: count for name, count in faces["by_file"].items()} == {"people.png": 2, "lawn.png": 0}
    assert numpy.array_equal(levels_of(tmp_path / "out/lawn.png"), empty)
    made = levels_of(tmp_path / "out/people.png")
    changed = (made != scene.picture).any(axis=2)
    assert 0.1 < changed.mean() < 0.5
    for number in range(2):
        inside = scene.interior(number)
        assert numpy.abs(made[inside].astype(int) - (255 - scene.picture[inside])).mean() < 6


def test_compare_the_summary_and_a_frame_of_ones_own(student: Path, scene: Scene, tmp_path: Path) -> None:
    Image.fromarray(scene.picture).save(tmp_path / "people.png")
    Image.new("RGB", (40, 30)).save(tmp_path / "dark.png")
    wide = tmp_path / "wide.json"  # the faces stand smaller in this frame, so more of the picture is translated
    wide.write_text(json.dumps({"landmarks": [[0.46, 0.49], [0.54, 0.49], [0.5, 0.54], [0.465, 0.57], [0.535, 0.57]]}))
    pictures = (tmp_path / "people.png", tmp_path / "dark.png")
    changed = []
    for options in ((), ("--align-frame", wide), ("--align-frame", "ffhq", "--align-size", "96", "--no-align-detail")):
        done = apply(student, *pictures, "-o", tmp_path / "out", *ALIGN, "--compare", *options)
        assert done.exit_code == 0, done.output
        assert "2 faces found in 2 pictures and frames; 1 of them show no face and are written unchanged" in done.stdout
        both = levels_of(tmp_path / "out/people.png")
        assert numpy.array_equal(both[:, :380], scene.picture)
        changed.append((both[:, 380:] != scene.picture).any(axis=2).mean())
    assert changed[1] > 1.5 * changed[0]
    assert changed[2] != changed[0]


def test_the_faces_of_a_video_are_translated_frame_by_frame(student: Path, tmp_path: Path) -> None:
    import av

    scene = make_scene(22, (480, 640), [190.0, 150.0])
    path = tmp_path / "in.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=5, options={"crf": "10"})
        track.height, track.width, track.pix_fmt = 480, 640, "yuv420p"
        for levels in (scene.picture, scene.picture, numpy.zeros_like(scene.picture)):
            container.mux(track.encode(av.VideoFrame.from_ndarray(levels, format="rgb24")))
        container.mux(track.encode(None))
    exactly = ("--no-align-detail", "--align-size", "128")
    done = apply(student, path, "-o", tmp_path / "out.mp4", *ALIGN, *exactly, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["faces"] == {"found": 4, "pictures": 3, "pictures_without": 1, "by_file": {}}
    assert "its colours are not tagged" in told["notes"][str(tmp_path / "out.mp4")][0]
    with av.open(str(tmp_path / "out.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    inside = scene.interior(0)
    assert numpy.abs(frames[1][inside].astype(int) - (255 - scene.picture[inside])).mean() < 12


def test_mistakes_are_told_in_one_paragraph(student: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    Image.new("RGB", (40, 30)).save(picture)
    boxes = write_constant_model(
        tmp_path / "boxes.onnx", {"scores": numpy.zeros((1, 9, 2)), "boxes": numpy.zeros((1, 9, 4))}
    )
    for code, options, told in (
        (1, ("--align", "builtin:faces128"), "there is builtin:faces64"),
        (1, ("--align", tmp_path / "none.onnx"), "no such landmark model"),
        (1, ("--align", boxes), "it tells boxes only"),
        (1, (*ALIGN, "--align-frame", "celeba"), "a frame is called ffhq"),
        (2, ("--align", "landmarks"), "needs a file: --align landmarks:FILE"),
        (2, ("--align", "landmark"), "did you mean landmarks?"),
        (2, ("--align", "landmark:none.onnx"), "did you mean landmarks?"),
        (1, ("--align", "landmarks:builtin:faces128"), "there is builtin:faces64"),
        (2, ("--align-size", "64"), "need --align MODEL"),
        (2, ("--no-align-detail",), "need --align MODEL"),
    ):
        done = apply(student, picture, "-o", tmp_path / "out", *options)
        assert done.exit_code == code, options
        assert done.stderr.startswith("error: ") and told in " ".join(done.stderr.split()), done.stderr
        assert not (tmp_path / "out").exists()


def in_a_run(student: Path, folder: Path, recipe: str = "", card: str = "{}") -> Path:
    """A run's folder with an exported student, a recipe and a description."""
    (folder / "student").mkdir(parents=True)
    for path in (student, student.with_name("student.onnx.json")):
        (folder / "student" / path.name).write_bytes(path.read_bytes())
    (folder / "recipe.toml").write_text(recipe)
    (folder / "student" / "student.json").write_text(card)
    return folder / "student" / "student.onnx"


@pytest.mark.parametrize(
    ("recipe", "card", "aligner", "found"),
    [
        ('[teacher]\nweights = "builtin:faces64"', "{}", "builtin:faces64", 2),
        ("", '{"trained_on": {"pictures": {"aligner": "landmarks:builtin:faces64"}}}', "landmarks:builtin:faces64", 2),
        ('[teacher]\nweights = "ffhq.safetensors"', "{}", "faces", None),
        ("no recipe", '{"trained_on": {"pictures": {"aligner": "landmarks:/etc/passwd"}}}', "faces", None),
    ],
)
def test_without_a_name_the_aligner_is_the_one_of_the_students_world(
    student: Path, scene: Scene, tmp_path: Path, recipe: str, card: str, aligner: str, found: int | None
) -> None:
    model = in_a_run(student, tmp_path / "run", recipe, card)
    Image.fromarray(scene.picture).save(tmp_path / "people.png")
    done = apply(model, tmp_path / "people.png", "--json", "-o", tmp_path / "out", "--align")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["aligner"] == aligner
    assert found is None or told["faces"]["found"] == found
    done = apply(model, tmp_path / "people.png", "--align", "-o", tmp_path / "out")
    assert done.exit_code == 0 and done.stderr.startswith(f"--align {aligner}: ")


def test_without_onnxruntime_the_aligner_of_photographs_says_what_to_install(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    done = apply(student, tmp_path / "a.png", "-o", tmp_path / "out", "--align")
    assert done.exit_code == 1 and "pip install 'gdp-distill[faces]'" in " ".join(done.stderr.split())
    assert not (tmp_path / "out").exists()


def test_a_file_alone_is_meant_for_the_aligner_of_landmarks(student: Path, scene: Scene, tmp_path: Path) -> None:
    Image.fromarray(scene.picture).save(tmp_path / "people.png")
    made = []
    with_package = "gdp-distill:landmarks:builtin:faces64"  # as is advised where two packages have the name
    for number, spelling in enumerate(
        ("builtin:faces64", "landmarks:builtin:faces64", with_package, FACES64, f"landmarks:{FACES64}")
    ):
        done = apply(student, tmp_path / "people.png", "-o", tmp_path / str(number), "--align", spelling)
        assert done.exit_code == 0, done.output
        assert "2 faces found in 1 pictures and frames" in done.stdout
        made.append((tmp_path / str(number) / "people.png").read_bytes())
    assert len(set(made)) == 1


def test_an_aligner_of_a_third_party_says_what_it_finds(
    student: Path, scene: Scene, third_party: tuple[str, str], tmp_path: Path
) -> None:
    Image.fromarray(scene.picture).save(tmp_path / "people.png")
    options = ("--align", "left", "--no-align-detail", "--align-size", "220", *third_party)
    done = apply(student, tmp_path / "people.png", "-o", tmp_path / "out", *options)
    assert done.exit_code == 0, done.output
    assert "1 left halves found in 1 pictures and frames" in done.stdout
    made = levels_of(tmp_path / "out/people.png")
    assert numpy.array_equal(made[:, 220:], scene.picture[:, 220:])
    assert numpy.array_equal(made[80:140, 80:140], 255 - scene.picture[80:140, 80:140])
    told = json.loads(apply(student, tmp_path / "people.png", "-o", tmp_path / "out", *options, "--json").stdout)
    assert told["left halves"] == {
        "found": 1, "pictures": 1, "pictures_without": 0, "by_file": {str(tmp_path / "out/people.png"): 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("failing", "RuntimeError: the camera is gone"),
        ("exits", "SystemExit: no licence"),
        ("boxes", "found tuple (0, 0, 8, 8) in picture 0, and that is no gdp.Square"),
        ("endless", "larger or further away than 8 pictures"),
        ("wordless", "finds must be two words, of one and of many"),
        ("left:model.onnx", "takes no file"),
    ],
)
def test_a_third_partys_aligner_that_fails_is_named(
    student: Path, third_party: tuple[str, str], tmp_path: Path, name: str, reason: str
) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    done = apply(student, tmp_path / "a.png", "-o", tmp_path / "out", "--align", name, *third_party)
    assert done.exit_code == (2 if reason == "takes no file" else 1)
    told = " ".join(done.stderr.split())
    assert told.startswith("error: ") and f"aligner {name.partition(':')[0]}" in told and reason in told
