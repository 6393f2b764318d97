"""Squares around faces: fitted to landmarks, cut out upright, and pasted back where they were."""

from __future__ import annotations

import math

import numpy
import pytest
from numpy.typing import NDArray

from gdp.core.errors import ShapeError
from gdp.plugins.face_alignment.frames import Frame, ffhq_square
from gdp.support.squares import Made, Square, cut, fit_similarity, paste

RANDOM = numpy.random.default_rng(5)


def square(middle: tuple[float, float], side: float, degrees: float) -> Square:
    angle = math.radians(degrees)
    turn = side * numpy.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return Square(numpy.concatenate([turn, (numpy.array(middle) - turn @ [0.5, 0.5])[:, None]], axis=1))


def smooth_picture(height: int, width: int) -> NDArray[numpy.uint8]:
    across, down = numpy.meshgrid(numpy.arange(width), numpy.arange(height))
    planes = [numpy.sin(across / 9 + phase) + numpy.cos(down / 7 - phase) for phase in (0.0, 1.0, 2.0)]
    return numpy.rint(127.5 + 60 * numpy.stack(planes, axis=2)).astype(numpy.uint8)


def outside(shape: tuple[int, ...], squares: list[Square]) -> NDArray[numpy.bool_]:
    """True where not even a corner of the pixel lies in a square."""
    across, down = numpy.meshgrid(numpy.arange(shape[1]) + 0.5, numpy.arange(shape[0]) + 0.5)
    places = numpy.stack([across, down], axis=2)
    free = numpy.ones(shape[:2], bool)
    for one in squares:
        inverse = one.inverse()
        inner = places @ inverse[:, :2].T + inverse[:, 2]
        free &= (numpy.abs(inner - 0.5) > 0.5 + 1 / one.side).any(axis=2)
    return free


def decibels(first: NDArray[numpy.uint8], second: NDArray[numpy.uint8]) -> float:
    return 10 * math.log10(255**2 / max(numpy.square(first.astype(float) - second).mean(), 1e-9))


def test_a_similarity_is_found_again() -> None:
    for _ in range(20):
        true = square(tuple(RANDOM.uniform(-50, 50, 2)), RANDOM.uniform(1, 90), RANDOM.uniform(-180, 180))
        points = RANDOM.uniform(0, 1, (5, 2))
        assert numpy.allclose(fit_similarity(points, true.at(points)), true.matrix)


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    points = RANDOM.uniform(0, 1, (5, 2))
    assert numpy.linalg.det(fit_similarity(points, points * [-1, 1])[:, :2]) > 0


@pytest.mark.parametrize(
    "points", [numpy.zeros((5, 2)), numpy.full((5, 2), numpy.nan), numpy.array([[1.0, 2.0]])], ids=str
)
def test_points_that_fix_nothing_are_refused(points: NDArray[numpy.float64]) -> None:
    with pytest.raises(ShapeError, match="a similarity needs"):
        fit_similarity(points, numpy.ones_like(points))


def test_ffhqs_square_is_the_published_one() -> None:
    """Eyes 2 apart, the mouth 2 below: sides of 4 times 2, and the middle a tenth of the way from eyes to mouth."""
    upright = numpy.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-0.8, 2.0], [0.8, 2.0]])
    found = ffhq_square(upright)
    assert found.side == pytest.approx(8)
    assert numpy.allclose(found.at(numpy.array([[0.0, 0.0], [1.0, 1.0]])), [[-4.0, -3.8], [4.0, 4.2]])
    long = upright * [1, 2]  # now 3.6 times the distance from eyes to mouth is more
    assert ffhq_square(long).side == pytest.approx(3.6 * 4)
    turned = square((7.0, 9.0), 3.0, 130.0)
    assert numpy.allclose(ffhq_square(turned.at(upright)).matrix, (turned.matrix @ _whole(found.matrix)))


