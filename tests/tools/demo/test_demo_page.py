"""The page in a real browser: what it shows is what gdp apply makes, and nobody else is asked for anything."""

from __future__ import annotations

import base64
import functools
import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy
import pytest
from browser import SCHEMES, WIDTHS, Watched, needs_chromium, opened
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from serving import served
from tiny_student import ONE_THREAD, REGISTRY, SIZE

from gdp.core.progress import SilentProgress
from gdp.support.picture_files import read_picture
from gdp.tools.demo.content import write_static
from gdp.tools.demo.making import Request, make_demo
from gdp.tools.demo.server import DemoServer
from gdp.tools.deploy.files import Job
from gdp.tools.deploy.opening import open_model
from gdp.tools.deploy.tiling import Tiling
from gdp.tools.deploy.translating import translate_files
from gdp.tools.deploy.watching import choose_transform, open_watch

pytestmark = needs_chromium
FAR = 2
"""Levels, of 255, that the browser's picture may be from gdp apply's."""


def wait(page: Page, words: str) -> None:
    ended = re.compile(f"{words}|^Not|cannot")
    said = ""
    while not ended.search(said):  # on a busy machine a picture may be translated again meanwhile
        expect(page.locator("#status")).to_have_text(ended)
        said = page.inner_text("#status")
    assert re.search(words, said), page.inner_text("#alert")


def canvas(page: Page, which: str) -> numpy.ndarray:
    """Return what a canvas shows, (H, W, 3)."""
    address = page.evaluate(f"document.getElementById('{which}').toDataURL('image/png')")
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as picture:
        return numpy.asarray(picture.convert("RGB")).astype(int)


def upload(page: Page, file: Path) -> None:
    page.set_input_files("#file", file)
    wait(page, f"{re.escape(file.name)}.*translated")


def applied(run: Path, file: Path, folder: Path, way: str) -> numpy.ndarray:
    """Return what gdp apply writes of a file, (H, W, 3)."""
    model = open_model(REGISTRY, run, engine="onnx", context=ONE_THREAD)
    watch = open_watch(REGISTRY, model, None, resize=way == "resized", strict=False, context=ONE_THREAD)
    transform = choose_transform(model, watch, size=None, keep_detail=True, tiling=Tiling(), batch=8)
    target = folder / f"{file.stem}-{way}.png"
    done = translate_files([Job(file, target)], model, transform, watch, SilentProgress(), lambda: False)
    assert done.applied.written == [target]
    return read_picture(target).on_white().astype(int)


@pytest.fixture(scope="module")
def shared(chromium: Browser, address: str) -> Iterator[Watched]:
    """One page for many tests: to load the engine takes longer than most of them."""
    with opened(chromium, address) as watched:
        wait(watched.page, "sample 1.*translated")
        yield watched


@pytest.fixture
def page(shared: Watched) -> Iterator[Page]:
    """The page, its choices as they are at first."""
    shared.page.check("input[value=wasm]")
    shared.page.check("input[value=resized]")
    yield shared.page
    assert shared.errors == []


def hold_looks(watched: Watched, address: str) -> None:
    """Hold a page, as it is now, against what is promised of every page."""
    assert watched.errors == []
    assert watched.overflow() <= 0
    assert watched.violations() == []
    assert watched.hosts() == {urlsplit(address).netloc}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_is_whole_and_accessible_and_asks_nobody_else(
    chromium: Browser, address: str, uploads: Path, width: int, scheme: str
) -> None:
    with opened(chromium, address, width, scheme) as watched:
        wait(watched.page, "sample 1.*translated")
        hold_looks(watched, address)
        assert any(name.endswith("student.onnx") for name in watched.addresses), "the worker's requests are seen, too"
        watched.page.set_input_files("#file", uploads / "broken.png")
        expect(watched.page.locator("#alert")).to_contain_text("broken.png: this browser can read no picture in it")
        hold_looks(watched, address)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("trained.png", "resized"),
        ("landscape.png", "resized"),
        ("landscape.png", "whole"),
        ("photo.jpg", "resized"),
        ("photo.jpg", "whole"),
        ("turned.jpg", "resized"),
        ("tall.png", "resized"),
        ("tall.png", "whole"),
        ("wide.png", "resized"),
        ("wide.png", "whole"),
    ],
)
def test_the_browsers_picture_is_that_of_gdp_apply(
    page: Page, run: Path, uploads: Path, tmp_path: Path, name: str, way: str
) -> None:
    page.check(f"input[value={way}]")
    upload(page, uploads / name)
    made, expected = canvas(page, "after"), applied(run, uploads / name, tmp_path, way)
    assert made.shape == expected.shape
    assert numpy.abs(made - expected).max() <= FAR
    assert numpy.abs(canvas(page, "before") - made).max() > 5 * FAR, "the student changed something"


def test_this_machines_engine_makes_the_same_picture(page: Page, run: Path, uploads: Path, tmp_path: Path) -> None:
    page.check("input[value=server]")
    expect(page.locator("#times")).to_contain_text("onnxruntime 1")
    upload(page, uploads / "landscape.png")
    expected = applied(run, uploads / "landscape.png", tmp_path, "resized")
    assert numpy.array_equal(canvas(page, "after"), expected)
    expect(page.locator("#stays")).to_have_text("It goes to gdp on this machine, and no further.")


