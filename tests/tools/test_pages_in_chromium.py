"""Report, sheet and comparison in a real Chromium: both widths, both schemes, keyboard, paper, and without a script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import SCHEMES, WIDTHS, Browser, Page, Watched, needs_chromium, opened, started_chromium
from PIL import Image
from playwright.sync_api import expect
from report_folders import METRICS, write_json, write_png, write_run

from gdp.core.run_folder import RunFolder
from gdp.tools.report import read_folder, write_report
from gdp.tools.select.sheets import Thumbnails, html_sheet
from gdp.tools.select.table import FilterColumns, PairTable
from gdp.tools.side_by_side import compare_runs
from gdp.tools.side_by_side.page import write_page

pytestmark = needs_chromium
COLOURS = {"source": (190, 120, 40), "teacher": (200, 190, 170), "student": (190, 180, 160), "truth": (210, 200, 180)}
PAGES = ("finished", "unfinished", "failed", "sheet", "comparison")


def write_faces(folder: Path, title: str, columns: tuple[str, ...]) -> None:
    """Write rows of pictures as large as the embedded teachers'."""
    entries = []
    for number in range(3):
        names = {column: f"pictures/rows/{number:03d}-{column}.png" for column in columns}
        for column, name in names.items():
            write_png(folder / name, COLOURS[column], (64, 64))
        entries.append({"title": f"{title} / pair {number}", "pictures": names})
    write_json(folder / "pictures/rows.json", entries)


