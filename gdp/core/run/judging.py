"""How one filter judges the pairs that reached it; whatever it measures is stored as it comes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from gdp.core.building import name_of, plugin_errors
from gdp.core.config import content_key
from gdp.core.errors import BudgetError, PluginError
from gdp.core.interfaces.filters import CombiningFilter, Filter, PairJudge, ScoringFilter
from gdp.core.memory import MemoryBound, readable_memory_errors
from gdp.core.pairs.records import NotYet, PairBatch, Scores, Verdict
from gdp.core.pairs.store import PairStore
from gdp.core.pictures import from_levels
from gdp.core.progress import ProgressTask, Stopped
from gdp.core.recipe.reading import Choice
from gdp.core.recipe.sections import FilterSection
from gdp.core.run.session import Session

T = TypeVar("T")

BATCH = 64
"""Pairs that a filter is shown at a time, fewer where they are large."""
BYTES = 30
"""That a pixel of a pair takes for each of its channels while it is judged: levels twice, floats, and as much again
for a filter's own work, six times."""
DECODED = 0.5
"""Share of the memory for pictures in work that decoded ones take which a chain of filters keeps between them."""


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
    """What one filter said of the pairs that reached it."""

    filter: NamedFilter
    entered: Sequence[int]
    verdicts: Mapping[int, Verdict]
    """By pair; those that the filter would have to look at first are left out."""
    scores: Mapping[int, Scores]
    """What it measured, for the combining filters after it."""
    not_yet: Mapping[int, str] = field(default_factory=dict)
    """Pairs that it cannot look at now, with the reason; a later run asks for them again."""

    @cached_property
    def kept(self) -> list[int]:
        """Pairs that go on to the next filter."""
        return [i for i in self.entered if i in self.verdicts and self.filter.lets_pass(self.verdicts[i])]

    @property
    def unmeasured(self) -> list[int]:
        """Pairs that the filter would have to look at first; they go no further."""
        return [index for index in self.entered if index not in self.verdicts]

    def funnel_row(self) -> dict[str, Any]:
        """Return the filter's row of the funnel, as funnel.json has it."""
        decisions = Counter(verdict.decision for verdict in self.verdicts.values())
        reasons = Counter(
            verdict.reason or "no reason given" for verdict in self.verdicts.values() if verdict.decision != "keep"
        )
        return {
            "filter": self.filter.name,
            "only_score": self.filter.choice.section.only_score,
            "fingerprint": judge.fingerprint if isinstance(judge := self.filter.judge, ScoringFilter) else "",
            "input": len(self.entered),
            "kept": len(self.kept),
            "dropped": decisions["drop"],
            "unknown": decisions["unknown"],
            **({"not_yet": len(self.not_yet), "not_yet_because": self._why_not_yet()} if self.not_yet else {}),
            "reasons": dict(reasons.most_common()),
        }

    def _why_not_yet(self) -> str:
        return "; ".join(dict.fromkeys(self.not_yet.values()))


class DecodedPairs:
    """Pairs of a store, decoded once for all filters that look at them, as far as a bound of memory goes.

    Args:
        store: the pairs.
        limit: bytes of decoded pictures that are kept; what comes after is decoded each time.
    """

    def __init__(self, store: PairStore, limit: int = 0) -> None:
        self._store, self._left = store, limit
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def load(self, indices: Sequence[int]) -> PairBatch:
        """Return pairs as `PairStore.load` does."""
        missing = [index for index in indices if index not in self._kept]
        fresh: dict[int, tuple[Tensor, Tensor]] = {}
        if missing:
            fresh = dict(zip(missing, zip(*self._store.load_uint8(missing), strict=True), strict=True))
            self._keep(fresh)
        rows = [fresh[index] if index in fresh else self._kept[index] for index in indices]
        source, target = (torch.stack(pictures) for pictures in zip(*rows, strict=True))
        return PairBatch(list(indices), from_levels(source), from_levels(target), self._store.records(indices))

    def together(self, indices: Sequence[int], memory: MemoryBound, tell: Callable[[str], None]) -> int:
        """Return how many of these pairs are judged at a time; no verdict depends on it."""
        channels, height, width = self._store.shape(indices[0])
        each = BYTES * (channels + 3)
        return memory.pictures_together((height, width), BATCH, bytes_a_pixel=each, tell=tell, what="pairs")

    def _keep(self, fresh: Mapping[int, tuple[Tensor, Tensor]]) -> None:
        for index, pictures in fresh.items():
            size = sum(picture.nbytes for picture in pictures)
            if size > self._left:
                return
            # Copies: a row would keep the whole batch in memory that it is a view of.
            self._kept[index] = (pictures[0].clone(), pictures[1].clone())
            self._left -= size


