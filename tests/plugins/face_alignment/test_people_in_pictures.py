"""Faces moved, scaled and turned in a larger picture come out as the student makes them of aligned ones.

Both ways are measured at the same pixels, a face's interior (an ellipse from brow to chin), against the same truth: the
renderer's own older face, drawn at the face's place. The one way is the student's picture of the rendered face as it
is, drawn there; the other is what `gdp apply --align` makes of the whole picture.
"""

from __future__ import annotations

import math
from functools import cache

import numpy
import pytest
import torch
from embedded_people import RESOLUTION, YEARS, Scene, SmallStudent, in_range, levels, make_scene, psnr, train_student

import gdp
from gdp.plugins.face_alignment import LandmarksConfig
from gdp.plugins.face_alignment.crowds import rendered_landmarks
from gdp.plugins.face_alignment.finder import Found, LandmarkAligner
from gdp.plugins.faces.renderer import render
from gdp.tools.deploy.aligners import NamedAligner
from gdp.tools.deploy.aligning import AlignedSquares
from gdp.tools.deploy.models import Model

pytestmark = pytest.mark.training

SCENES = [
    ((256, 256), [120.0]),
    ((300, 520), [64.0, 140.0]),
    ((240, 640), [70.0, 100.0, 56.0]),
    ((420, 400), [190.0, 90.0]),
    ((500, 500), [48.0, 64.0]),
    ((200, 300), [150.0]),
]
NEAR_ENOUGH = 40.0
"""Decibels above which two pictures cannot be told apart; 8 bits and two samplings leave about 45."""


@pytest.fixture(scope="module")
def student() -> SmallStudent:
    return train_student(steps=120, faces=240)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [make_scene(300 + number, size, sides) for number, (size, sides) in enumerate(SCENES)]


@cache
def aligner() -> LandmarkAligner:
    return LandmarkAligner(LandmarksConfig(file="builtin:faces64"), gdp.EngineContext(threads=1))


def find(picture: numpy.ndarray) -> list[Found]:
    return aligner().finder.find(picture, aligner().frame)


def align(student: SmallStudent) -> AlignedSquares:
    def translate(pictures: numpy.ndarray) -> numpy.ndarray:
        with torch.no_grad():
            return levels(student(in_range(pictures)))

    model = Model(translate, 2, 3, RESOLUTION, "torch", "here")
    return AlignedSquares(model, NamedAligner(aligner(), "landmarks"))


def test_every_face_is_within_a_decibel_of_the_aligned_one(student: SmallStudent, scenes: list[Scene]) -> None:
    aligned = align(student)
    losses, gains = [], []
    for scene in scenes:
        result = aligned(scene.picture[None])[0]
        with torch.no_grad():
            expected = scene.filled(student(render(scene.attributes)))
        truth = scene.filled(render(scene.attributes.older(YEARS)))
        for number in range(len(scene.squares)):
            inside = scene.interior(number)
            on_aligned, in_place = (psnr(made, truth, inside) for made in (expected, result))
            losses.append(min(on_aligned, NEAR_ENOUGH) - min(in_place, NEAR_ENOUGH))
            gains.append(psnr(result, expected, inside) - psnr(scene.picture, expected, inside))
    assert aligned.counts == [len(scene.squares) for scene in scenes]
    assert max(losses) < 1.0
    assert numpy.mean(losses) < 0.3
    assert numpy.mean(gains) > 5, "the faces were changed, and as the student would have changed them"


def test_what_lies_outside_of_the_faces_is_untouched(student: SmallStudent, scenes: list[Scene]) -> None:
    aligned = align(student)
    for scene in scenes:
        result = aligned(scene.picture[None])[0]
        free = numpy.ones(scene.picture.shape[:2], bool)
        across, down = numpy.meshgrid(numpy.arange(free.shape[1]) + 0.5, numpy.arange(free.shape[0]) + 0.5)
        (squares,) = aligner().regions(scene.picture[None])
        for square in squares:
            x, y = square.inverse()[:, :2] @ numpy.stack([across.ravel(), down.ravel()]) + square.inverse()[:, 2:]
            free &= ((numpy.abs(x - 0.5) > 0.5) | (numpy.abs(y - 0.5) > 0.5)).reshape(free.shape)
        assert numpy.array_equal(result[free], scene.picture[free])
        assert free.mean() > 0.2 and not numpy.array_equal(result, scene.picture)


def test_landmarks_are_found_to_two_pixels_of_sixty_four(scenes: list[Scene]) -> None:
    for scene in scenes:
        found = find(scene.picture)
        assert len(found) == len(scene.squares)
        for square, landmarks in zip(scene.squares, rendered_landmarks(scene.attributes).double().numpy(), strict=True):
            true = square.at(landmarks)
            apart = [numpy.linalg.norm(face.landmarks - true, axis=1).mean() / square.side * 64 for face in found]
            assert min(apart) < 2.5


def test_a_face_at_the_edge_is_translated_as_far_as_it_is_there(student: SmallStudent) -> None:
    scene = make_scene(41, (300, 300), [140.0], turn=20.0)
    middle = scene.squares[0].middle.round().astype(int)
    picture = numpy.ascontiguousarray(scene.picture[:, middle[0] - 30 :])
    aligned = align(student)
    result = aligned(picture[None])[0]
    assert result.shape == picture.shape and aligned.counts == [1]
    assert (result[:, :20] != picture[:, :20]).any()


def test_pictures_without_faces_come_back_as_they_are(student: SmallStudent) -> None:
    random = numpy.random.default_rng(3)
    pictures = numpy.stack([random.integers(0, 256, (100, 140, 3)), numpy.full((100, 140, 3), 90)]).astype(numpy.uint8)
    aligned = align(student)
    assert numpy.array_equal(aligned(pictures), pictures)
    assert aligned.summary() == {"found": 0, "pictures": 2, "pictures_without": 2}
    assert "2 of them show no face" in aligned.describe()


def test_a_students_many_faces_of_many_pictures_keep_their_places(scenes: list[Scene]) -> None:
    """Pictures and faces go through the student in batches; each must come back to where it was."""
    scene = scenes[2]
    pictures = numpy.stack([scene.picture, scene.picture[:, ::-1], numpy.roll(scene.picture, 17, axis=1)])
    aligned = align(SmallStudent())
    aligned.model = Model(lambda levels: levels // 2, 2, 3, RESOLUTION, "torch", "here")
    aligned.batch, aligned.keep_detail = 4, False
    together = aligned(pictures)
    alone = [aligned(picture[None])[0] for picture in pictures]
    assert numpy.array_equal(together, numpy.stack(alone))
    darker = together[0][scene.interior(1)].mean() / scene.picture[scene.interior(1)].mean()
    assert math.isclose(darker, 0.5, abs_tol=0.03)
