"""How much memory `gdp apply` takes does not depend on how many pictures there are: a bound holds them."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from forked import processes
from PIL import Image

from gdp.core.memory import MemoryBound
from gdp.core.progress import SilentProgress
from gdp.support.measuring import forget_peak, peak_bytes, present_bytes
from gdp.support.picture_files import WORK_BYTES
from gdp.tools.deploy.applying import Application, apply_to_pictures, whole_pictures
from gdp.tools.deploy.files import Job
from gdp.tools.deploy.models import Model
from gdp.tools.deploy.tiling import Tiling

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not forget_peak(), reason="the system does not measure the peak anew"),
]
HEIGHT, WIDTH = 2000, 3000
PIXELS = HEIGHT * WIDTH
TILING = Tiling(tile=256, overlap=16)
STRIP = 256 * WIDTH * (12 + 4 + 12)
"""Bytes of the rows to which tiles still add: sums, weights, and a passing copy."""


def invert(pictures: numpy.ndarray) -> numpy.ndarray:
    return 255 - pictures


def _measure(folder: Path, count: int, bound: int, answer: Path) -> None:
    model = Model(invert, 8, 3, 64, "none", "a test")
    jobs = [Job(folder / "photo.png", folder / answer.stem / f"{number}.tif") for number in range(count)]
    Image.open(folder / "photo.png").crop((0, 0, 64, 64)).load()  # what Pillow imports counts as idle
    idle = present_bytes()
    forget_peak()
    applied = apply_to_pictures(
        jobs, Application(whole_pictures(model, TILING), batch=1), SilentProgress(), memory=MemoryBound(bound)
    )
    peak = peak_bytes()
    assert len(applied.written) == count and peak is not None and idle is not None
    answer.write_text(str(peak - idle))


def beside(folder: Path, count: int, bound: int) -> int:
    answer = folder / f"{count}-{bound}.txt"
    process = processes.Process(target=_measure, args=(folder, count, bound, answer))
    process.start()
    process.join()
    assert process.exitcode == 0
    return int(answer.read_text())


def test_the_memory_is_bounded_and_the_pictures_are_the_same(tmp_path: Path) -> None:
    across = numpy.linspace(0, 255, WIDTH)[None, :, None] * numpy.linspace(0.2, 1, HEIGHT)[:, None, None]
    Image.fromarray((across * [1.0, 0.7, 0.4]).astype(numpy.uint8)).save(tmp_path / "photo.png", compress_level=1)
    one = beside(tmp_path, 1, 1)
    alone = beside(tmp_path, 5, 1)
    three = beside(tmp_path, 5, 3 * PIXELS * WORK_BYTES)
    assert one < PIXELS * WORK_BYTES + STRIP, f"{one / PIXELS:.1f} bytes a pixel"
    assert alone < 1.3 * one, "one picture at a time, however many there are"
    # A quarter is what allocators keep of what was given back.
    assert three < 1.25 * 3 * PIXELS * WORK_BYTES + STRIP, "what is in work keeps to the bound"
    expected = invert(numpy.asarray(Image.open(tmp_path / "photo.png")))
    for folder in (tmp_path / "5-1", tmp_path / f"5-{3 * PIXELS * WORK_BYTES}"):
        for number in range(5):
            assert numpy.array_equal(numpy.asarray(Image.open(folder / f"{number}.tif")), expected)