def write_sheet(path: Path) -> None:
    judged = FilterColumns(
        "the-judge",
        ["keep", "drop", "keep"],
        ["", "too young", ""],
        {"age": [30.0, 9.0, 40.0], "skin": ["a", "b", "a"]},
    )
    table = PairTable(
        indices=range(3),
        decisions=["keep", "drop", "pending"],
        filters=["", "the-judge", "the-other"],
        reasons=["", "too young", "not asked yet"],
        splits=["held_out", "", ""],
        judged=[judged],
        funnel=[],
    )
    pictures = tuple((side, Image.new("RGB", (64, 64), COLOURS["source"])) for side in ("source", "target"))
    pairs = (Thumbnails(row, pictures) for row in range(3))
    path.write_text("".join(html_sheet(table, pairs, "ageing", "3 of 3 pairs")), encoding="utf-8")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Address of each page by its name."""
    root = tmp_path_factory.mktemp("pages")
    for name, state in (
        ("finished", "finished"),
        ("unfinished", "stopped"),
        ("failed", "failed"),
        ("other", "finished"),
    ):
        folder = root / name
        write_run(folder)
        write_faces(folder, "Held-out pairs", ("source", "teacher", "student", "truth"))
        about = {"name": "ageing", "state": state, "error": "no space left" if state == "failed" else None}
        write_json(folder / "run.json", {**about, "machine": {"device": "cpu"}, "versions": {"torch": "2.10"}})
        if state in ("stopped", "failed"):
            stages = json.loads((folder / "stages.json").read_text())
            write_json(folder / "stages.json", {stage: stages[stage] for stage in ("teacher", "pairs", "filter")})
        write_report(read_folder(folder))
    recipe = root / "other/recipe.toml"
    recipe.write_text(recipe.read_text().replace("seed = 7", "seed = 8"))
    write_json(root / "other/metrics.json", {**METRICS, "quality": {"held_out": {"psnr_db": 30.0}}})
    write_page(compare_runs([RunFolder(root / name) for name in ("finished", "other")]), root / "comparison.html")
    write_sheet(root / "sheet.html")
    found = {name: root / name / "report.html" for name in PAGES[:3]}
    found |= {name: root / f"{name}.html" for name in PAGES[3:]}
    return {name: path.as_uri() for name, path in found.items()}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with started_chromium() as browser:
        yield browser


@pytest.fixture
def report(chromium: Browser, pages: dict[str, str]) -> Iterator[Page]:
    with opened(chromium, pages["finished"]) as watched:
        yield watched.page
        assert watched.errors == []


def hold_looks(watched: Watched) -> None:
    assert watched.errors == []
    assert watched.overflow() <= 0
    assert watched.violations() == []
    assert watched.hosts() == set()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_pages_can_be_read_by_everybody(
    chromium: Browser, pages: dict[str, str], name: str, width: int, scheme: str
) -> None:
    with opened(chromium, pages[name], width, scheme) as watched:
        watched.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        watched.page.wait_for_function("[...document.images].some((each) => each.complete && each.naturalWidth)")
        hold_looks(watched)


def test_the_slider_goes_by_keyboard_and_by_pointer(report: Page) -> None:
    slider, over = report.get_by_role("slider"), report.locator(".slider .stage img").nth(1)
    expect(slider).to_have_accessible_name("How much is seen of Before; the rest is After")
    slider.focus()
    for key, percent in (("Home", 0), ("ArrowRight", 1), ("End", 100)):
        report.keyboard.press(key)
        expect(over).to_have_css("clip-path", f"inset(0px {100 - percent}% 0px 0px)")
        expect(slider).to_have_attribute("aria-valuetext", f"{percent} % Before, {100 - percent} % After")
    box = report.locator(".slider .stage").bounding_box()
    assert box is not None
    report.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    expect(slider).to_have_value("25")
    assert box["width"] % 64 == 0, "a small picture is enlarged by a whole factor"


def test_another_picture_is_chosen_and_told_apart_from_the_first(report: Page) -> None:
    expect(report.locator(".first-of")).to_contain_text("pair 0: the first of the pictures below")
    report.get_by_role("combobox").select_option(label="Held-out pairs: pair 2")
    expect(report.locator(".first-of")).to_be_hidden()
    expect(report.locator(".slider .stage img").nth(1)).to_have_attribute("alt", "source, Held-out pairs: pair 2")


def test_a_picture_opens_larger_by_the_keyboard_and_closes(report: Page) -> None:
    picture = report.get_by_role("button", name="teacher, Held-out pairs: pair 1")
    picture.focus()
    report.keyboard.press("Enter")
    expect(report.get_by_role("dialog")).to_be_visible()
    expect(report.locator("dialog h3")).to_have_text("Held-out pairs: pair 1")
    assert report.evaluate("axe.run('dialog').then(({ violations }) => violations.length)") == 0
    report.keyboard.press("Escape")
    expect(report.get_by_role("dialog")).to_be_hidden()
    expect(picture).to_be_focused()


def test_on_paper_both_pictures_stand_beside_each_other_and_the_first_page_is_for_itself(report: Page) -> None:
    expect(report.locator(".still")).to_be_hidden()
    report.emulate_media(media="print")
    expect(report.locator(".still")).to_be_visible()
    for gone in (".slider", "nav"):
        expect(report.locator(gone)).to_be_hidden()
    expect(report.locator(".engineers")).to_have_css("break-before", "page")


def test_without_a_script_the_report_is_whole(chromium: Browser, pages: dict[str, str]) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(pages["finished"])
    expect(page.locator(".still img")).to_have_count(2)
    expect(page.locator(".still")).to_be_visible()
    context.close()


def test_the_sheet_sorts_and_shows_what_is_chosen(chromium: Browser, pages: dict[str, str]) -> None:
    with opened(chromium, pages["sheet"]) as watched:
        watched.page.get_by_label("Sort by").select_option("the_judge.age")
        watched.page.get_by_label("largest first").check()
        expect(watched.page.locator("h2").first).to_have_text(re.compile("^#2"))
        watched.page.get_by_label("Show").select_option("drop")
        expect(watched.page.locator("#count")).to_have_text("1 of 3 shown")
        expect(watched.page.locator("article:visible")).to_have_count(1)
        assert watched.errors == []
