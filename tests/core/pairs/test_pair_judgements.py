from __future__ import annotations

from pathlib import Path

import pytest
from pair_store_examples import example_batch

from gdp.core.errors import PairStoreError
from gdp.core.pairs import PairStore, Verdict


@pytest.fixture
def store(tmp_path: Path) -> PairStore:
    with PairStore.open(tmp_path / "pairs", shard_size=4) as opened:
        opened.append(example_batch(range(10), size=4))
        yield opened


def test_verdicts_come_back_and_survive_reopening(store: PairStore) -> None:
    verdicts = {
        1: Verdict.keep(luminance=0.25, face=True, hair="long", glasses=None, count=3),
        4: Verdict.drop("too dark", luminance=0.01),
        2: Verdict.unknown("no answer in 10 s"),
    }
    store.put_verdicts("brightness-1", verdicts)
    assert store.verdicts("brightness-1") == verdicts
    assert store.verdicts("brightness-2") == {}
    assert [index for index, _ in store.iterate_verdicts("brightness-1")] == [1, 2, 4]
    with PairStore.open(store.folder, read_only=True) as reader:
        assert reader.verdicts("brightness-1") == verdicts


def test_a_new_verdict_of_the_same_key_replaces_the_old_one(store: PairStore) -> None:
    store.put_verdicts("key", {1: Verdict.keep(), 2: Verdict.keep()})
    store.put_verdicts("key", {1: Verdict.drop("on second thoughts")})
    assert store.verdicts("key") == {1: Verdict.drop("on second thoughts"), 2: Verdict.keep()}


def test_scores_are_kept_apart_from_decisions(store: PairStore) -> None:
    store.put_scores("faces-1", {0: {"age": 31.5}, 3: {"age": None, "face": False}})
    assert store.scores("faces-1") == {0: {"age": 31.5}, 3: {"age": None, "face": False}}
    assert dict(store.iterate_scores("faces-1")) == store.scores("faces-1")
    assert store.verdicts("faces-1") == {}
    with pytest.raises(PairStoreError, match="score age"):
        store.put_scores("faces-1", {1: {"age": float("nan")}})


def test_verdicts_are_stored_all_or_none(store: PairStore) -> None:
    def verdicts() -> dict[int, Verdict]:
        return {1: Verdict.keep(), 2: "no verdict"}

    with pytest.raises(AttributeError):
        store.put_verdicts("key", verdicts())
    assert store.verdicts("key") == {}


def test_a_split_replaces_the_one_before(store: PairStore) -> None:
    store.set_split({0: "held_out", 1: "train", 2: "train"})
    store.set_split({1: "held_out", 5: "train"})
    assert (store.split("train"), store.split("held_out"), store.split("other")) == ([5], [1], [])
