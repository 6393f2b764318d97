"""The pages that people read, their blocks of code, their commands and their links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GUIDES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted(DOCS.glob("*.md")),
]
PAGES = [*GUIDES, *sorted(ROOT.glob("examples/*/README.md"))]
"""With those of the examples, whose commands need their packages."""
_BLOCK = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")
COMMANDS = ("", "sh", "console")
"""Languages of blocks that hold commands."""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """Return a page's blocks."""
    text = page.read_text()
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[1].strip(), found[2])
        for found in _BLOCK.finditer(text)
    ]


def without_blocks(page: Path) -> str:
    """Return what a page says outside of its blocks."""
    return _BLOCK.sub("", page.read_text())


def links_of(page: Path) -> list[str]:
    """Return where a page's links and pictures lead."""
    return _LINK.findall(re.sub(_CODE, "", without_blocks(page).replace("[`", "[").replace("`]", "]")))


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands_of(block: Block) -> Iterator[list[str]]:
    """Yield the words of each command of a block; comments, and what commands print in consoles, are left out."""
    text = block.text.replace("\\\n", " ")
    lines = text.splitlines()
    if block.language == "console":
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    for line in lines:
        yield from _parted(shlex.split(line, comments=True))


def _parted(words: list[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for word in [*words, "&&"]:
        if word in ("&&", "|", ";"):
            if part:
                yield part
            part = []
        else:
            part.append(word)


def told_commands(page: Path) -> list[str]:
    """Return the commands of gdp that a page's sentences name, as `gdp run RECIPE --max-hours 2`."""
    return [code for code in _CODE.findall(without_blocks(page)) if re.match(r"gdp [a-z]", code)]
