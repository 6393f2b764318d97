"""The stage filter with each form of filter: what is measured is stored, combined, and never measured twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gdp.core.config import Config
from gdp.core.errors import PluginError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.filters import CombiningFilter, Filter, PairJudge, ScoringFilter
from gdp.core.pairs import PairBatch, PairRecord, PairStore, Scores, Verdict
from gdp.core.pairs.layout import StoredPair, read_pair
from gdp.core.progress import SilentProgress, Stopped
from gdp.core.recipe.reading import Choice
from gdp.core.recipe.sections import FilterSection, LimitsSection
from gdp.core.records import PluginRecord
from gdp.core.run.judging import DecodedPairs, NamedFilter, judge_pairs, walk
from gdp.core.run.session import Session

COUNT = 200


class Numbers(ScoringFilter):
    """Scores a pair by its number; answers come in reverse order, one at a time."""

    asked = 0

    def score(self, pairs: PairBatch) -> list[Scores]:
        raise AssertionError("the stream is overridden")

    def score_stream(self, batches: Iterable[PairBatch]) -> Iterator[Mapping[int, Scores]]:
        for pairs in batches:
            for index in reversed(pairs.indices):
                self.asked += 1
                yield {index: {"number": index}}

    def decide(self, scores: Mapping[int, Scores]) -> dict[int, Verdict]:
        return {index: Verdict.keep_if(int(row["number"] or 0) % 2 == 0) for index, row in scores.items()}


class Forgetful(Numbers):
    def score_stream(self, batches: Iterable[PairBatch]) -> Iterator[Mapping[int, Scores]]:
        for scores in super().score_stream(batches):
            if 7 not in scores:
                yield scores


class Repeating(Numbers):
    def score_stream(self, batches: Iterable[PairBatch]) -> Iterator[Mapping[int, Scores]]:
        for scores in super().score_stream(batches):
            yield scores
            yield scores


class Both(CombiningFilter):
    def decide(self, scores: Mapping[int, Mapping[str, Scores]]) -> dict[int, Verdict]:
        return {
            index: Verdict.keep_if(rows["numbers"]["number"] == rows["numbers-2"]["number"] == index)
            for index, rows in scores.items()
        }


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PairStore]:
    picture = torch.zeros(COUNT, 3, 4, 4)
    records = [PairRecord(index, seed=1) for index in range(COUNT)]
    with PairStore.open(tmp_path / "pairs", image_format="png") as store:
        store.append(PairBatch(list(range(COUNT)), picture, picture, records))
        yield store


def session(stop_after: int | None = None) -> Session:
    asked = iter(range(10_000))
    made = Session.__new__(Session)
    made.progress, made.device = SilentProgress(), torch.device("cpu")
    made.recipe = SimpleNamespace(limits=LimitsSection())  # type: ignore[assignment] # all that is asked of it here
    made.stop_requested = lambda: stop_after is not None and next(asked) >= stop_after
    made.settings_key = lambda choice: {"plugin": choice.record.name, "settings": choice.config.model_dump()}  # type: ignore[method-assign] # no recipe file is needed here
    return made


def named(judge: PairJudge, name: str = "numbers", **section: Any) -> NamedFilter:
    record = PluginRecord("filter", "numbers", "for tests", Config, "tests:none")
    return NamedFilter(
        name, Choice(record=record, config=Config(), section=FilterSection(plugin="numbers", **section)), judge
    )


def test_streamed_scores_are_stored_and_never_measured_again(store: PairStore) -> None:
    judge = Numbers(Config(), BuildContext())
    for _ in range(2):
        judged = judge_pairs(session(), store, named(judge), range(COUNT), {})
        assert sorted(index for index, verdict in judged.verdicts.items() if verdict.decision == "keep") == [
            *range(0, COUNT, 2)
        ]
    assert judge.asked == COUNT


def test_a_stopped_stream_keeps_what_it_yielded_and_goes_on_from_there(store: PairStore) -> None:
    judge = Numbers(Config(), BuildContext())
    with pytest.raises(Stopped):
        judge_pairs(session(stop_after=2), store, named(judge), range(COUNT), {})
    assert 0 < judge.asked < COUNT
    judge_pairs(session(), store, named(judge), range(COUNT), {})
    assert judge.asked == COUNT


@pytest.mark.parametrize(("broken", "message"), [(Forgetful, "no scores on 1 of 200"), (Repeating, "twice or unasked")])
def test_a_stream_that_forgets_or_repeats_pairs_is_reported(
    store: PairStore, broken: type[Numbers], message: str
) -> None:
    with pytest.raises(PluginError, match=message):
        judge_pairs(session(), store, named(broken(Config(), BuildContext())), range(COUNT), {})


def test_a_combining_filter_sees_the_scores_of_every_filter_before_it(store: PairStore) -> None:
    first = judge_pairs(session(), store, named(Numbers(Config(), BuildContext())), range(COUNT), {})
    earlier = {"numbers": first.scores, "numbers-2": first.scores}
    judged = judge_pairs(session(), store, named(Both(Config(), BuildContext()), "both"), range(COUNT), earlier)
    assert {verdict.decision for verdict in judged.verdicts.values()} == {"keep"}


def test_a_filter_that_only_scores_lets_every_pair_pass() -> None:
    judge = Numbers(Config(), BuildContext())
    assert not named(judge).lets_pass(Verdict.drop("odd"))
    assert named(judge, only_score=True).lets_pass(Verdict.drop("odd"))
    assert named(judge, unknown="keep").lets_pass(Verdict.unknown("dark"))


class Looks(Filter):
    """Looks at every picture and drops every so many pairs; remembers how many pictures it has seen."""

    every, seen = 50, 0

    def judge(self, pairs: PairBatch) -> list[Verdict]:
        assert torch.allclose(pairs.source[:, 0, 0, 0], torch.tensor(pairs.indices) * (2 / 255) - 1, atol=1e-6)
        self.seen += len(pairs)
        return [Verdict.keep_if(index % self.every > 0) for index in pairs.indices]


class Measures(ScoringFilter):
    """Measures every picture and keeps all."""

    def score(self, pairs: PairBatch) -> list[Scores]:
        return [{"mean": float(picture.mean())} for picture in pairs.target]

    def decide(self, scores: Mapping[int, Scores]) -> dict[int, Verdict]:
        return {index: Verdict.keep() for index in scores}


@pytest.fixture
def coloured(tmp_path: Path) -> Iterator[PairStore]:
    """A store of pairs that differ: the level of pair n is n."""
    levels = (torch.arange(COUNT) * (2 / 255) - 1).reshape(-1, 1, 1, 1)
    pictures = levels.expand(COUNT, 3, 4, 4).contiguous()
    with PairStore.open(tmp_path / "coloured") as store:
        store.append(
            PairBatch(list(range(COUNT)), pictures, pictures, [PairRecord(index, 1) for index in range(COUNT)])
        )
        yield store


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often each pair was decoded."""
    counts: Counter[int] = Counter()

    def counted(path: Path, stored: StoredPair) -> object:
        counts[stored.pair_index] += 1
        return read_pair(path, stored)

    monkeypatch.setattr("gdp.core.pairs.store.read_pair", counted)
    return counts


