"""Reading a report as a browser would."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from gdp.tools.report import read_folder, write_report

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
"""A name that would do harm if a page took it for markup."""
VOID = {"meta", "img", "line", "polyline", "br"}


class Page(HTMLParser):
    """Reads a page and remembers its tags, its attributes and its text; complains about unbalanced tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and "script" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def runs_only_its_own_script(page: Page, html: str) -> bool:
    """Say whether the page has one script, and the policy allows that one alone."""
    policy = next(meta["content"] or "" for meta in page.all("meta") if "http-equiv" in meta)
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return len(page.all("script")) == 1 and f"script-src 'sha256-{digest}'" in policy


def page_of(folder: Path) -> Page:
    return Page(write_report(read_folder(folder)).read_text(encoding="utf-8"))


def change(path: Path, **content: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **content}), encoding="utf-8")
