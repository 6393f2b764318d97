"""What is told of pictures that a student was not trained on: which, in one line for all files, and what to do."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
from tiny_student import REGISTRY, make_tiny_student

import gdp
from gdp.core.building import plugin_errors
from gdp.core.contracts.watching import answering
from gdp.core.errors import CorruptFileError, OutOfDepthError, OutOfDepthWarning
from gdp.core.interfaces.datasets import PictureKind
from gdp.support.picture_statistics import Levels, PictureStatistics
from gdp.support.squares import Square
from gdp.tools.deploy.aligners import NamedAligner
from gdp.tools.deploy.depth import LOOKED_FOR, PythonWatch, Told, Watch, Watched, describe_findings
from gdp.tools.deploy.student import load_student
from gdp.tools.deploy.student_folder import StudentFolder
from gdp.tools.deploy.trained_on import TrainedOn, read_trained_on

RANDOM = numpy.random.default_rng(2)
LAWN = PictureKind("lawns from above")
FACES = PictureKind("faces of a test", "face", "ffhq", "faces:builtin:tests")


def grass(count: int, size: int = 32) -> list[Levels]:
    """Green noise: what the statistics of these tests know."""
    noise = RANDOM.normal(0, 20, (count, size, size, 1)) + RANDOM.normal(0, 10, (count, 1, 1, 3))
    return list(numpy.clip(noise + numpy.array([60, 140, 50]), 0, 255).astype(numpy.uint8))


@pytest.fixture(scope="module")
def trained_on() -> TrainedOn:
    return TrainedOn(32, LAWN, PictureStatistics.of(grass(64), 32))


def kinds(watch: Watch, picture: Levels) -> list[str]:
    (found,) = watch.look([[picture]])
    return [finding.kind for finding in found]


def plain(value: Any, size: int = 32) -> Levels:
    return numpy.full((size, size, 3), value, numpy.uint8)


def test_a_picture_like_the_training_pictures_is_told_nothing(trained_on: TrainedOn) -> None:
    watch = Watch(trained_on)
    assert [kinds(watch, picture) for picture in grass(40)].count([]) >= 39


@pytest.mark.parametrize(
    "picture",
    [
        plain(0),
        plain(255),
        plain((10, 200, 90), 700),
        numpy.clip(20 + RANDOM.normal(0, 1, (64, 64, 3)), 0, 255).astype(numpy.uint8),
        RANDOM.integers(0, 2, (64, 64, 3), dtype=numpy.uint8),
    ],
)
def test_a_flat_frame_is_told(trained_on: TrainedOn, picture: Levels) -> None:
    assert kinds(Watch(trained_on), picture) == ["flat"]
    assert kinds(Watch(TrainedOn(32)), picture) == ["flat"]  # of a student of an older gdp


@pytest.mark.parametrize("size", [64, 600, 1024, 2048])
def test_fine_patterns_are_not_flat(size: int) -> None:
    checkers = (numpy.indices((size, size)).sum(axis=0) % 2 * 200).astype(numpy.uint8)
    assert "flat" not in kinds(Watch(TrainedOn(32)), checkers[..., None].repeat(3, axis=2))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((64, 64), []), ((95, 2000), []), ((96, 96), ["larger"]), ((512, 512), ["larger"]), ((400, 96), ["larger"]),
        ((11, 40), []), ((10, 10), ["smaller"]), ((5, 10), ["smaller"]),
    ],
)  # fmt: skip
def test_far_larger_and_far_smaller_pictures_are_told(shape: tuple[int, int], expected: list[str]) -> None:
    picture = RANDOM.integers(0, 256, (*shape, 3), dtype=numpy.uint8)
    assert kinds(Watch(TrainedOn(32)), picture) == expected


def test_other_pictures_are_told(trained_on: TrainedOn) -> None:
    assert kinds(Watch(trained_on), 255 - grass(1)[0]) == ["unlike"]
    assert kinds(Watch(trained_on), RANDOM.integers(0, 256, (128, 128, 3), dtype=numpy.uint8)) == ["larger", "unlike"]


class Finder(gdp.Aligner):
    """Finds a square where a picture's first pixel is red: as large as half of its level is in percent."""

    finds = ("face", "faces")

    def regions(self, pictures: Any) -> list[list[Square]]:
        self.looked = getattr(self, "looked", 0) + 1
        found = []
        for picture in pictures:
            size, share = len(picture), picture[0, 0, 0] / 200
            corner = size * (1 - share) / 2
            square = Square(numpy.array([[size * share, 0, corner], [0, size * share, corner]]))
            found.append([square] if share else [])
        return found


