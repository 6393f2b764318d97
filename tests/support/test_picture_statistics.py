"""Pictures unlike those of a training are told from others of its kind, by figures that fit into a student's card."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from gdp.core.errors import CorruptFileError
from gdp.core.pictures import to_levels
from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.renderer import render
from gdp.plugins.scenes.parameters import sample_scenes
from gdp.plugins.scenes.renderer import render as render_scenes
from gdp.support.picture_statistics import FEWEST, Levels, PictureStatistics, fitted, measure, measured_at

SHARED = Path(os.environ.get("GDP_GOLDEN", Path(__file__).parents[2] / ".." / "shared" / "golden")).parent
HORSES = SHARED / "real" / "horse2zebra"
FACES = SHARED / "real" / "stylegan2_ffhq_edits" / "images"
SIZE = 64
RANDOM = numpy.random.default_rng(4)


def faces(seed: int, count: int) -> list[Levels]:
    return list(to_levels(render(sample_attributes(seed, range(count)), SIZE)).permute(0, 2, 3, 1).numpy())


def scenes(count: int) -> list[Levels]:
    pictures = render_scenes(sample_scenes(3, range(count)), "photo", SIZE)
    return list(to_levels(pictures).permute(0, 2, 3, 1).numpy())


@pytest.fixture(scope="module")
def statistics() -> PictureStatistics:
    found = PictureStatistics.of(faces(1, 256), SIZE)
    assert found is not None
    return found


def share_unlike(statistics: PictureStatistics, pictures: list[Levels]) -> float:
    return sum(statistics.distance(picture) > 1 for picture in pictures) / len(pictures)


def test_other_pictures_of_the_same_source_are_hardly_ever_unlike(statistics: PictureStatistics) -> None:
    others = faces(2, 200)
    assert share_unlike(statistics, others) <= 0.01
    assert share_unlike(statistics, [picture[:, ::-1] for picture in others[:50]]) <= 0.02
    assert share_unlike(statistics, [compressed(picture, 75) for picture in others[:100]]) <= 0.05


def levels(values: Any) -> Levels:
    return numpy.clip(values, 0, 255).astype(numpy.uint8)


def resized(picture: Levels, size: int) -> Levels:
    return numpy.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC))


def compressed(picture: Levels, quality: int) -> Levels:
    """As JPEG keeps it: colours at half the size, too."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as read:
        return numpy.asarray(read)