def chain(*judges: PairJudge) -> Session:
    """Return a session whose recipe has these filters, each under settings of its own."""
    made = session()
    choices = [named(judge, unknown="keep" if number else "drop").choice for number, judge in enumerate(judges)]
    records = [replace(choice.record, name=f"filter-{number}") for number, choice in enumerate(choices)]
    made.filters = [
        (replace(choice, record=record), judge) for choice, record, judge in zip(choices, records, judges, strict=True)
    ]
    return made


def three() -> tuple[Looks, Measures, Looks]:
    return (Looks(Config(), BuildContext()), Measures(Config(), BuildContext()), Looks(Config(), BuildContext()))


def test_a_pair_is_decoded_once_for_all_filters_that_look_at_it(coloured: PairStore, decoded: Counter[int]) -> None:
    first, second, third = three()
    judged = list(walk(chain(first, second, third), coloured, range(COUNT), measure=True))
    assert [len(each.verdicts) for each in judged] == [COUNT, COUNT - 4, COUNT - 4]
    assert (first.seen, third.seen) == (COUNT, COUNT - 4)
    assert decoded == Counter(range(COUNT))


def test_what_is_judged_already_is_decoded_no_more(coloured: PairStore, decoded: Counter[int]) -> None:
    list(walk(chain(*three()), coloured, range(COUNT), measure=True))
    decoded.clear()
    list(walk(chain(*three()), coloured, range(COUNT), measure=True))
    assert not decoded


def test_decoded_pairs_take_no_more_memory_than_their_bound(coloured: PairStore, decoded: Counter[int]) -> None:
    room, dropped_at_once, size = 10, 3, 2 * 3 * 4 * 4
    pairs = DecodedPairs(coloured, limit=room * size + 5)
    list(walk(chain(*three()), coloured, range(COUNT), measure=True, pairs=pairs))
    once = room + dropped_at_once
    assert Counter(decoded.values()) == {1: once, 3: COUNT - once}
    held = [picture.untyped_storage().nbytes() for pair in pairs._kept.values() for picture in pair]
    assert sum(held) == room * size


def test_pairs_from_memory_are_those_of_the_store(coloured: PairStore) -> None:
    pairs = DecodedPairs(coloured, limit=2**20)
    for indices in ([5, 3, 8], [3], [8, 100, 5, 199]):
        found, expected = pairs.load(indices), coloured.load(indices)
        assert (found.indices, found.records) == (expected.indices, expected.records)
        assert torch.equal(found.source, expected.source)
        assert torch.equal(found.target, expected.target)
