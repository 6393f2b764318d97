"""The guide for authors: every block of it is executed in a clean environment, in the order of the page."""

from __future__ import annotations

import doctest
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clean_environment import ROOT, CleanEnvironment

from gdp.cli.common import EXIT_STOPPED

GUIDE = ROOT / "docs" / "writing_plugins.md"

_BLOCK = re.compile(r"(?:^<!-- exits with (\d+) -->\n)?^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\S+/\S+|\S+\.toml|\S+\.py)\n")


@dataclass(frozen=True)
class Block:
    """One fenced block of the page."""

    line: int
    language: str
    text: str
    status: int
    """With which its commands exit."""


def blocks() -> list[Block]:
    page = GUIDE.read_text()
    return [
        Block(page.count("\n", 0, found.start()) + 1, found[2], found[3], int(found[1] or 0))
        for found in _BLOCK.finditer(page)
    ]


def test_every_block_of_the_guide_does_what_the_page_says(environment: CleanEnvironment, tmp_path: Path) -> None:
    for block in blocks():
        where = f"{GUIDE.name}, line {block.line}"
        named = _FILE.match(block.text)
        if block.language in ("python", "toml") and named:
            path = tmp_path / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text[named.end() :])
        elif block.language == "python":
            result = environment.attempt("python", "-c", block.text, cwd=tmp_path)
            assert result.returncode == 0, f"{where}\n{result.stderr}"
        else:
            assert block.language == "console", f"{where}: nobody knows how to execute {block.language!r}"
            for command, expected in commands(block.text):
                status = EXIT_STOPPED if " --until " in command else block.status
                check(environment, command, expected, status, tmp_path, where)


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield every command of a console block with what it should print."""
    assert text.startswith("$ ")
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def check(environment: CleanEnvironment, command: str, expected: str, status: int, folder: Path, where: str) -> None:
    """Run a command and compare what it prints; spaces at the ends of lines do not count."""
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=folder, env=environment.variables, text=True, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    printed = re.sub(r"[ \t]+$", "", result.stdout, flags=re.MULTILINE)
    assert result.returncode == status, f"{where}: {command}\n{printed}"
    alike = doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert alike or not expected, f"{where}: {command}\n--- expected\n{expected}\n--- printed\n{printed}"


def test_files_that_the_guide_names_are_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", GUIDE.read_text())
    assert links
    assert [link for link in links if not (GUIDE.parent / link).exists()] == []


def test_contents_and_headings_agree() -> None:
    page = re.sub(_BLOCK, "", GUIDE.read_text())
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    listed = re.findall(r"^\d+\. \[(.+)\]\(#(.+)\)$", page, re.MULTILINE)
    assert [title for title, _ in listed] == headings
    for title, anchor in listed:
        assert anchor == re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