def finder() -> NamedAligner:
    return NamedAligner(Finder(None, gdp.EngineContext()))


def marked(share: float) -> Levels:
    picture = grass(1)[0]
    picture[0, 0, 0] = round(200 * share)
    return picture


def test_no_face_where_faces_were_is_told() -> None:
    watch = Watch(TrainedOn(32, FACES), aligner=finder())
    assert kinds(watch, marked(1.0)) == []
    assert kinds(watch, marked(0)) == ["none-found"]
    assert kinds(watch, marked(0.3)) == ["none-found"], "a small face is none that fills the picture"
    aligned = Watch(TrainedOn(32, FACES), "aligned", aligner=finder())
    assert [finding.told for finding in aligned.look([[]])[0]] == [
        "it shows no face, and the student was trained on faces of a test"
    ]
    assert kinds(aligned, marked(0)) == [], "what was cut out is not looked at again"


def test_an_aligner_at_hand_that_fails_is_told_and_ends_nothing() -> None:
    class Broken(Finder):
        def regions(self, pictures: Any) -> list[list[Square]]:
            raise RuntimeError("the camera is gone")

    broken = answering(Broken, "aligner of a test", plugin_errors)(None, gdp.EngineContext())
    watch = Watch(TrainedOn(32), aligner=NamedAligner(broken))
    files = [Told(Path(f"{number}.png"), watch.look([[marked(1.0)]])) for number in range(3)]
    assert [one.found for one in files] == [[()]] * 3
    (_, line) = describe_findings(files, watch)
    assert "not looked at: aligner of a test" in line
    assert "the camera is gone" in line


def test_looking_for_faces_ends_where_nothing_depends_on_it() -> None:
    for strict in (False, True):
        named = finder()
        watch = Watch(TrainedOn(32, FACES), strict=strict, aligner=named)
        for _ in range(LOOKED_FOR + 8):
            watch.look([[marked(1.0)]])
        assert named.aligner.looked == LOOKED_FOR + (8 if strict else 0)  # type: ignore[attr-defined] # of the test


def test_strict_refuses_before_anything_is_translated(trained_on: TrainedOn) -> None:
    def never(pictures: Levels) -> Levels:
        raise AssertionError

    with pytest.raises(OutOfDepthError, match=r"^it is of one colour.*; it is unlike"):
        Watched(never, Watch(trained_on, strict=True))(numpy.stack([plain(0), 255 - grass(1)[0]]))
    watch = Watch(trained_on, strict=True)
    good = grass(3)
    assert len(Watched(lambda pictures: pictures, watch)(numpy.stack(good))) == 3
    assert watch.found == [(), (), ()]


def told(trained_on: TrainedOn, files: dict[str, Sequence[Levels]], watch: Watch | None = None) -> list[str]:
    watch = watch or Watch(trained_on)
    return describe_findings([Told(Path(name), watch.look([[one] for one in of])) for name, of in files.items()], watch)


