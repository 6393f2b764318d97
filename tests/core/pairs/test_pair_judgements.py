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
    assert store.unjudged("brightness-1") == [0, 3, 5, 6, 7, 8, 9]
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
    assert store.unscored("faces-1") == [1, 2, 4, 5, 6, 7, 8, 9]
    assert store.unjudged("faces-1") == list(range(10))
    with pytest.raises(PairStoreError, match="score age"):
        store.put_scores("faces-1", {1: {"age": float("nan")}})


def test_verdicts_are_stored_all_or_none(store: PairStore) -> None:
    def verdicts() -> dict[int, Verdict]:
        return {1: Verdict.keep(), 2: "no verdict"}

    with pytest.raises(AttributeError):
        store.put_verdicts("key", verdicts())
    assert store.verdicts("key") == {}


def test_the_funnel_counts_what_each_filter_saw(store: PairStore) -> None:
    store.put_verdicts("first", {index: Verdict.keep_if(index >= 3, reason="small") for index in range(9)})
    store.put_verdicts("second", {index: Verdict.keep_if(index % 2 == 0) for index in range(8)})
    assert store.funnel(["first", "second"]) == [("first", 10, 6, 3, 1), ("second", 6, 2, 3, 1)]
    assert store.kept(["first", "second"]) == [4, 6]
    assert store.funnel(["first", "second"], unknown_is_kept=True) == [("first", 10, 6, 3, 1), ("second", 7, 2, 3, 2)]
    assert store.kept(["first", "second"], unknown_is_kept=True) == [4, 6, 8, 9]
    assert (store.funnel([]), store.kept([])) == ([], list(range(10)))


def test_a_split_replaces_the_one_before(store: PairStore) -> None:
    store.set_split({0: "held_out", 1: "train", 2: "train"})
    store.set_split({1: "held_out", 5: "train"})
    assert (store.split("train"), store.split("held_out"), store.split("other")) == ([5], [1], [])


def test_the_dump_holds_all_that_is_known_of_a_pair(store: PairStore) -> None:
    store.put_scores("faces-1", {4: {"age": 31.5}})
    store.put_verdicts("brightness-1", {4: Verdict.drop("too dark", luminance=0.01)})
    store.set_split({4: "train"})
    rows = list(store.export_manifest_rows())
    assert [row["index"] for row in rows] == list(range(10))
    row = rows[4]
    assert (row["seed"], row["edit"]["direction"], row["name"]) == (2**63 + 5, "age", "face 4.png")
    assert (row["shard"], row["latent_shape"], len(row["source_sha256"])) == (1, [2, 4], 64)
    assert (row["split"], row["scores"]) == ("train", {"faces-1": {"age": 31.5}})
    verdict = {"decision": "drop", "scores": {"luminance": 0.01}, "reason": "too dark"}
    assert row["verdicts"] == {"brightness-1": verdict}
    assert rows[5]["split"] is None
