"""Links of README, docs and examples lead somewhere: files and anchors of the repository; others are well-formed."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from markdown_pages import DOCS, PAGES, ROOT, anchors_of, links_of

MADE = {"commands.md", "plugins.md", "changelog.md", "contributing.md"}
"""Pages that the site makes when it is built; its home alone links to them, for readers of the repository have none."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links_of(page):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            assert parts.scheme == "https", f"{page.name}: {link}"
            assert "." in parts.netloc, f"{page.name}: {link}"
            assert not parts.username, f"{page.name}: {link}"
        else:
            _check_own(page, parts.path, parts.fragment)


def _check_own(page: Path, path: str, fragment: str) -> None:
    target = (page.parent / path).resolve() if path else page
    if page == DOCS / "index.md" and path in MADE:
        return
    assert target.is_relative_to(ROOT), f"{page.name} leads out of the repository: {path}"
    assert target.exists(), f"{page.name}: no file {path}"
    if fragment:
        assert fragment in anchors_of(target), f"{page.name}: {path} has no heading #{fragment}"


def test_links_are_found() -> None:
    links = links_of(ROOT / "README.md")
    assert "docs/pictures/before-after.png" in links
    assert "docs/full_size.md" in links
    assert any(link.startswith("https://arxiv.org/abs/") for link in links)
