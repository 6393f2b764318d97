"""The README is short, begins with what is made, and leads to every guide; what stands beside it fits the package."""

from __future__ import annotations

import re
import tomllib

import yaml
from markdown_pages import DOCS, ROOT, links_of
from PIL import Image

import gdp

README = ROOT / "README.md"


def test_it_is_short_and_begins_with_a_picture() -> None:
    lines = README.read_text().splitlines()
    assert len(lines) < 200
    assert lines[2].startswith("![")
    assert "before" in lines[2]


def test_it_leads_to_every_guide() -> None:
    linked = set(links_of(README))
    guides = {f"docs/{path.name}" for path in DOCS.glob("*.md")} - {"docs/index.md"}
    assert guides <= linked, f"the README says nothing of {', '.join(sorted(guides - linked))}"


def test_pictures_are_there_and_can_be_read() -> None:
    pages = [README, *DOCS.glob("*.md")]
    found = {(page.parent / link).resolve() for page in pages for link in links_of(page) if link.endswith(".png")}
    assert len(found) >= 3
    for path in found:
        with Image.open(path) as picture:
            picture.verify()


def test_every_picture_says_what_it_shows() -> None:
    for page in (README, *DOCS.glob("*.md")):
        assert not re.search(r"!\[\s*\]", page.read_text()), page.name


def test_the_citation_is_of_this_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == gdp.__version__
    assert citation["license"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]
    assert all(author.get("name") or author["family-names"] for author in citation["authors"])


def test_the_newest_changes_are_of_this_version() -> None:
    assert re.findall(r"^## (\S+),", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0] == gdp.__version__


def test_templates_of_issues_are_forms() -> None:
    forms = [path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]
    assert len(forms) >= 3
    for path in forms:
        form = yaml.safe_load(path.read_text())
        assert {"name", "description", "body"} <= form.keys(), path.name
        ids = [field["id"] for field in form["body"]]
        assert len(set(ids)) == len(ids)
        assert all(field["attributes"]["label"] for field in form["body"])
