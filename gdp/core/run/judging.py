"""How one filter judges the pairs that reached it; whatever it measures is stored as it comes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gdp.core.building import plugin_errors
from gdp.core.config import content_key
from gdp.core.errors import PluginError
from gdp.core.interfaces.filters import CombiningFilter, Filter, PairJudge, ScoringFilter
from gdp.core.pairs.records import PairBatch, Scores, Verdict
from gdp.core.pairs.store import PairStore
from gdp.core.progress import Stopped
from gdp.core.recipe.reading import Choice
from gdp.core.recipe.sections import FilterSection
from gdp.core.run.session import Session

BATCH = 64


@dataclass(frozen=True)
class NamedFilter:
    """A filter of the recipe."""

    name: str
    """The plugin's name; numbered from the second on, where a recipe names it more than once: sharpness-2."""
    choice: Choice[FilterSection]
    judge: PairJudge

    def lets_pass(self, verdict: Verdict) -> bool:
        """Say whether a pair with this verdict goes on to the next filter."""
        section = self.choice.section
        return (
            section.only_score
            or verdict.decision == "keep"
            or (verdict.decision == "unknown" and section.unknown == "keep")
        )


@dataclass(frozen=True)
class Judged:
    """What a filter said of the pairs that reached it."""

    verdicts: Mapping[int, Verdict]
    scores: Mapping[int, Scores]
    """What it measured, for the combining filters after it."""


def named_filters(session: Session) -> list[NamedFilter]:
    """Return the recipe's filters in their order."""
    counts: Counter[str] = Counter()
    named = []
    for choice, judge in session.filters:
        name = choice.record.name
        counts[name] += 1
        named.append(NamedFilter(name if counts[name] == 1 else f"{name}-{counts[name]}", choice, judge))
    return named


def judge_pairs(
    session: Session,
    store: PairStore,
    named: NamedFilter,
    indices: Sequence[int],
    earlier: Mapping[str, Mapping[int, Scores]],
) -> Judged:
    """Let a filter judge these pairs; what it measured before is not measured again.

    Args:
        session: the run.
        store: its pairs.
        named: the filter.
        indices: the pairs that reached it.
        earlier: the scores of the filters before it, by their names and pair.

    Raises:
        Stopped: the user asked to stop; everything measured so far is stored.
        PluginError: the filter breaks its contract.
    """
    if not indices:
        return Judged({}, {})  # nothing is left to judge, and no plugin need foresee that
    with plugin_errors(f"filter {named.name}"):
        match named.judge:
            case ScoringFilter() as judge:
                return _judge_by_scores(session, store, named, judge, indices)
            case CombiningFilter() as judge:
                return _judge_by_earlier(session, store, named, judge, indices, earlier)
            case Filter() as judge:
                return _judge_directly(session, store, named, judge, indices)
            case _:
                raise PluginError(f"filter {named.name}: {type(named.judge).__name__} is no form of filter")


def score_key(session: Session, choice: Choice[FilterSection], judge: ScoringFilter) -> str:
    """Return the key under which a filter's scores are stored."""
    settings = session.settings_key(choice)["settings"]
    scored_by = {field: settings[field] for field in sorted(judge.score_settings)}
    identity = {"settings": scored_by, "version": judge.score_version, "fingerprint": judge.fingerprint}
    return f"{choice.record.name}-{content_key(identity)[:12]}"


def verdict_key(session: Session, choice: Choice[FilterSection]) -> str:
    """Return the key under which the verdicts of a filter without stored scores are stored."""
    return f"{choice.record.name}-{content_key(session.settings_key(choice))[:12]}"


def _judge_directly(
    session: Session, store: PairStore, named: NamedFilter, judge: Filter, indices: Sequence[int]
) -> Judged:
    key = verdict_key(session, named.choice)
    known = store.verdicts(key)
    todo = [index for index in indices if index not in known]
    with session.progress.task(f"filter {named.name}", len(indices), "pair", done=len(indices) - len(todo)) as task:
        for pairs in _batches(session, store, todo):
            verdicts = judge.judge(pairs)
            if len(verdicts) != len(pairs):
                raise PluginError(f"filter {named.name}: gave {len(verdicts)} verdicts on {len(pairs)} pairs")
            store.put_verdicts(key, dict(zip(pairs.indices, verdicts, strict=True)))
            task.advance(len(pairs))
    known = store.verdicts(key)
    found = {index: known[index] for index in indices}
    return Judged(found, {index: verdict.scores for index, verdict in found.items()})


def _judge_by_scores(
    session: Session, store: PairStore, named: NamedFilter, judge: ScoringFilter, indices: Sequence[int]
) -> Judged:
    key = score_key(session, named.choice, judge)
    _measure(session, store, named, judge, indices)
    known = store.scores(key)
    scores = {index: known[index] for index in indices}
    return Judged(_decide(session, store, named, {"scores": key}, judge.decide(scores), indices), scores)


def _measure(
    session: Session, store: PairStore, named: NamedFilter, judge: ScoringFilter, indices: Sequence[int]
) -> None:
    key = score_key(session, named.choice, judge)
    known = store.scores(key)
    todo = [index for index in indices if index not in known]
    awaited = set(todo)
    with session.progress.task(f"filter {named.name}", len(indices), "pair", done=len(indices) - len(todo)) as task:
        for scores in judge.score_stream(_batches(session, store, todo)):
            strangers = set(scores) - awaited
            if strangers:
                raise PluginError(f"filter {named.name}: scored pair {min(strangers)} twice or unasked")
            store.put_scores(key, scores)
            awaited -= set(scores)
            task.advance(len(scores))
    if awaited:
        raise PluginError(f"filter {named.name}: gave no scores on {len(awaited)} of {len(todo)} pairs")


def _judge_by_earlier(
    session: Session,
    store: PairStore,
    named: NamedFilter,
    judge: CombiningFilter,
    indices: Sequence[int],
    earlier: Mapping[str, Mapping[int, Scores]],
) -> Judged:
    scores = {index: {name: found[index] for name, found in earlier.items()} for index in indices}
    verdicts = _decide(
        session, store, named, {"earlier": content_key({"scores": scores})}, judge.decide(scores), indices
    )
    return Judged(verdicts, {index: verdict.scores for index, verdict in verdicts.items()})


def _decide(
    session: Session,
    store: PairStore,
    named: NamedFilter,
    based_on: Mapping[str, Any],
    verdicts: dict[int, Verdict],
    indices: Sequence[int],
) -> dict[int, Verdict]:
    if set(verdicts) != set(indices):
        raise PluginError(f"filter {named.name}: decided on {len(verdicts)} pairs where {len(indices)} were asked")
    # The candidates are part of the key, for a decision (on duplicates, say) may depend on which pairs came so far.
    settings = session.settings_key(named.choice)["settings"]
    decision = {**based_on, "settings": settings, "candidates": indices_digest(indices)}
    store.put_verdicts(f"{named.choice.record.name}-{content_key(decision)[:12]}", verdicts)
    return verdicts


def _batches(session: Session, store: PairStore, indices: Sequence[int]) -> Iterator[PairBatch]:
    for start in range(0, len(indices), BATCH):
        if session.stop_requested():
            raise Stopped
        yield store.load(list(indices[start : start + BATCH]))


def indices_digest(indices: Sequence[int]) -> str:
    """Hash a list of pair numbers."""
    return hashlib.sha256(",".join(map(str, indices)).encode()).hexdigest()
