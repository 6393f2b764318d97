"""A scripted server, a book of answers, and a key that is to appear nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_server import KEY, ScriptedServer

from gdp.core.answers import AnswerBook


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture
def book(tmp_path: Path) -> AnswerBook:
    return AnswerBook.at(tmp_path / "answers.sqlite", "this run")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AZURE_FACE_KEY", KEY)
    return KEY
