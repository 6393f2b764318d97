"""Pictures of any size: what is padded is cut off again, and tiles meet without a seam."""

from __future__ import annotations

import tracemalloc

import numpy
import pytest
from numpy.typing import NDArray

from gdp.core.errors import UsageError
from gdp.tools.deploy import tiling
from gdp.tools.deploy.tiling import Sizes, Tiling, pictures_together, reflected, translate_any_size

RANDOM = numpy.random.default_rng(3)


class Recorder:
    """Inverts pictures, and keeps the sizes that it was given."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def __call__(self, pictures: NDArray[numpy.uint8]) -> NDArray[numpy.uint8]:
        self.sizes.append((pictures.shape[1], pictures.shape[2]))
        return 255 - pictures[..., :3]


def picture(height: int, width: int, channels: int = 3) -> NDArray[numpy.uint8]:
    return RANDOM.integers(0, 256, (2, height, width, channels), dtype=numpy.uint8)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 70), (1, 1), (3, 200), (100, 64), (257, 130)])
@pytest.mark.parametrize("channels", [3, 6])
def test_every_pixel_comes_back_at_its_place(height: int, width: int, channels: int) -> None:
    pictures, invert = picture(height, width, channels), Recorder()
    made = translate_any_size(invert, pictures, Sizes(8), Tiling(tile=64, overlap=16))
    assert numpy.array_equal(made, 255 - pictures[..., :3])
    assert all(rows % 8 == 0 and columns % 8 == 0 for rows, columns in invert.sizes)
    assert all(rows <= 64 and columns <= 64 for rows, columns in invert.sizes)


def test_tiles_fade_into_each_other() -> None:
    values = iter((0, 200))

    def flat(pictures: NDArray[numpy.uint8]) -> NDArray[numpy.uint8]:
        return numpy.full_like(pictures, next(values))

    row = translate_any_size(flat, picture(64, 112), Sizes(8), Tiling(tile=64, overlap=16))[0, 10, :, 0].astype(int)
    assert row[0] == 0
    assert row[-1] == 200
    steps = numpy.diff(row)
    assert (steps >= 0).all()
    assert steps.max() <= 200 / 16 + 1


def test_tiles_smaller_than_their_overlap_are_refused() -> None:
    with pytest.raises(UsageError, match="twice as large"):
        Tiling(tile=64, overlap=40)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 16])
def test_padding_is_numpys_reflection_however_far_it_reaches(size: int) -> None:
    row = numpy.arange(size)
    for wanted in range(size, 50):
        assert numpy.array_equal(row[reflected(size, wanted)], numpy.pad(row, (0, wanted - size), mode="reflect"))


def whole_sums(pictures: NDArray[numpy.uint8], settings: Tiling) -> NDArray[numpy.uint8]:
    """Every tile added to sums of the whole pictures' size, as is simple and takes 16 bytes a pixel."""
    height, width = pictures.shape[1:3]
    step, overlap = settings.tile, settings.overlap
    summed = numpy.zeros(pictures.shape, numpy.float32)
    weights = numpy.zeros((1, height, width, 1), numpy.float32)
    for top in tiling._starts(height, step, overlap):
        for left in tiling._starts(width, step, overlap):
            rows, columns = slice(top, min(top + step, height)), slice(left, min(left + step, width))
            tile = pictures[:, rows, columns] // 2 + numpy.uint8(top % 100)
            fade = tiling._fade(tile.shape[1], tile.shape[2], overlap, rows, columns, (height, width))
            summed[:, rows, columns] += tile * fade
            weights[:, rows, columns] += fade
    return numpy.rint(summed / weights).astype(numpy.uint8)


@pytest.mark.parametrize(("height", "width"), [(65, 64), (97, 130), (128, 70), (250, 65), (64, 200), (400, 90)])
@pytest.mark.parametrize("overlap", [0, 16, 31, 32])
def test_strips_of_tiles_make_the_bits_of_the_whole_sums(height: int, width: int, overlap: int) -> None:
    pictures, settings = picture(height, width), Tiling(64, overlap)
    tops = iter([top for top in tiling._starts(height, 64, overlap) for _ in tiling._starts(width, 64, overlap)])
    made = translate_any_size(lambda tile: tile // 2 + numpy.uint8(next(tops) % 100), pictures, Sizes(1), settings)
    assert numpy.array_equal(made, whole_sums(pictures, settings))


def test_a_high_picture_takes_no_more_floats_than_a_strip() -> None:
    pictures = numpy.zeros((1, 16384, 128, 3), numpy.uint8)  # 2 Mi pixels
    tracemalloc.start()
    translate_any_size(lambda tile: 255 - tile, pictures, Sizes(1), Tiling(64, 16))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * pictures.size / 3, "the result itself is 3 bytes a pixel"


def test_large_pictures_go_through_the_network_by_themselves() -> None:
    assert pictures_together(8, 64, 64) == pictures_together(8, 1024, 1024) == 8
    assert pictures_together(8, 1500, 2000) == 2
    assert pictures_together(8, 3000, 4000) == pictures_together(8, 20000, 30000) == 1
    assert pictures_together(1, 64, 64) == 1


@pytest.mark.parametrize(
    ("multiple", "resolution", "size", "fits"),
    [
        (4, 64, 1, 16),
        (4, 64, 17, 20),
        (16, 64, 16, 32),
        (16, 64, 33, 48),
        (32, 64, 1, 64),
        (48, 48, 1, 48),
        (4, 8, 1, 16),
    ],
)
def test_small_pictures_are_brought_to_a_size_that_deep_students_take(
    multiple: int, resolution: int, size: int, fits: int
) -> None:
    assert Sizes.of(multiple, resolution).fitting(size) == fits
