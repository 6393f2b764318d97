"""Paid answers of tests go to a file of their own, never to the user's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def answers_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GDP_ANSWERS", str(tmp_path_factory.mktemp("answers") / "answers.sqlite"))
        yield