def walk(
    session: Session, store: PairStore, indices: Sequence[int], *, measure: bool, pairs: DecodedPairs | None = None
) -> Iterator[Judged]:
    """Send pairs through the recipe's filters in turn: each judges what the filters before it kept.

    Args:
        session: the run.
        store: its pairs.
        indices: pairs to judge, ascending.
        measure: whether filters look at pairs that they know nothing of, and what they decide is written down; if not,
            all is decided in memory from what is stored, and pairs that nothing is known of go no further.
        pairs: where pictures come from; by default each is decoded once.

    Raises:
        Stopped: the user asked to stop; everything measured so far is stored.
        GdpError: a filter cannot be built, breaks its contract, or says that its settings do not fit the scores.
    """
    filters = named_filters(session)
    pairs = pairs or DecodedPairs(store, session.memory.share(DECODED))
    earlier: dict[str, Mapping[int, Scores]] = {}
    remaining = indices
    for position, named in enumerate(filters):
        judge = judge_pairs if measure else recall
        judged = judge(session, store, named, remaining, earlier, pairs)
        yield judged
        if any(isinstance(later.judge, CombiningFilter) for later in filters[position + 1 :]):
            earlier[named.name] = judged.scores  # else they are not held, for there may be many
        remaining = judged.kept


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
    pairs: DecodedPairs | None = None,
) -> Judged:
    """Let a filter judge these pairs; what it measured before is not measured again.

    Args:
        session: the run.
        store: its pairs.
        named: the filter.
        indices: the pairs that reached it.
        earlier: the scores of the filters before it, by their names and pair.
        pairs: where pictures come from; by default the store.

    Raises:
        Stopped: the user asked to stop; everything measured so far is stored.
        PluginError: the filter breaks its contract.
    """
    if not indices:
        return Judged(named, indices, {}, {})  # nothing is left to judge, and no plugin need foresee that
    pairs = pairs or DecodedPairs(store)
    mend = "Lower --memory (or memory in [limits]), so that fewer are judged together."
    told = readable_memory_errors(f"filter {named.name}: what it judges together", mend)
    not_yet: Mapping[int, str] = {}
    with told, plugin_errors(f"filter {named.name}"):
        match named.judge:
            case ScoringFilter() as judge:
                scores, not_yet = _measure(session, store, named, judge, indices, pairs)
                based_on = {"scores": score_key(session, named.choice, judge)}
                decided = judge.decide(scores) if scores else {}
                verdicts = _decide(session, store, named, based_on, decided, list(scores))
            case CombiningFilter() as judge:
                before = _regrouped(earlier, indices)
                based_on = {"earlier": content_key({"scores": before})}
                verdicts = _decide(session, store, named, based_on, judge.decide(before), indices)
                scores = {index: verdict.scores for index, verdict in verdicts.items()}
            case Filter() as judge:
                verdicts, not_yet = _look(session, store, named, judge, indices, pairs)
                scores = {index: verdict.scores for index, verdict in verdicts.items()}
            case _:
                raise PluginError(f"filter {named.name}: {type(named.judge).__name__} is no form of filter")
    return Judged(named, indices, verdicts, scores, not_yet)


