"""Faces of real photos in larger ones: found, translated as the aligned original would be, all else untouched."""

from __future__ import annotations

import os
from pathlib import Path

import numpy
import pytest
from real_faces import Face, Scene, make_scene, measure_scene, read, read_faces, train, turned_share

from gdp import EngineContext
from gdp.plugins.face_alignment import PhotographsConfig
from gdp.plugins.face_alignment.photographs import PhotographAligner

REAL = Path(os.environ.get("GDP_GOLDEN") or Path(__file__).parents[2].parent / "shared" / "golden").parent / "real"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the folder of real pictures is absent")
FACES = 3
"""Of each kind of real photos."""


@pytest.fixture(scope="module")
def aligner() -> PhotographAligner:
    return PhotographAligner(PhotographsConfig(sizes=(256, 512, 1024)), EngineContext(threads=1))


@pytest.fixture(scope="module")
def faces() -> list[Face]:
    kinds = read_faces(REAL, FACES)
    return [*kinds["aligned"], *kinds["celeba"]]


@pytest.fixture(scope="module")
def behind() -> numpy.ndarray:
    return read(sorted((REAL / "horse2zebra" / "trainB").iterdir())[0])


@pytest.fixture(scope="module")
def scenes(faces: list[Face], behind: numpy.ndarray) -> list[Scene]:
    random = numpy.random.default_rng(17)
    return [make_scene(face.levels, behind, random, 30.0) for face in faces]


@pytest.mark.training
def test_small_shifted_and_turned_faces_are_found_and_translated_as_the_aligned_ones(
    aligner: PhotographAligner, faces: list[Face], scenes: list[Scene]
) -> None:
    student = train([(face.levels, face.target) for face in faces], steps=25)
    results = [measure_scene(scene, face, student, aligner) for scene, face in zip(scenes, faces, strict=True)]
    assert all(result.found for result in results)
    assert [result.others for result in results] == [0] * len(results)
    assert [result.touched for result in results] == [0] * len(results)
    losses = [result.loss_db for result in results if result.loss_db is not None]
    assert len(losses) == len(results) and max(losses) < 1.0


def test_faces_that_lie_or_hang_are_found_as_they_stand(aligner: PhotographAligner, faces: list[Face]) -> None:
    zebras = [sorted((REAL / "horse2zebra" / "trainB").iterdir())[0]]
    for degrees in (90.0, 180.0):
        assert turned_share(faces[::3], zebras, aligner, degrees)["found"] == len(faces[::3])


def test_several_faces_of_a_photo_keep_their_places_whatever_else_is_in_the_batch(
    aligner: PhotographAligner, scenes: list[Scene]
) -> None:
    both = numpy.concatenate([scenes[0].picture, scenes[1].picture], axis=1)
    (found,) = aligner.regions(both[None])
    assert len(found) == 2
    pictures = numpy.stack([scene.picture for scene in scenes[:3]])
    alone = [aligner.regions(picture[None])[0] for picture in pictures]
    for together, single in zip(aligner.regions(pictures), alone, strict=True):
        assert [square.matrix.tolist() for square in together] == [square.matrix.tolist() for square in single]


def test_photos_of_horses_hold_no_faces(aligner: PhotographAligner) -> None:
    photos = sorted((REAL / "horse2zebra" / "testA").iterdir())[:16]
    found = [path.name for path in photos if aligner.regions(read(path)[None])[0]]
    assert len(found) <= 1, found