CHANGES: dict[str, Callable[[Levels], Levels]] = {
    "half as bright": lambda face: levels(face * 0.4),
    "without colour": lambda face: levels(face.mean(axis=2, keepdims=True).repeat(3, axis=2)),
    "noisy": lambda face: levels(face + RANDOM.normal(0, 30, face.shape)),
    "blurred": lambda face: resized(resized(face, 16), SIZE),
    "far away": lambda face: numpy.pad(face, ((64, 64), (64, 64), (0, 0))),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_became_of_its_pictures_is_unlike_them(statistics: PictureStatistics, change: str) -> None:
    assert share_unlike(statistics, [CHANGES[change](face) for face in faces(5, 40)]) >= 0.9


def test_pictures_of_other_things_are_unlike(statistics: PictureStatistics) -> None:
    grey = levels(RANDOM.normal(128, 40, (SIZE, SIZE, 1)).repeat(3, axis=2))
    text = numpy.full((400, 700, 3), 250, numpy.uint8)
    text[::9, ::3] = 20
    ramp = levels(numpy.linspace(0, 255, SIZE)[None, :, None] * numpy.ones((SIZE, 1, 3)))
    for picture in (RANDOM.integers(0, 256, (SIZE, SIZE, 3), dtype=numpy.uint8), grey, text, ramp):
        assert statistics.distance(picture) > 2
    for level in (0, 128, 255):
        assert statistics.distance(numpy.full((SIZE, SIZE, 3), level, numpy.uint8)) > 2
    assert share_unlike(statistics, scenes(40)) >= 0.75


@pytest.mark.skipif(not (HORSES.is_dir() and FACES.is_dir()), reason="the shared photographs are not here")
def test_photographs_are_unlike_drawn_faces_and_horses_are_like_horses(statistics: PictureStatistics) -> None:
    def photos(folder: Path, pattern: str, count: int) -> list[Levels]:
        found = []
        for path in sorted(folder.glob(pattern))[:count]:
            with Image.open(path) as picture:
                found.append(numpy.asarray(picture.convert("RGB")))
        assert len(found) == count
        return found

    people, horses = photos(FACES, "*_aligned.jpg", 20), photos(HORSES / "trainA", "*.jpeg", 120)
    assert share_unlike(statistics, people) >= 0.65
    assert share_unlike(statistics, horses) >= 0.8
    known = PictureStatistics.of(horses, 256)
    assert known is not None
    assert share_unlike(known, photos(HORSES / "testA", "*.jpeg", 60)) <= 0.04
    assert known.distance(RANDOM.integers(0, 256, (256, 256, 3), dtype=numpy.uint8)) > 1


def test_the_size_and_the_proportions_of_a_file_change_little(statistics: PictureStatistics) -> None:
    face = faces(9, 1)[0]
    assert abs(statistics.distance(resized(face, 512)) - statistics.distance(face)) < 0.5
    for shape in ((1, 500), (500, 1), (3, 3), (17, 4000), (64, 64), (65, 63)):
        look, layout = measure(numpy.full((*shape, 3), 77, numpy.uint8), SIZE)
        assert numpy.isfinite(look).all()
        assert numpy.isfinite(layout).all()
    assert fitted(numpy.zeros((100, 400, 3), numpy.uint8), 64).shape == (32, 128, 3)
    assert [measured_at(size) for size in (8, 64, 100, 1024)] == [16, 64, 100, 256]


def test_few_pictures_say_little_and_too_few_nothing() -> None:
    some = faces(1, 12)
    assert PictureStatistics.of(some[: FEWEST - 1], SIZE) is None
    few = PictureStatistics.of(some, SIZE)
    assert few is not None
    assert share_unlike(few, faces(2, 100)) == 0
    assert few.distance(RANDOM.integers(0, 256, (SIZE, SIZE, 3), dtype=numpy.uint8)) > 1
    same = PictureStatistics.of([numpy.zeros((SIZE, SIZE, 3), numpy.uint8)] * 9, SIZE)
    assert same is not None
    assert same.distance(numpy.ones((SIZE, SIZE, 3), numpy.uint8)) < 2


def test_the_words_say_in_what_a_picture_differs(statistics: PictureStatistics) -> None:
    face = faces(7, 1)[0]
    assert "detail" in statistics.difference(levels(face + RANDOM.normal(0, 25, face.shape)))
    assert statistics.difference(face[::-1].copy()) == "light and dark are in other places"
    assert "red" in statistics.difference(levels(face * [0.2, 1.2, 1.0]))


def test_statistics_come_back_from_json(statistics: PictureStatistics) -> None:
    text = json.dumps(statistics.to_data())
    assert len(text) < 10_000
    back = PictureStatistics.from_data(json.loads(text), "here")
    for face in faces(3, 5):
        assert back.distance(face) == pytest.approx(statistics.distance(face), rel=0.02)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), []), ((), "x"), (("size",), 0), (("size",), 10**9), (("size",), 63.5), (("size",), True),
        (("size",), None),
        (("pictures",), "many"), (("look",), None), (("look", "mean"), []), (("look", "mean"), {"0": 1}),
        (("look", "mean", 0), "1"), (("look", "mean", 0), None), (("look", "mean", 0), float("nan")),
        (("look", "mean", 0), float("inf")), (("look", "deviation", 0), 0), (("look", "deviation", 2), -1),
        (("look", "limit"), 0), (("look", "limit"), [1]), (("layout", "correlation"), [[1]] * 35),
        (("layout", "correlation", 0), [5.0]), (("layout", "correlation", 0), 5.0), (("held_out",), 3),
        (("held_out",), {"pictures": -1, "unlike": 0}), (("held_out",), {"pictures": 1}),
    ],
)  # fmt: skip
def test_damaged_statistics_are_told_in_a_sentence(
    statistics: PictureStatistics, path: tuple[Any, ...], value: Any
) -> None:
    data = json.loads(json.dumps(statistics.to_data()))
    if not path:
        data = value
    else:
        *way, last = path
        place = data
        for step in way:
            place = place[step]
        place[last] = value
    with pytest.raises(CorruptFileError, match=r"^here: these are no statistics of pictures"):
        PictureStatistics.from_data(data, "here")


def test_a_large_picture_is_reduced_by_strips_as_a_whole() -> None:
    picture = numpy.asarray(Image.fromarray(faces(3, 1)[0]).resize((1300, 1501), Image.Resampling.BICUBIC))
    small = fitted(picture, SIZE)
    whole = Image.fromarray(picture).resize(small.shape[1::-1], Image.Resampling.BICUBIC, reducing_gap=2.0)
    assert numpy.abs(small.astype(int) - numpy.asarray(whole)).max() <= 3
    for shape, expected in (((1, 90_000), (16, 256)), ((90_000, 1), (256, 16)), ((5, 5), (64, 64))):
        assert fitted(numpy.zeros((*shape, 3), numpy.uint8), SIZE).shape == (*expected, 3)
