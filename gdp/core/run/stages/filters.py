"""Stage filter: let each filter judge what the filters before it kept, then split the kept pairs.

A forced filter stage forgets nothing: verdicts may have cost money, so it decides anew from the stored scores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gdp.core.counters import counter_fraction
from gdp.core.errors import MissingResourceError
from gdp.core.interfaces.filters import ScoringFilter
from gdp.core.pairs.records import Scores, Verdict
from gdp.core.pairs.store import PairStore
from gdp.core.run import pictures
from gdp.core.run.judging import NamedFilter, judge_pairs, named_filters
from gdp.core.run.session import Session

NAME = "filter"
REJECTS_SHOWN = 8
TRAIN, HELD_OUT = "train", "held_out"


def key(session: Session) -> str:
    """Return the content key: the pairs, every filter's settings and model files, and the split."""
    judges = [
        {
            **session.settings_key(choice),
            "unknown": choice.section.unknown,
            "only_score": choice.section.only_score,
            "fingerprint": judge.fingerprint if isinstance(judge, ScoringFilter) else "",
        }
        for choice, judge in session.filters
    ]
    held_out = session.recipe.pairs.section.held_out
    return session.key(NAME, {"pairs": session.keys["pairs"], "filters": judges, "held_out": held_out})


def execute(session: Session) -> dict[str, Any]:
    """Judge, split, and write the funnel with pictures of some rejects.

    Raises:
        Stopped: the user asked to stop; every verdict so far is stored.
        MissingResourceError: too few pairs are left to train on.
    """
    funnel: list[dict[str, Any]] = []
    rejects: list[dict[str, str]] = []
    with session.open_store() as store:
        made = [index for index in store.indices() if index < _count(session)]
        remaining = made
        scores: dict[str, Mapping[int, Scores]] = {}
        for position, named in enumerate(named_filters(session)):
            judged = judge_pairs(session, store, named, remaining, scores)
            scores[named.name] = judged.scores
            kept = [index for index in remaining if named.lets_pass(judged.verdicts[index])]
            funnel.append(_funnel_row(named, remaining, kept, judged.verdicts))
            dropped = sorted(set(remaining) - set(kept))[:REJECTS_SHOWN]
            rejects += pictures.write_rejects(
                session.folder, store, f"{position}-{named.choice.record.name}", named.name, dropped, judged.verdicts
            )
            remaining = kept
        train, held_out = _split(session, store, remaining)
        session.set_split(store, {TRAIN: train, HELD_OUT: held_out})
    session.folder.write_json("funnel.json", {"made": len(made), "filters": funnel, "kept": len(remaining)})
    session.folder.write_json("pictures/rejects.json", rejects)
    if len(train) < 1:
        counts = ", ".join(f"{row['filter']} kept {row['kept']} of {row['input']}" for row in funnel)
        raise MissingResourceError(
            f"No pair is left to train on: {len(made)} made; {counts or 'no filters'}; {len(held_out)} held out. Make "
            f"more pairs (pairs.count) or loosen the filter that drops most; no picture is made or judged twice."
        )
    return {"made": len(made), "kept": len(remaining), "train": len(train), "held_out": len(held_out)}


def _count(session: Session) -> int:
    from gdp.core.run.stages.pairs import wanted

    return wanted(session)


def _funnel_row(
    named: NamedFilter, entered: Sequence[int], kept: Sequence[int], verdicts: Mapping[int, Verdict]
) -> dict[str, Any]:
    decisions = Counter(verdicts[index].decision for index in entered)
    reasons = Counter(
        verdicts[index].reason or "no reason given" for index in entered if verdicts[index].decision != "keep"
    )
    return {
        "filter": named.name,
        "only_score": named.choice.section.only_score,
        "input": len(entered),
        "kept": len(kept),
        "dropped": decisions["drop"],
        "unknown": decisions["unknown"],
        "reasons": dict(reasons.most_common()),
        "summary": dict(named.judge.summary()),
    }


def _split(session: Session, store: PairStore, kept: Sequence[int]) -> tuple[list[int], list[int]]:
    chosen = session.pair_source.held_out(store.names(kept))
    if chosen is None:
        share = session.recipe.pairs.section.held_out
        # A pair's side of the split never changes, however many pairs are made or kept.
        chosen = [counter_fraction(session.recipe.seed, "split", index) < share for index in kept]
    held_out = [index for index, out in zip(kept, chosen, strict=True) if out]
    return [index for index, out in zip(kept, chosen, strict=True) if not out], held_out
