from __future__ import annotations

import random
import signal
import tarfile
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from forked import processes
from pair_store_examples import fill, fill_in_process
from stored_pairs import digest, rows, verify

from gdp.core.errors import PairStoreError
from gdp.core.pairs import PairStore

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "pairs"
    fill(folder)
    return folder


def start(folder: Path, killed_at_sync: int | None = None) -> BaseProcess:
    ready, inside = processes.Pipe(duplex=False)
    process = processes.Process(target=fill_in_process, args=(folder, killed_at_sync, inside))
    process.start()
    inside.close()
    assert ready.recv() == "ready"
    ready.close()
    return process


def assert_readable_after_kill(folder: Path) -> None:
    """What is committed can be read before any writer has tidied up."""
    try:
        with PairStore.open(folder, read_only=True) as store:
            verify(store)
    except PairStoreError as error:
        assert "no pair store" in str(error) or "still empty" in str(error)


def assert_same_as_unbroken(folder: Path, unbroken: Path) -> None:
    with PairStore.open(folder, read_only=True) as store, PairStore.open(unbroken, read_only=True) as expected:
        assert rows(store) == rows(expected)
        assert digest(store) == digest(expected)
    assert sorted(path.name for path in folder.glob("*.tar")) == sorted(path.name for path in unbroken.glob("*.tar"))
    for path in folder.glob("*.tar"):
        assert path.read_bytes() == (unbroken / path.name).read_bytes()
        with tarfile.open(path) as shard:
            assert len(shard.getnames()) % 3 == 0


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.soak)])
def test_a_store_killed_at_random_moments_ends_in_the_same_bits_as_an_unbroken_one(
    tmp_path: Path, unbroken: Path, kills: int
) -> None:
    chance = random.Random(20)
    killed, number = 0, 0
    while killed < kills:
        folder = tmp_path / f"run-{number}"
        process = start(folder)
        process.join(chance.uniform(0, 0.12))
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            killed += 1
            assert_readable_after_kill(folder)
        else:  # it was done before: the next kills hit a new store
            assert process.exitcode == 0
            assert_same_as_unbroken(folder, unbroken)
            number += 1
    process = start(folder)
    process.join()
    assert process.exitcode == 0
    assert_same_as_unbroken(folder, unbroken)


def test_a_store_killed_between_writing_a_shard_and_committing_it_loses_only_that_append(
    tmp_path: Path, unbroken: Path
) -> None:
    folder = tmp_path / "pairs"
    for killed_at_sync in (1, 2, 3, 5, 4, 8, 1):
        process = start(folder, killed_at_sync)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert_readable_after_kill(folder)
    process = start(folder)
    process.join()
    assert_same_as_unbroken(folder, unbroken)


def test_filling_a_finished_store_again_changes_no_byte(unbroken: Path) -> None:
    before = {path.name: path.read_bytes() for path in unbroken.glob("*.tar")}
    fill(unbroken)
    assert {path.name: path.read_bytes() for path in unbroken.glob("*.tar")} == before