def recall(
    session: Session,
    store: PairStore,
    named: NamedFilter,
    indices: Sequence[int],
    earlier: Mapping[str, Mapping[int, Scores]],
    pairs: DecodedPairs | None = None,
) -> Judged:
    """Return what a filter says of these pairs by what is stored; nothing is measured or written.

    Args: as `judge_pairs` takes them; no picture is looked at.

    Raises:
        GdpError: the filter says that its settings do not fit the scores.
    """
    if not indices:
        return Judged(named, indices, {}, {})
    verdicts: Mapping[int, Verdict]
    with plugin_errors(f"filter {named.name}"):
        match named.judge:
            case ScoringFilter() as judge:
                scores = _of(store.iterate_scores(score_key(session, named.choice, judge)), indices)
                return Judged(named, indices, judge.decide(scores) if scores else {}, scores)
            case CombiningFilter() as judge:
                verdicts = judge.decide(_regrouped(earlier, indices))
            case _:
                verdicts = _of(store.iterate_verdicts(verdict_key(session, named.choice)), indices)
    return Judged(named, indices, verdicts, {index: verdict.scores for index, verdict in verdicts.items()})


def score_key(session: Session, choice: Choice[FilterSection], judge: ScoringFilter) -> str:
    """Return the key under which a filter's scores are stored."""
    settings = session.settings_key(choice)["settings"]
    fields = settings if judge.score_settings is None else judge.score_settings
    scored_by = {field: settings[field] for field in sorted(fields)}
    identity = {"settings": scored_by, "version": judge.score_version, "fingerprint": judge.fingerprint}
    return f"{choice.record.name}-{content_key(identity)[:12]}"


def verdict_key(session: Session, choice: Choice[FilterSection]) -> str:
    """Return the key under which the verdicts of a filter without stored scores are stored."""
    return f"{choice.record.name}-{content_key(session.settings_key(choice))[:12]}"


def _look(
    session: Session, store: PairStore, named: NamedFilter, judge: Filter, indices: Sequence[int], pairs: DecodedPairs
) -> tuple[dict[int, Verdict], dict[int, str]]:
    """Let a filter of the simple form judge what it has not judged yet; return all verdicts, and what is not yet."""
    key = verdict_key(session, named.choice)
    known = _of(store.iterate_verdicts(key), indices)
    todo = [index for index in indices if index not in known]
    spent, not_yet = "", dict[int, str]()
    with session.progress.task(f"filter {named.name}", len(indices), "pairs", done=len(indices) - len(todo)) as task:
        try:
            for verdicts in _shared(session, store, named, todo, task) or stream_of(session, judge, pairs, todo):
                found, later = _sorted_out(verdicts)
                store.put_verdicts(key, found)
                not_yet |= later
                task.advance(len(found))
        except BudgetError as error:
            spent = str(error)
    stored = known if not todo else _of(store.iterate_verdicts(key), indices)
    ready = {index: stored[index] for index in indices if index in stored}
    return ready, _left(indices, ready, not_yet, spent)


def _measure(
    session: Session,
    store: PairStore,
    named: NamedFilter,
    judge: ScoringFilter,
    indices: Sequence[int],
    pairs: DecodedPairs,
) -> tuple[dict[int, Scores], dict[int, str]]:
    """Let a filter measure what it has not measured yet; return all scores, and what is not yet."""
    key = score_key(session, named.choice, judge)
    known = _of(store.iterate_scores(key), indices)
    todo = [index for index in indices if index not in known]
    awaited = set(todo)
    spent, not_yet = "", dict[int, str]()
    with session.progress.task(f"filter {named.name}", len(indices), "pairs", done=len(indices) - len(todo)) as task:
        try:
            for scores in _shared(session, store, named, todo, task) or stream_of(session, judge, pairs, todo):
                strangers = set(scores) - awaited
                if strangers:
                    raise PluginError(f"filter {named.name}: scored pair {min(strangers)} twice or unasked")
                awaited -= set(scores)
                found, later = _sorted_out(scores)
                store.put_scores(key, found)
                not_yet |= later
                task.advance(len(found))
        except BudgetError as error:
            spent = str(error)
    if awaited and not spent:
        raise PluginError(f"filter {named.name}: gave no scores on {len(awaited)} of {len(todo)} pairs")
    stored = known if not todo else _of(store.iterate_scores(key), indices)
    ready: dict[int, Scores] = {index: stored[index] for index in indices if index in stored}
    return ready, _left(indices, ready, not_yet, spent)


