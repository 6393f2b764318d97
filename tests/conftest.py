"""What holds for all tests: paid answers go to a file of theirs, and markers say what they do."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest
from markers import Watch, long_files_first, put_markers

watch = Watch()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    put_markers(items)
    long_files_first(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    watch.watch_optimizers()
    yield
    watch.compare(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    yield
    watch.compare(item)


@pytest.fixture(autouse=True, scope="session")
def answers_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Never the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GDP_ANSWERS", str(tmp_path_factory.mktemp("answers") / "answers.sqlite"))
        yield
