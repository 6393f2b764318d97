"""A real Chromium, as Debian packages it, for tests of pages; where there is none those are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from gdp.core.errors import MissingResourceError
from gdp.support.downloads.npm import NpmPackage, npm_files
from gdp.support.weights import cache_folder

AXE = NpmPackage(
    "axe-core",
    "4.14.1",
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    {"axe.min.js": "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"},
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian's package chromium)")
WIDTHS = (390, 1280)
PATIENCE = 60_000
"""Milliseconds until what is waited for is given up, on however busy a machine."""
SCHEMES = ("light", "dark")


@dataclass
class Watched:
    """A page, and what went wrong on it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    """Of the console, and scripts' own."""
    addresses: list[str] = field(default_factory=list)
    """Of all that was asked for, by the page and its workers."""

    def hosts(self) -> set[str]:
        """Return the hosts that were asked; what stands in an address itself is of none."""
        return {urlsplit(address).netloc for address in self.addresses} - {""}

    def overflow(self) -> int:
        """Return how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def violations(self) -> list[str]:
        """Return what axe-core finds against WCAG, and against good practice, in the page as it is now."""
        found = self.page.evaluate("axe.run().then(({ violations }) => violations)")
        return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found]


@contextmanager
def started_chromium() -> Iterator[Browser]:
    """Start Chromium; its camera is a pretended one."""
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", *camera]  # tests run as root, where the sandbox cannot
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, address: str, width: int = 1280, scheme: str = "light") -> Iterator[Watched]:
    """Open a page in a window of so many pixels."""
    context: BrowserContext = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
        accept_downloads=True,
    )
    context.set_default_timeout(PATIENCE)
    context.add_init_script(_axe())
    watched = Watched(context.new_page())
    context.on("request", lambda request: watched.addresses.append(request.url))
    watched.page.on("console", lambda said: watched.errors.append(said.text) if said.type == "error" else None)
    watched.page.on("pageerror", lambda error: watched.errors.append(str(error)))
    try:
        watched.page.goto(address)
        yield watched
    finally:
        context.close()


@contextmanager
def skipped_without_registry() -> Iterator[None]:
    """Skip a test whose packages are neither in the cache nor to be had; a package that is another one fails it."""
    try:
        yield
    except MissingResourceError as error:
        pytest.skip(str(error))


@cache
def _axe() -> str:
    with skipped_without_registry():
        files = npm_files(AXE, cache_folder(), advice="run the tests where the npm registry can be reached")
    return Path(files["axe.min.js"]).read_text()