def _whole(matrix: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    return numpy.concatenate([matrix, [[0.0, 0.0, 1.0]]])


def test_an_average_face_fills_its_frame() -> None:
    landmarks = numpy.array([[0.4, 0.5], [0.6, 0.5], [0.5, 0.6], [0.42, 0.7], [0.58, 0.7]])
    true = square((60.0, 50.0), 40.0, 25.0)
    assert numpy.allclose(Frame("mean", landmarks).square(true.at(landmarks)).matrix, true.matrix)


@pytest.mark.parametrize("size", [16, 40, 64, 200])
def test_an_upright_square_of_whole_pixels_is_the_picture_itself(size: int) -> None:
    picture = smooth_picture(96, 120)
    found = cut(picture, square((52.0, 40.0), 64.0, 0.0), size)
    assert found.shape == (size, size, 3)
    whole = picture[8:72, 20:84]
    if size == 64:
        assert numpy.array_equal(found, whole)
    elif size < 64:
        step = 64 / size
        places = ((numpy.arange(size) + 0.5) * step - 0.5).round().astype(int)
        assert decibels(found, whole[places][:, places]) > 24
    assert decibels(cut(found, square((size / 2, size / 2), size, 0.0), 64), whole) > (38 if size >= 40 else 25)


def test_shrinking_averages_and_does_not_pick_pixels() -> None:
    checks = numpy.where(numpy.indices((240, 240)).sum(axis=0) % 2, 255, 0).astype(numpy.uint8)
    picture = numpy.repeat(checks[:, :, None], 3, axis=2)
    for side in (60.0, 100.0, 200.0):
        shrunk = cut(picture, square((120.0, 120.0), side, 30.0), 16)
        assert numpy.abs(shrunk.astype(int) - 127).max() < 45


def test_what_lies_beyond_the_edge_is_mirrored() -> None:
    picture = smooth_picture(40, 50)
    found = cut(picture, square((0.0, 20.0), 40.0, 0.0), 40)
    assert numpy.array_equal(found[:, :20], found[:, 39:19:-1])


@pytest.mark.parametrize("degrees", [0.0, 33.0, 180.0, -120.0])
def test_what_is_cut_and_pasted_unchanged_changes_nothing(degrees: float) -> None:
    picture = RANDOM.integers(0, 256, (90, 110, 3), dtype=numpy.uint8)  # noise: no resampling could bring it back
    place = square((50.0, 48.0), 60.0, degrees)
    crop = cut(picture, place, 32)
    assert numpy.array_equal(paste(picture, [Made(place, crop, crop)], 0.1), picture)


@pytest.mark.parametrize("keep", [True, False])
def test_a_change_appears_in_its_place_and_nowhere_else(keep: bool) -> None:
    picture = smooth_picture(150, 220)
    places = [square((60.0, 70.0), 70.0, 40.0), square((160.0, 80.0), 90.0, -100.0), square((215.0, 5.0), 50.0, 10.0)]
    made = []
    for place in places:
        crop = cut(picture, place, 64)
        made.append(Made(place, 255 - crop, crop if keep else None))
    result = paste(picture, made, 0.1)
    free = outside(picture.shape, places)
    assert 0.1 < free.mean() < 0.9
    assert numpy.array_equal(result[free], picture[free])
    for place in places:
        middle = ~outside(picture.shape, [place.enlarged(0.6)])
        assert decibels(result[middle], 255 - picture[middle]) > 36


def test_the_edge_fades() -> None:
    picture = numpy.zeros((80, 80, 3), numpy.uint8)
    white = numpy.full((40, 40, 3), 255, numpy.uint8)
    row = paste(picture, [Made(square((40.0, 40.0), 60.0, 0.0), white)], 0.2)[40, :, 0].astype(int)
    assert row[9] == 0 and row[10] < 10 and (row[23:57] == 255).all()
    assert (numpy.diff(row[:40]) >= 0).all() and numpy.diff(row).max() < 40


def test_where_squares_overlap_the_nearer_face_counts() -> None:
    picture = numpy.full((60, 120, 3), 128, numpy.uint8)
    dark, light = numpy.zeros((32, 32, 3), numpy.uint8), numpy.full((32, 32, 3), 255, numpy.uint8)
    first, second = square((40.0, 30.0), 50.0, 0.0), square((80.0, 30.0), 50.0, 0.0)
    for order in ([Made(first, dark), Made(second, light)], [Made(second, light), Made(first, dark)]):
        result = paste(picture, order, 0.1)
        assert (result[30, 30:52] < 12).all() and (result[30, 68:90] > 243).all()


def test_a_square_beside_the_picture_changes_nothing() -> None:
    picture = smooth_picture(40, 50)
    beside = Made(square((-200.0, 20.0), 40.0, 12.0), numpy.zeros((16, 16, 3), numpy.uint8))
    assert numpy.array_equal(paste(picture, [beside], 0.1), picture)
    assert numpy.array_equal(paste(picture, [], 0.1), picture)