def _shared(
    session: Session, store: PairStore, named: NamedFilter, todo: Sequence[int], task: ProgressTask
) -> Iterator[Mapping[int, Any]] | None:
    """Return what other processes say of the pairs; None where this one asks the filter."""
    return session.crew.judged(session, store, named.choice, todo, task) if session.crew and todo else None


def stream_of(
    session: Session, judge: Filter | ScoringFilter, pairs: DecodedPairs, todo: Sequence[int]
) -> Iterator[Mapping[int, Any]]:
    """Yield what a filter says of pairs as it becomes known: scores, of the simple form verdicts, by pair.

    Raises:
        BudgetError: pairs of which nothing was yielded are "not yet".
        PluginError: the simple form gave another number of verdicts than it was shown pairs.
    """
    if isinstance(judge, ScoringFilter):
        yield from judge.score_stream(_batches(session, pairs, todo))
        return
    # Of a batch in which a limit stops it, no verdict is known: what is paid for each pair is kept pair by pair.
    pays = judge.forecast(1).dollars > 0
    for batch in _batches(session, pairs, todo, 1 if pays else None):
        verdicts = judge.judge(batch)
        if len(verdicts) != len(batch):
            raise PluginError(f"{name_of(judge)}: gave {len(verdicts)} verdicts on {len(batch)} pairs")
        yield dict(zip(batch.indices, verdicts, strict=True))


def _sorted_out(answers: Mapping[int, T | NotYet]) -> tuple[dict[int, T], dict[int, str]]:
    """Tell what a filter said of pairs from those that it cannot look at yet."""
    found: dict[int, T] = {}
    later: dict[int, str] = {}
    for index, answer in answers.items():
        if isinstance(answer, NotYet):
            later[index] = answer.reason
        else:
            found[index] = answer
    return found, later


def _left(indices: Sequence[int], ready: Mapping[int, Any], not_yet: Mapping[int, str], spent: str) -> dict[int, str]:
    """Return the pairs that are not yet looked at, each with the reason."""
    return {index: not_yet.get(index, spent) for index in indices if index not in ready}


def _of(stored: Iterator[tuple[int, T]], indices: Sequence[int]) -> dict[int, T]:
    """Return what is stored of these pairs, without holding the rest."""
    wanted = set(indices)
    return {index: found for index, found in stored if index in wanted}


def _regrouped(earlier: Mapping[str, Mapping[int, Scores]], indices: Sequence[int]) -> dict[int, dict[str, Scores]]:
    """Arrange the scores of earlier filters by pair."""
    return {index: {name: found[index] for name, found in earlier.items()} for index in indices}


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


def _batches(
    session: Session, pairs: DecodedPairs, indices: Sequence[int], together: int | None = None
) -> Iterator[PairBatch]:
    if together is None:
        together = pairs.together(indices, session.memory, session.progress.message) if indices else BATCH
    for start in range(0, len(indices), together):
        if session.stop_requested():
            raise Stopped
        yield pairs.load(list(indices[start : start + together]))


def indices_digest(indices: Sequence[int]) -> str:
    """Hash a list of pair numbers."""
    return hashlib.sha256(",".join(map(str, indices)).encode()).hexdigest()
