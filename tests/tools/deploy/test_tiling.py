"""Pictures of any size: what is padded is cut off again, and tiles meet without a seam."""

from __future__ import annotations

import numpy
import pytest
from numpy.typing import NDArray

from gdp.core.errors import ShapeError
from gdp.tools.deploy.tiling import Tiling, translate_any_size

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
    made = translate_any_size(invert, pictures, 8, Tiling(tile=64, overlap=16))
    assert numpy.array_equal(made, 255 - pictures[..., :3])
    assert all(rows % 8 == 0 and columns % 8 == 0 for rows, columns in invert.sizes)
    assert all(rows <= 64 and columns <= 64 for rows, columns in invert.sizes)


def test_tiles_fade_into_each_other() -> None:
    values = iter((0, 200))

    def flat(pictures: NDArray[numpy.uint8]) -> NDArray[numpy.uint8]:
        return numpy.full_like(pictures, next(values))

    row = translate_any_size(flat, picture(64, 112), 8, Tiling(tile=64, overlap=16))[0, 10, :, 0].astype(int)
    assert row[0] == 0
    assert row[-1] == 200
    steps = numpy.diff(row)
    assert (steps >= 0).all()
    assert steps.max() <= 200 / 16 + 1


def test_tiles_smaller_than_their_overlap_are_refused() -> None:
    with pytest.raises(ShapeError, match="twice as large"):
        Tiling(tile=64, overlap=40)
