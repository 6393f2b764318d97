"""Paths that commands print for people: short, and such as a command in this folder takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gdp.cli.common import quoted_path, short_path, with_short_paths


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "my world"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_path_is_written_as_the_shorter_of_its_two_forms(here: Path) -> None:
    assert short_path(here / "runs" / "a b") == "runs/a b"
    assert quoted_path(here / "runs" / "a b") == "'runs/a b'"
    assert short_path(Path("/dev/null")) == "/dev/null"


def test_paths_in_a_sentence_are_written_as_they_are_from_here(here: Path) -> None:
    said = f"{here}/runs/a/keys.json: is damaged; gdp run '{here}/runs/a' makes it again (file://{here}/x)"
    told = f"runs/a/keys.json: is damaged; gdp run 'runs/a' makes it again (file://{here}/x)"
    assert with_short_paths(said) == told
    for left in (f"{here}", f"{here} is no folder", f"/else{here}/a", f"{here}er/a"):
        assert with_short_paths(left) == left


def test_a_sentence_stays_as_it_is_where_this_folder_is_gone(here: Path) -> None:
    here.rmdir()
    assert with_short_paths(f"{here}/a") == f"{here}/a"
    assert short_path(here / "a") == f"{here}/a"


def test_a_sentence_stays_as_it_is_in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(os.sep)
    assert with_short_paths("/dev/null/a") == "/dev/null/a"
