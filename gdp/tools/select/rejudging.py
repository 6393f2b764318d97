"""What the filters say of the pairs by the scores that are stored: decided in memory, nothing measured or written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gdp.core.interfaces.filters import CombiningFilter, ScoringFilter
from gdp.core.pairs.records import Scores, Verdict
from gdp.core.pairs.store import PairStore
from gdp.core.run.judging import NamedFilter, named_filters, score_key, verdict_key
from gdp.core.run.session import Session, plugin_errors


@dataclass(frozen=True)
class Rejudged:
    """What one filter says of the pairs that reached it."""

    filter: NamedFilter
    entered: Sequence[int]
    kept: Sequence[int]
    verdicts: Mapping[int, Verdict]
    """By pair; those that the filter would have to look at first are left out."""
    scores: Mapping[int, Scores]
    unmeasured: Sequence[int]
    """Pairs that the filter would have to look at first; they go no further."""

    def funnel_row(self) -> dict[str, Any]:
        """Return the filter's row of the funnel, as funnel.json has it, and how many pairs are unmeasured."""
        decisions = Counter(verdict.decision for verdict in self.verdicts.values())
        reasons = Counter(
            verdict.reason or "no reason given" for verdict in self.verdicts.values() if verdict.decision != "keep"
        )
        return {
            "filter": self.filter.name,
            "only_score": self.filter.choice.section.only_score,
            "input": len(self.entered),
            "kept": len(self.kept),
            "dropped": decisions["drop"],
            "unknown": decisions["unknown"],
            "unmeasured": len(self.unmeasured),
            "reasons": dict(reasons.most_common()),
        }


def rejudge(session: Session, store: PairStore, made: Sequence[int]) -> Iterator[Rejudged]:
    """Let each filter of the recipe decide, in turn, on what the filters before it kept.

    Args:
        session: on the run; its keys of teacher and pairs are known.
        store: its pairs.
        made: numbers of the pairs to decide on, ascending.

    Raises:
        GdpError: a filter cannot be built, or says that its settings do not fit the scores.
    """
    remaining = made
    filters = named_filters(session)
    earlier: dict[str, Mapping[int, Scores]] = {}
    for position, named in enumerate(filters):
        with plugin_errors(f"filter {named.name}"):
            verdicts, scores = _decide(session, store, named, remaining, earlier)
        kept = [index for index in remaining if index in verdicts and named.lets_pass(verdicts[index])]
        unmeasured = [index for index in remaining if index not in verdicts]
        yield Rejudged(named, remaining, kept, verdicts, scores, unmeasured)
        if any(isinstance(later.judge, CombiningFilter) for later in filters[position + 1 :]):
            earlier[named.name] = scores  # else they are not held, for there may be many
        remaining = kept


def _decide(
    session: Session,
    store: PairStore,
    named: NamedFilter,
    indices: Sequence[int],
    earlier: Mapping[str, Mapping[int, Scores]],
) -> tuple[Mapping[int, Verdict], Mapping[int, Scores]]:
    """Return the verdicts and scores of the pairs that were measured, as the stage filter would."""
    if not indices:
        return {}, {}  # nothing is left to judge, and no plugin need foresee that
    wanted = set(indices)
    match named.judge:
        case ScoringFilter() as judge:
            stored = store.iterate_scores(score_key(session, named.choice, judge))
            scores: Mapping[int, Scores] = {index: found for index, found in stored if index in wanted}
            return (judge.decide(scores) if scores else {}), scores
        case CombiningFilter() as judge:
            verdicts = judge.decide(
                {index: {name: found[index] for name, found in earlier.items()} for index in indices}
            )
            return verdicts, {index: verdict.scores for index, verdict in verdicts.items()}
        case _:
            key = verdict_key(session, named.choice)
            verdicts = {index: found for index, found in store.iterate_verdicts(key) if index in wanted}
            return verdicts, {index: verdict.scores for index, verdict in verdicts.items()}
