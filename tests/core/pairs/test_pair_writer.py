"""Pairs are written while the next ones are made: in order, to the same bytes, and what fails is told."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pair_store_examples import example_batch

from gdp.core.errors import PairStoreError
from gdp.core.pairs.store import PairStore
from gdp.core.pairs.writer import PairWriter

BATCHES = ([0, 1, 2], [3, 4], [5, 6, 7])


def shards(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("*.tar"))]


def test_the_bytes_are_those_of_appending_one_batch_after_the_other(tmp_path: Path) -> None:
    with PairStore.open(tmp_path / "appended") as store:
        for numbers in BATCHES:
            store.append(example_batch(numbers))
    with PairStore.open(tmp_path / "written") as store:
        with PairWriter(store) as writer:
            told = [writer.put(example_batch(numbers)) for numbers in BATCHES]
            assert [*told, writer.wait()] == [0, 3, 2, 3]
        assert store.indices() == [*range(8)]
    assert shards(tmp_path / "written") == shards(tmp_path / "appended") != []


def test_a_batch_is_made_while_the_one_before_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_write, append = threading.Event(), PairStore.append

    def slow(store: PairStore, batch: object) -> None:
        assert may_write.wait(30)
        append(store, batch)  # type: ignore[arg-type]  # what it is called with is appended

    monkeypatch.setattr(PairStore, "append", slow)
    with PairStore.open(tmp_path) as store, PairWriter(store) as writer:
        assert writer.put(example_batch([0])) == 0
        assert store.indices() == []
        second = example_batch([1])  # made meanwhile
        may_write.set()
        assert writer.put(second) == 1


def test_leaving_early_stores_what_was_handed_over(tmp_path: Path) -> None:
    with PairStore.open(tmp_path) as store:
        with pytest.raises(KeyboardInterrupt), PairWriter(store) as writer:
            writer.put(example_batch([0, 1]))
            raise KeyboardInterrupt
        assert store.indices() == [0, 1]


def test_what_cannot_be_stored_is_told_by_the_next_batch_or_on_leaving(tmp_path: Path) -> None:
    wrong = example_batch([0])
    with PairStore.open(tmp_path) as store:
        with pytest.raises(PairStoreError, match="ascending"), PairWriter(store) as writer:
            writer.put(example_batch([1]))
            writer.put(wrong)
            writer.put(example_batch([2]))
        with pytest.raises(PairStoreError, match="ascending"), PairWriter(store) as writer:
            writer.put(wrong)
        assert store.indices() == [1]


def test_a_picture_with_nan_is_told_at_once(tmp_path: Path) -> None:
    batch = example_batch([0])
    spoiled = replace(batch, target=torch.full_like(batch.target, torch.nan))
    with PairStore.open(tmp_path) as store, PairWriter(store) as writer:
        with pytest.raises(PairStoreError, match="NaN"):
            writer.put(spoiled)
        assert writer.put(batch) == 0
