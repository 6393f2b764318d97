"""The docs site in a real Chromium: both widths, both schemes, no error, no overflow, no violation of axe-core."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browser import SCHEMES, WIDTHS, Browser, needs_chromium, opened, started_chromium
from playwright.sync_api import expect

PAGES = ("index", "own_stylegan", "api_stability")
"""Pictures and a drawing, a recipe and tables, Python: what the other pages are made of, too."""

pytestmark = [pytest.mark.process, needs_chromium]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_chromium() as chromium:
        yield chromium


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", PAGES)
def test_pages_can_be_read_by_everybody(browser: Browser, address: str, page: str, width: int, scheme: str) -> None:
    with opened(browser, f"{address}/{page}.html", width=width, scheme=scheme) as watched:
        watched.page.wait_for_load_state("networkidle")
        assert watched.errors == []
        assert watched.overflow() <= 0
        assert watched.hosts() == {urlsplit(address).netloc}
        assert watched.violations() == []


def test_the_search_finds_a_setting(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/index.html") as watched:
        watched.page.locator(".md-search__input").press_sequentially("min_sharpness")  # it listens to keys, not input
        first = watched.page.locator(".md-search-result__link").first
        expect(first).to_have_attribute("href", re.compile(r"plugins\.html"))
        assert watched.errors == []
