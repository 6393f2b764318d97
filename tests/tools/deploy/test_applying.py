"""Files are read ahead, translated together and written behind, within bounds; one that fails ends nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy
import pytest
from PIL import Image

from gdp.core.errors import GdpError
from gdp.core.memory import MemoryBound
from gdp.core.progress import SilentProgress
from gdp.support.picture_files import WORK_BYTES, PictureFile, read_picture
from gdp.tools.deploy import applying
from gdp.tools.deploy.applying import Application, Applied, apply_to_pictures, require_all
from gdp.tools.deploy.files import Job

RANDOM = numpy.random.default_rng(8)


def write_picture(path: Path, height: int, width: int, bands: int = 3) -> Path:
    Image.fromarray(RANDOM.integers(0, 256, (height, width, bands), dtype=numpy.uint8)).save(path)
    return path


def jobs_of(folder: Path, sizes: Sequence[tuple[int, int]], suffix: str = ".png") -> list[Job]:
    sources = [write_picture(folder / f"{number:02}.png", *size) for number, size in enumerate(sizes)]
    return [Job(source, folder / "out" / f"{source.stem}{suffix}") for source in sources]


def levels_of(path: Path) -> numpy.ndarray:
    with Image.open(path) as picture:
        return numpy.asarray(picture)


def apply(
    jobs: Sequence[Job],
    transform: Callable[[numpy.ndarray], numpy.ndarray],
    batch: int = 8,
    pixels: int | None = None,
) -> Applied:
    """Translate files; so many pixels may be in work at once."""
    memory = None if pixels is None else MemoryBound(pixels * WORK_BYTES)
    return apply_to_pictures(jobs, Application(transform, batch=batch), SilentProgress(), memory=memory)


@dataclass(frozen=True)
class HeldJob:
    """A file that is not written before the next batch is under way."""

    source: Path
    place: Path
    next_batch: threading.Event

    @property
    def target(self) -> Path:
        if threading.current_thread() is not threading.main_thread():
            assert self.next_batch.wait(20), "the next batch was not begun before this file was written"
        return self.place


def test_files_are_written_while_the_next_batch_is_translated(tmp_path: Path) -> None:
    batches = [threading.Event() for _ in range(4)]
    batches[3].set()  # nothing follows the last
    jobs = jobs_of(tmp_path, [(8, 8)] * 6)
    held = [HeldJob(job.source, job.target, batches[number // 2 + 1]) for number, job in enumerate(jobs)]
    begun = 0

    def invert(pictures: numpy.ndarray) -> numpy.ndarray:
        nonlocal begun
        there = sum(job.target.exists() for job in jobs)
        assert there >= 2 * (begun - 1), "the memory is enough for a batch that is written beside the present one"
        batches[begun].set()
        begun += 1
        return 255 - pictures

    applied = apply(held, invert, batch=2, pixels=4 * 8 * 8)  # type: ignore[arg-type] # a job in all that is asked of it
    assert applied.written == [job.target for job in jobs]
    assert all(numpy.array_equal(levels_of(job.target), 255 - levels_of(job.source)) for job in jobs)


def test_batches_hold_so_many_pixels_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gdp.tools.deploy.tiling.BATCH_PIXELS", 1000)
    shapes: list[tuple[int, ...]] = []

    def keep(pictures: numpy.ndarray) -> numpy.ndarray:
        shapes.append(pictures.shape[:3])
        return pictures

    jobs = jobs_of(tmp_path, [(10, 10)] * 9 + [(20, 20)] * 3 + [(60, 40)] * 2)
    applied = apply(jobs, keep, batch=4)
    assert sorted(shapes) == [(1, 10, 10), (1, 20, 20), (1, 60, 40), (1, 60, 40), (2, 20, 20), (4, 10, 10), (4, 10, 10)]
    assert sorted(applied.written) == [job.target for job in jobs]


@pytest.mark.parametrize(("pixels", "ahead"), [(1000, 1), (1300, 2), (1, 0)])
def test_what_is_in_work_is_bounded_by_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int, ahead: int
) -> None:
    read: list[Path] = []

    def counting(path: Path, memory: MemoryBound) -> PictureFile:
        read.append(path)
        return read_picture(path, memory)

    monkeypatch.setattr(applying, "read_picture", counting)
    translated = 0

    def keep(pictures: numpy.ndarray) -> numpy.ndarray:
        nonlocal translated
        translated += len(pictures)
        assert len(read) <= translated + ahead, "one picture may exceed the bound, and nothing else is in work then"
        return pictures

    apply(jobs_of(tmp_path, [(20, 20)] * 8), keep, batch=1, pixels=pixels)
    assert translated == len(read) == 8


def test_a_picture_beyond_the_bound_is_told_once_and_translated(tmp_path: Path) -> None:
    class Messages(SilentProgress):
        told: ClassVar[list[str]] = []

        def message(self, text: str) -> None:
            self.told.append(text)

    jobs, memory = jobs_of(tmp_path, [(20, 20)] * 3), MemoryBound(1000)
    applied = apply_to_pictures(jobs, Application(lambda pictures: pictures), Messages(), memory=memory)
    assert len(applied.written) == 3
    (told,) = Messages.told
    assert "00.png take about 5 kB each while they are worked on, and the memory for them is 1 kB" in told


def test_pictures_of_many_sizes_do_not_fill_the_memory(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, [(10, 10 + number) for number in range(12)])
    seen: list[int] = []

    def keep(pictures: numpy.ndarray) -> numpy.ndarray:
        seen.append(len(pictures))
        return pictures

    assert len(apply(jobs, keep, pixels=500).written) == len(seen) == 12


def test_a_picture_too_large_for_the_memory_is_told_and_keeps_no_other_from_being_written(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, [(8, 8)] * 3)
    bad = levels_of(jobs[1].source)

    def too_large(pictures: numpy.ndarray) -> numpy.ndarray:
        if (pictures == bad).all():
            raise MemoryError
        return pictures

    applied = apply(jobs, too_large, batch=1)
    assert applied.written == [jobs[0].target, jobs[2].target]
    with pytest.raises(GdpError, match=r"01\.png: a picture of 8 x 8 px did not fit into memory\. Lower --tile"):
        require_all(applied)


def test_a_file_that_cannot_be_written_keeps_no_other_from_being_written(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, [(8, 8), (8, 17000), (8, 8)], ".webp")  # a format of at most 16383 pixels a side
    applied = apply(jobs, lambda pictures: pictures)
    assert sorted(applied.written) == [jobs[0].target, jobs[2].target]
    (failed,) = applied.failed
    assert (failed.path, failed.what) == (jobs[1].source, "written")
    with pytest.raises(GdpError, match=r"1 of the inputs could not be written, the others are written: .*17000 x 8"):
        require_all(applied)


def test_a_picture_that_cannot_be_translated_keeps_no_other_from_being_translated(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, [(8, 8)] * 5)
    bad = levels_of(jobs[2].source)

    def refuse(pictures: numpy.ndarray) -> numpy.ndarray:
        if (pictures == bad).all(axis=(1, 2, 3)).any():
            raise GdpError("nobody can look at this")
        return 255 - pictures

    (tmp_path / "damaged.png").write_bytes(b"no picture")
    applied = apply([*jobs, Job(tmp_path / "damaged.png", tmp_path / "out" / "damaged.png")], refuse)
    assert applied.written == applied.translated == [job.target for job in (*jobs[:2], *jobs[3:])]
    assert {(failed.path.name, failed.what) for failed in applied.failed} == {
        ("02.png", "translated"), ("damaged.png", "read"),
    }  # fmt: skip
    with pytest.raises(GdpError, match="2 of the inputs could not be read or translated"):
        require_all(applied)


def test_networks_are_shown_transparent_pictures_on_white_and_alpha_is_kept(tmp_path: Path) -> None:
    source = write_picture(tmp_path / "cut.png", 24, 32, 4)
    given = levels_of(source).copy()
    given[:4, :, 3], given[4:8, :, 3] = 0, 255
    Image.fromarray(given).save(source)
    seen: list[numpy.ndarray] = []

    def darken_the_left(pictures: numpy.ndarray) -> numpy.ndarray:
        seen.append(pictures[0])
        made = pictures.copy()
        made[:, :, :16] //= 2
        return made

    jobs = [Job(source, tmp_path / "out" / name) for name in ("cut.png", "cut.jpg")]
    assert len(apply(jobs, darken_the_left, batch=1).written) == 2
    alpha = given[..., 3:].astype(float) / 255
    assert numpy.abs(seen[0] - (given[..., :3] * alpha + 255 * (1 - alpha))).max() <= 1, "as in training"
    made = levels_of(tmp_path / "out/cut.png")
    assert numpy.array_equal(made[..., 3], given[..., 3])
    assert numpy.array_equal(made[:, 16:], given[:, 16:]), "what was left as it was keeps its hidden colours, too"
    assert numpy.array_equal(made[4:8, :16, :3], given[4:8, :16, :3] // 2)
    assert (levels_of(tmp_path / "out/cut.jpg")[:4, 20:28] > 200).all(), "without alpha there is white"


def test_each_file_that_failed_has_a_line_and_others_are_told_only_where_there_are_some(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, [(8, 8)] * 7)

    def refuse(pictures: numpy.ndarray) -> numpy.ndarray:
        raise GdpError("nobody can look at this")

    with pytest.raises(GdpError) as caught:
        require_all(apply(jobs, refuse, batch=1))
    heading, *lines = str(caught.value).splitlines()
    assert heading == "7 of the inputs could not be translated, nothing is written:"
    assert lines[0] == f"  {jobs[0].source}: nobody can look at this"
    assert lines[5:] == ["  and 2 more"]
