"""The docs site: built with warnings as errors, whole, and without a request to another host."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_pages import DOCS

from gdp.registry import PluginRegistry
from gdp.registry.commands import built_in_commands

LOADED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
"""Elements that a browser loads something for, and the attribute that says what."""

pytestmark = pytest.mark.process


class Loads(HTMLParser):
    """Collects what a page makes a browser load, and its headings' levels."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.titles = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in LOADED and not (tag == "link" and given.get("rel") in ("prev", "next", "canonical")):
            self.found.append(given.get(LOADED[tag]) or "")
        self.titles += tag == "h1"


def test_pages_load_nothing_from_other_hosts(site: Path) -> None:
    for page in site.rglob("*.html"):
        loads = Loads()
        loads.feed(page.read_text())
        assert loads.found
        for address in filter(None, loads.found):
            assert not re.match(r"(\w+:)?//", address), f"{page.name} loads {address}"
            file = site / address.removeprefix("/") if address.startswith("/") else page.parent / address
            assert file.exists(), f"{page.name}: {address} is not there"
    for style in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(\w+:)?//", style.read_text()), style.name


def test_every_page_of_the_docs_is_there_with_one_title(site: Path) -> None:
    for page in DOCS.glob("*.md"):
        loads = Loads()
        loads.feed((site / f"{page.stem}.html").read_text())
        assert loads.titles == 1, page.name


def test_every_command_and_plugin_has_its_place_in_the_reference(site: Path) -> None:
    commands, plugins = ((site / f"{name}.html").read_text() for name in ("commands", "plugins"))
    for name in built_in_commands():
        assert f'id="gdp-{name}"' in commands
    for record in PluginRegistry.discover().records("filter"):
        assert f'id="filter-{record.name}"' in plugins


def test_the_search_knows_the_words_of_the_guides(site: Path) -> None:
    index = (site / "search" / "search_index.json").read_text()
    for word in ("latent-direction", "checkerboards", "gdp find-direction", "min_sharpness"):
        assert word in index


def test_figures_of_the_readme_stand_on_the_site(site: Path) -> None:
    page = (site / "performance.html").read_text()
    assert 'id="two-systems"' in page
    assert "StyleGAN2 to Pix2PixHD" in page


def test_links_out_of_the_docs_become_words(site: Path) -> None:
    page = (site / "deployment.html").read_text()
    assert "gdp/support/picture_statistics.py" in page
    assert "../gdp/" not in page
