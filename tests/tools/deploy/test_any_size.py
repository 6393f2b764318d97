"""Pictures of any size, the smallest included: gdp.load and gdp.deploy make the same of them, for shallow and deep."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from PIL import Image
from tiny_student import make_tiny_student

import gdp

SIZES = [(1, 1), (1, 90), (16, 16), (17, 5), (50, 70)]


@pytest.fixture(
    scope="module", params=[("resnet", {}), ("pix2pixhd", {"downsamplings": 4}), ("pix2pixhd", {"downsamplings": 5})]
)
def student(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    plugin, settings = request.param
    return make_tiny_student(tmp_path_factory.mktemp("any-size"), plugin, 64, **settings)


@pytest.mark.filterwarnings("ignore::gdp.OutOfDepthWarning")
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_loaded_and_deployed_students_make_the_same_of_small_pictures(student: Path, height: int, width: int) -> None:
    picture = numpy.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=numpy.uint8)
    deployed = gdp.deploy(student, engine="torch")(picture)
    loaded = gdp.load(student)
    assert deployed.shape == picture.shape
    assert numpy.abs(loaded(picture).astype(int) - deployed).max() <= 1
    assert loaded(Image.fromarray(picture)).size == (width, height)