def test_transparent_parts_are_white_to_both_engines(page: Page, uploads: Path) -> None:
    upload(page, uploads / "transparent.png")
    of_browser, before = canvas(page, "after"), canvas(page, "before")
    page.check("input[value=server]")
    expect(page.locator("#times")).to_contain_text("onnxruntime 1")
    wait(page, "transparent.png.*translated")
    assert numpy.abs(before - read_picture(uploads / "transparent.png").on_white().astype(int)).max() <= 1
    assert numpy.abs(of_browser - canvas(page, "after")).max() <= FAR


def test_the_slider_goes_by_keyboard_and_by_pointer(page: Page) -> None:
    slider, before = page.get_by_role("slider"), page.locator("#before")
    slider.focus()
    for key, percent in (("Home", 0), ("ArrowRight", 1), ("End", 100), ("ArrowLeft", 99)):
        page.keyboard.press(key)
        expect(before).to_have_css("clip-path", f"inset(0px {100 - percent}% 0px 0px)")
        expect(slider).to_have_attribute("aria-valuetext", f"{percent} % before, {100 - percent} % after")
    box = page.locator("#stage").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    expect(slider).to_have_value("25")


def test_all_is_reached_by_tab_alone(page: Page) -> None:
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert {"slider", "save", "save-before", "choose", "webcam", "engine", "way"} <= reached


def test_the_webcam_is_translated_live_and_a_kept_picture_exactly(page: Page, run: Path, tmp_path: Path) -> None:
    page.click("#webcam")
    expect(page.locator("#times")).to_contain_text("pictures a second")
    expect(page.locator("#webcam")).to_have_attribute("aria-pressed", "true")
    page.click("#keep")
    wait(page, "webcam.*translated")
    expect(page.locator("#webcam")).to_have_attribute("aria-pressed", "false")
    before = canvas(page, "before")
    assert before.std() > 10, "the pretended camera shows something"
    Image.fromarray(before.astype(numpy.uint8)).save(tmp_path / "kept.png")
    expected = applied(run, tmp_path / "kept.png", tmp_path, "resized")
    assert numpy.abs(canvas(page, "after") - expected).max() <= FAR


def test_pictures_come_by_drop_and_paste(page: Page, uploads: Path) -> None:
    content = base64.b64encode((uploads / "trained.png").read_bytes()).decode()
    for event, name in (("drop", "dropped.png"), ("paste", "pasted.png")):
        page.evaluate(
            """([kind, name, content]) => {
              const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
              const data = new DataTransfer();
              data.items.add(new File([bytes], name, { type: "image/png" }));
              const said = { bubbles: true, cancelable: true, dataTransfer: data, clipboardData: data };
              document.body.dispatchEvent(kind === "drop" ? new DragEvent(kind, said) : new ClipboardEvent(kind, said));
            }""",
            [event, name, content],
        )
        wait(page, f"{name}.*translated")
        assert canvas(page, "before").shape == (SIZE, SIZE, 3)


def test_what_was_made_can_be_saved(page: Page, uploads: Path, tmp_path: Path) -> None:
    upload(page, uploads / "landscape.png")
    with page.expect_download() as coming:
        page.click("#save")
    assert coming.value.suggested_filename == "landscape-after.png"
    coming.value.save_as(tmp_path / "saved.png")
    assert numpy.array_equal(read_picture(tmp_path / "saved.png").levels, canvas(page, "after"))


def test_pictures_far_larger_than_the_students_are_told_of(page: Page, uploads: Path) -> None:
    page.check("input[value=whole]")
    upload(page, uploads / "landscape.png")
    expect(page.locator("#alert")).to_have_text(
        f"It is 8 times larger than the {SIZE} px at which the student was trained."
    )


def test_a_folder_works_from_any_web_server(chromium: Browser, run: Path, uploads: Path, tmp_path: Path) -> None:
    demo, translator = make_demo(
        REGISTRY, Request(run, context=ONE_THREAD, static=True, samples="run"), SilentProgress(), lambda _: None
    )
    assert translator is None
    write_static(demo, tmp_path / "page")
    with folder_server(tmp_path / "page") as address, opened(chromium, address) as watched:
        wait(watched.page, "sample 1.*translated")
        upload(watched.page, uploads / "landscape.png")
        expected = applied(run, uploads / "landscape.png", tmp_path, "resized")
        assert numpy.abs(canvas(watched.page, "after") - expected).max() <= FAR
        expect(watched.page.locator("#times")).to_contain_text("WASM, 1 thread")
        expect(watched.page.locator("input[value=server]")).to_have_count(0)
        hold_looks(watched, address)


def test_without_the_browsers_engine_this_machines_is_the_choice_and_nothing_is_downloaded(
    chromium: Browser, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GDP_CACHE", str(tmp_path / "cache"))
    request = Request(run, context=ONE_THREAD, only_server=True)
    server = DemoServer(*make_demo(REGISTRY, request, SilentProgress(), lambda _: None), port=0)
    with served(server) as address, opened(chromium, address) as watched:
        wait(watched.page, "sample 1.*translated")
        expect(watched.page.locator("#times")).to_contain_text("onnxruntime 1")
        expect(watched.page.locator("input[name=engine]")).to_have_count(1)
        hold_looks(watched, address)
    assert not (tmp_path / "cache").exists()


@contextmanager
def folder_server(folder: Path) -> Iterator[str]:
    """Serve a folder as `python -m http.server` does."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
