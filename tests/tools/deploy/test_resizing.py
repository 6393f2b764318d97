"""`--resize`: what the student makes at its own size comes back at the picture's, and what is finer stays."""

from __future__ import annotations

import numpy
import pytest
from PIL import Image

from gdp.support.interfaces.engines import PictureArray
from gdp.tools.deploy import resizing
from gdp.tools.deploy.models import Model
from gdp.tools.deploy.resizing import FittedPictures

RANDOM = numpy.random.default_rng(6)


class Student:
    """Notes what it is shown, and makes something of it."""

    def __init__(self, adds: int) -> None:
        self.adds = adds
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, pictures: PictureArray) -> PictureArray:
        self.shapes.append(pictures.shape)
        return (pictures.astype(numpy.int16) + self.adds).clip(0, 255).astype(numpy.uint8)


def model(student: Student) -> Model:
    return Model(student, 4, 3, 64, "test", "here")


def detailed(height: int, width: int) -> PictureArray:
    return RANDOM.integers(60, 190, (2, height, width, 3), dtype=numpy.uint8)


@pytest.mark.parametrize("shape", [(64, 64), (64, 80), (300, 200), (30, 41), (1100, 90), (1, 40)])
def test_a_student_that_changes_nothing_changes_nothing(shape: tuple[int, int]) -> None:
    pictures = detailed(*shape)
    assert numpy.array_equal(FittedPictures(model(Student(0)))(pictures), pictures)


def test_the_change_is_pasted_and_the_detail_stays() -> None:
    pictures = detailed(300, 200)
    made = FittedPictures(model(Student(40)))(pictures)
    assert numpy.abs(made.astype(int) - (pictures.astype(int) + 40)).max() <= 1
    replaced = FittedPictures(model(Student(40)), keep_detail=False)(pictures)
    assert replaced.shape == pictures.shape
    assert replaced.std() < pictures.std() / 2


def test_the_student_is_shown_as_many_pixels_as_it_was_trained_on() -> None:
    student = Student(0)
    FittedPictures(model(student))(detailed(1000, 1000))
    FittedPictures(model(student))(detailed(500, 2000))
    FittedPictures(model(student))(detailed(20, 20))
    assert student.shapes == [(1, 64, 64, 3)] * 2 + [(1, 32, 128, 3)] * 2 + [(1, 64, 64, 3)] * 2


def test_large_pictures_are_put_together_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = numpy.asarray(Image.fromarray(detailed(9, 7)[0]).resize((210, 333), Image.Resampling.BICUBIC))[None]

    class Inverting(Student):
        def __call__(self, pictures: PictureArray) -> PictureArray:
            return 255 - pictures

    whole = FittedPictures(model(Inverting(0)))(picture)
    monkeypatch.setattr(resizing, "ROWS", 50)
    parts = FittedPictures(model(Inverting(0)))(picture)
    assert numpy.array_equal(parts, whole)
    assert numpy.abs(whole.astype(int) - (255 - picture.astype(int))).mean() < 6