def test_many_files_are_told_in_a_line_with_the_first_names_and_what_to_do(trained_on: TrainedOn) -> None:
    files = {f"{number:03}.png": [RANDOM.integers(0, 256, (600, 600, 3), dtype=numpy.uint8)] for number in range(9)}
    lines = told(TrainedOn(32, LAWN), {**files, "good.png": grass(1)})
    assert lines == [
        "this student was trained at 32 px on lawns from above",
        "9 of 10 files are 19 times larger than its training pictures (000.png, 001.png, 002.png and 6 more): nothing "
        "in them has the size that it knows, so expect noise and halos. --resize translates at 32 px and keeps what is "
        "finer. Look at what comes out",
    ]
    with_faces = told(TrainedOn(32, FACES), files)[1]
    assert "--align faces:builtin:tests translates each face in its place, --align faces those of photo" in with_faces
    assert told(trained_on, {"good.png": grass(1)}) == []
    resized = told(trained_on, {"a.png": [255 - grass(1)[0]]}, Watch(trained_on, "resized"))[1]
    assert resized.startswith("1 of 1 files is unlike its training pictures, by this: ")
    assert "--resize" not in resized


def test_a_video_is_told_with_the_share_of_its_frames(trained_on: TrainedOn) -> None:
    line = told(trained_on, {"clip.mp4": [plain(0), *grass(3)]})[1]
    assert line.startswith("1 of 1 files is black or of one colour (clip.mp4, 25% of 4 frames)")
    watch = Watch(trained_on)
    data = Told(Path("clip.mp4"), watch.look([[plain(0)], *([one] for one in grass(3))])).to_data()
    assert [(entry["kind"], entry["share"]) for entry in data] == [("flat", 0.25)]


