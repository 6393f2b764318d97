"""What holds for all tests: paid answers go to a file of theirs, and markers say what they do."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator

import pytest
from markers import Watch, long_files_first, put_markers

watch = Watch()


def pytest_configure() -> None:
    """Let what tests start be interrupted, though a shell that put pytest into the background let nothing be."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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


@pytest.fixture(autouse=True, scope="session")
def memory_of_tests() -> Iterator[None]:
    """Left as it is in this process, which measures what works take; processes of their own keep it as users' do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gdp.cli.common._keep_memory", lambda: None)
        yield
