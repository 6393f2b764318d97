"""One tiny student, its page, and one Chromium, for all tests of this folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from browser import skipped_without_registry, started_chromium
from PIL import Image
from playwright.sync_api import Browser
from serving import served
from sharing import made_once
from tiny_student import ONE_THREAD, REGISTRY, SIZE, export, make_tiny_run

from gdp.core.progress import SilentProgress
from gdp.tools.demo.content import Demo
from gdp.tools.demo.making import Request, make_demo
from gdp.tools.demo.server import DemoServer
from gdp.tools.demo.translating import Translator


def _make(folder: Path) -> None:
    run = make_tiny_run(folder)
    export(run / "student", "onnx", run / "pictures")
    rows = []
    for number, picture in enumerate(sorted((run / "pictures").glob("*.png"))):
        rows.append({"title": f"pair {number}", "pictures": {"source": f"pictures/{picture.name}"}})
    (run / "pictures" / "rows.json").write_text(json.dumps(rows))
    _write_uploads(folder / "uploads")


def _write_uploads(folder: Path) -> None:
    """Write pictures of several sizes and kinds, smooth enough for JPEG."""
    folder.mkdir()
    coarse = numpy.random.default_rng(3).integers(0, 256, (6, 8, 4), dtype=numpy.uint8)
    smooth = Image.fromarray(coarse, "RGBA").resize((320, 240), Image.Resampling.BICUBIC)
    opaque = smooth.convert("RGB")
    opaque.save(folder / "landscape.png")
    opaque.save(folder / "photo.jpg", quality=95)
    opaque.resize((SIZE, SIZE)).save(folder / "trained.png")
    opaque.resize((41, 130)).save(folder / "tall.png")
    opaque.resize((1100, 48)).save(folder / "wide.png")
    smooth.save(folder / "transparent.png")
    turned = Image.Exif()
    turned[274] = 6
    opaque.save(folder / "turned.jpg", quality=95, exif=turned)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing else")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and pictures to upload."""
    return made_once(tmp_path_factory, "demo", _make)


@pytest.fixture(scope="session")
def run(world: Path) -> Path:
    return world / "run"


@pytest.fixture(scope="session")
def uploads(world: Path) -> Path:
    return world / "uploads"


@pytest.fixture(scope="module")  # its event loop is in the way of whatever else wants one
def chromium() -> Iterator[Browser]:
    with started_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def made(run: Path) -> tuple[Demo, Translator | None]:
    """The page, with both engines."""
    with skipped_without_registry():
        return make_demo(REGISTRY, Request(run, context=ONE_THREAD), SilentProgress(), lambda _: None)


@pytest.fixture(scope="session")
def address(made: tuple[Demo, Translator | None]) -> Iterator[str]:
    """Where the page is served."""
    with served(DemoServer(*made, port=0)) as served_at:
        yield served_at
