"""A report of large pictures stays small, leads to its originals, and can be read without them."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy
import pytest
from PIL import Image
from report_folders import write_json, write_png, write_run
from report_pages import Page, page_of

from gdp.tools.report import pictures, read_folder
from gdp.tools.report.pictures import FINENESSES

LIMIT = 15_000_000
SIZE = 1024


def photo(seed: int, size: int = SIZE, columns: int = 1, rows: int = 1) -> Image.Image:
    """As hard to compress as a photograph of a face: shades, edges, and fine grain on some of it."""
    random = numpy.random.default_rng(seed)
    shades = Image.fromarray(random.integers(0, 255, (12, 12, 3), dtype=numpy.uint8)).resize((size, size), 3)
    grain = random.normal(0, 6, (size, size, 1)) * numpy.linspace(0, 2, size)[:, None, None]
    cell = (numpy.asarray(shades, dtype=numpy.float64) + grain).clip(0, 255).astype(numpy.uint8)
    return Image.fromarray(numpy.tile(cell, (rows, columns, 1)))


def save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, compress_level=1)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    for seed in range(3):
        save(photo(seed), folder / f"{seed}.png")
    save(photo(9, 512, columns=3, rows=4), folder / "grid.png")
    return folder


@pytest.fixture(scope="module")
def large_run(tmp_path_factory: pytest.TempPathFactory, originals: Path) -> Path:
    """Ten held-out pairs of 1024 px, four of the slow route, rejects, and grids of 512 px."""
    run_folder = tmp_path_factory.mktemp("large") / "ageing"
    write_run(run_folder)
    entries = []
    for number in range(14):
        heading, columns = (
            ("Held-out pairs", ("source", "teacher", "student")) if number < 10 else
            ("The slow route", ("source", "teacher", "student", "slow route"))
        )  # fmt: skip
        names = {}
        for place, column in enumerate(columns):
            names[column] = f"pictures/rows/{number:03d}-{column.replace(' ', '-')}.png"
            shutil.copyfile(originals / f"{(number + place) % 3}.png", run_folder / names[column])
        entries.append({"title": f"{heading} / pair {number}", "pictures": names})
    write_json(run_folder / "pictures/rows.json", entries)
    for side in ("source", "target"):
        shutil.copyfile(originals / "0.png", run_folder / f"pictures/rejects/{side}.png")
    for grid in run_folder.glob("train/abc/samples/*.png"):
        shutil.copyfile(originals / "grid.png", grid)
    return run_folder


@pytest.fixture(scope="module")
def large_page(large_run: Path) -> Page:
    return page_of(large_run)


@pytest.fixture
def few_large(run_folder: Path, originals: Path) -> Path:
    """One pair of 1024 px and what else a run has, small."""
    for number, column in enumerate(("source", "teacher", "student")):
        shutil.copyfile(originals / f"{number}.png", run_folder / f"pictures/rows/000-{column}.png")
    return run_folder


def embedded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_a_report_of_1024_px_pictures_has_at_most_15_mb_and_leads_to_the_originals(
    large_run: Path, large_page: Page
) -> None:
    page = large_page
    originals = list(large_run.rglob("*.png"))
    assert sum(path.stat().st_size for path in originals) > 5 * LIMIT
    assert (large_run / "report.html").stat().st_size < LIMIT
    links = [str(link["href"]) for link in page.all("a") if not str(link["href"]).startswith("#")]
    first, shown = page.all("img")[:2], page.all("img")[2:]
    assert [image["src"] for image in first] == [shown[0]["src"], shown[2]["src"]], "source and student, on paper"
    assert len(links) == len(shown) == 10 * 3 + 4 * 4 + 2 + 3
    for link, image in zip(links, shown, strict=True):
        path = large_run / unquote(link)
        assert not Path(link).is_absolute() and ".." not in link
        assert path.is_file()
        with Image.open(path) as original:
            shown = embedded(str(image["src"]))
            assert shown.width < original.width
            assert shown.width / shown.height == pytest.approx(original.width / original.height, rel=0.01)
            near = numpy.asarray(original.convert("RGB").resize(shown.size, Image.Resampling.BOX), dtype=float)
        error = numpy.abs(numpy.asarray(shown.convert("RGB"), dtype=float) - near).mean()
        assert error < 4, "it shows what it leads to"
    assert "Each leads to the one that was made" in page.text


def test_a_fine_screen_has_a_pixel_for_each_of_its_own(large_page: Page) -> None:
    for image in large_page.all("img"):
        shown = embedded(str(image["src"]))
        assert shown.width == 2 * int(str(image["width"]))
        assert "class" not in image


def test_the_report_of_large_pictures_can_be_read_without_them(large_page: Page) -> None:
    assert all(str(image["src"]).startswith("data:image/webp;base64,") for image in large_page.all("img"))


def test_small_pictures_stand_in_the_report_byte_by_byte(run_folder: Path) -> None:
    write_png(run_folder / "pictures/rows/000-source.png", size=(64, 64))
    page = page_of(run_folder)
    shown = next(image for image in page.all("img") if image.get("data-label") == "source")
    content = base64.b64decode(str(shown["src"]).partition(",")[2])
    assert content == (run_folder / "pictures/rows/000-source.png").read_bytes()
    assert (shown["width"], shown["class"]) == ("64", "pixelated")
    assert not [link for link in page.all("a") if not str(link["href"]).startswith("#")]
    assert "Each leads to" not in page.text


def test_many_pictures_are_shown_smaller_so_that_the_page_stays_in_its_bound(
    few_large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine = pictures.embed_pictures(read_folder(few_large))
    whole = sum(len(picture.uri) for picture in fine.all)
    monkeypatch.setattr(pictures, "LARGEST", whole // 3)
    coarse = pictures.embed_pictures(read_folder(few_large))
    assert sum(len(picture.uri) for picture in coarse.all) <= whole // 3
    assert len(coarse.all) == len(fine.all)
    assert {picture.width for picture in coarse.all if picture.original} <= {one.widest // 2 for one in FINENESSES[1:]}


def test_a_picture_that_is_cut_short_leaves_a_hole_and_the_rest_is_shown(few_large: Path) -> None:
    path = few_large / "pictures/rows/000-teacher.png"
    path.write_bytes(path.read_bytes()[:100_000])
    bomb = b"\x89PNG\r\n\x1a\n" + bytes.fromhex("0000000d49484452000f4240000f42400802000000") + bytes(40)
    (few_large / "pictures/rows/000-student.png").write_bytes(bomb)
    page = page_of(few_large)
    assert len(page.all("img")) == 1 + 2 + 3, "without the student's picture there is no slider"
    assert len([division for division in page.all("div") if division.get("class") == "hole"]) == 2