def test_python_is_warned_once_of_each_kind(trained_on: TrainedOn) -> None:
    watch = PythonWatch(trained_on)
    with pytest.warns(OutOfDepthWarning, match=r"trained at 32 px on lawns from above: 1 of 2 pictures is black"):
        watch(numpy.stack([plain(0), grass(1)[0]]), stacklevel=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watch(numpy.stack([plain(0), plain(9)]), stacklevel=1)
        watch(numpy.stack(grass(4)), stacklevel=1)
    with pytest.warns(OutOfDepthWarning, match="4 times larger"):
        watch(RANDOM.integers(0, 256, (1, 128, 128, 6), dtype=numpy.uint8), stacklevel=1)


@pytest.fixture
def student(tmp_path: Path) -> Path:
    return make_tiny_student(tmp_path)


def describe(student: Path, trained_on: object) -> None:
    path = student / "student.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"trained_on": trained_on}))


def test_a_student_in_python_warns_where_it_is_called_and_one_of_an_older_gdp_tells_little(
    student: Path, trained_on: TrainedOn
) -> None:
    import torch

    described = {"pictures": {"words": "lawns from above"}, "pairs": 64}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gdp.load(student)(torch.rand(1, 3, 40, 40) * 2 - 1)
        gdp.deploy(student, engine="torch", threads=1)(RANDOM.integers(0, 256, (1, 40, 40, 3), dtype=numpy.uint8))
    assert trained_on.statistics is not None
    describe(student, described | {"statistics": trained_on.statistics.to_data()})
    with pytest.warns(OutOfDepthWarning, match="lawns from above: 1 of 1 pictures is unlike") as caught:
        gdp.load(student)(torch.rand(3, 40, 40) * 2 - 1)
    assert caught[0].filename == __file__
    with pytest.warns(OutOfDepthWarning, match="lawns from above: 2 of 2 pictures are unlike") as caught:
        model = gdp.deploy(student, engine="torch", threads=1)
        model(RANDOM.integers(0, 256, (2, 40, 40, 3), dtype=numpy.uint8))
    assert caught[0].filename == __file__


def test_an_exported_file_carries_what_its_student_was_trained_on(
    student: Path, pictures: Path, trained_on: TrainedOn, tmp_path: Path
) -> None:
    from tiny_student import export

    assert trained_on.statistics is not None
    described = {"pictures": {"words": "lawns from above"}, "pairs": 64, "statistics": trained_on.statistics.to_data()}
    describe(student, described)
    assert load_student(student, REGISTRY, gdp.api.choose_device("cpu")).trained_on.shows == LAWN
    alone = tmp_path / "alone"
    alone.mkdir()
    for file in (path := export(student, "onnx", pictures), path.with_name(f"{path.name}.json")):
        file.rename(alone / file.name)
    model = gdp.deploy(alone / path.name, threads=1)
    assert model.trained_on is not None
    assert model.trained_on.shows == LAWN
    assert model.trained_on.pairs == 64
    with pytest.warns(OutOfDepthWarning, match="unlike"):
        model(RANDOM.integers(0, 256, (1, 40, 40, 3), dtype=numpy.uint8))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ([], r"trained_on is no table"), ("64", r"trained_on is no table"),
        ({"pairs": "many"}, r"\.pairs is no number"),
        ({"pairs": -1}, r"\.pairs is no number"), ({"pairs": True}, r"\.pairs is no number"),
        ({"teacher": 3}, r"\.teacher is no line"), ({"weights_licence": ["MIT"]}, r"\.weights_licence is no line"),
        ({"pair_source": "x\n"}, r"\.pair_source is no line"), ({"pictures": "faces"}, r"\.pictures is no table"),
        ({"pictures": {}}, r"\.words is no line"), ({"pictures": {"words": "x" * 201}}, r"\.words is no line"),
        ({"pictures": {"words": "a", "one": 1}}, r"\.one is no line"),
        ({"pictures": {"words": "a", "frame": {}}}, r"\.frame is no line"),
        ({"pictures": {"words": "\x1b[31m"}}, r"\.words is no line"),
        ({"pictures": {"words": "a", "aligner": "landmarks:/etc/passwd"}}, r"\.aligner names"),
        ({"pictures": {"words": "a", "aligner": "../x.onnx"}}, r"\.aligner names"),
        ({"statistics": 3}, r"\.statistics: these are no statistics"),
        ({"statistics": {"size": 64}}, r"\.statistics: these are no statistics"),
    ],
)  # fmt: skip
def test_a_damaged_record_is_told_in_a_sentence(student: Path, data: object, what: str) -> None:
    describe(student, data)
    for read in (
        lambda: StudentFolder(student).trained_on,
        lambda: gdp.load(student),
        lambda: gdp.deploy(student, engine="torch", threads=1),
    ):
        with pytest.raises(CorruptFileError, match=f"student.json: {what}" if what[0] == "t" else what):
            read()


def test_a_record_of_a_newer_gdp_may_hold_more() -> None:
    known = {"pictures": {"words": "lawns", "colour": "green"}, "season": "summer", "pairs": None}
    assert read_trained_on(known, 32, "here") == TrainedOn(32, PictureKind("lawns"))
    with pytest.raises(CorruptFileError, match="here: resolution"):
        read_trained_on(None, 0, "here")


def test_advice_names_the_aligner_at_hand_and_for_other_faces_the_one_of_photographs() -> None:
    published = PictureKind("faces, cut as FFHQ's", "face", "ffhq")
    large = {"large.png": [RANDOM.integers(0, 256, (600, 600, 3), dtype=numpy.uint8)]}
    for name, others in (("faces", False), ("landmarks:builtin:tests", True)):
        at_hand = NamedAligner(Finder(None, gdp.EngineContext()), name)
        line = told(TrainedOn(32, published), large, Watch(TrainedOn(32, published), aligner=at_hand))[1]
        assert f"--align {name} translates each face in its place" in line
        assert ("--align faces those of photographs" in line) == others
        aligned = Watch(TrainedOn(32, published), "aligned", aligner=at_hand)
        line = describe_findings([Told(Path("empty.png"), aligned.look([[]]))], aligned)[1]
        assert "They are written unchanged" in line
        assert ("--align faces finds faces of photographs" in line) == others
