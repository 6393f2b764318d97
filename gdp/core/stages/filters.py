"""Stage filter: let each filter judge what the filters before it kept, then split the kept pairs.

A forced filter stage forgets nothing: verdicts may have cost money, so it decides anew from the stored scores.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gdp.core.config import content_key
from gdp.core.errors import MissingResourceError, PluginError
from gdp.core.interfaces.filters import Filter, ScoringFilter
from gdp.core.pairs.records import Verdict
from gdp.core.pairs.store import PairStore
from gdp.core.progress import ProgressTask
from gdp.core.recipe import Choice
from gdp.core.settings import FilterSection
from gdp.core.stages import pictures
from gdp.core.stages.session import Session, Stopped, plugin_errors

NAME = "filter"
BATCH = 64
REJECTS_SHOWN = 8
TRAIN, HELD_OUT = "train", "held_out"


def key(session: Session) -> str:
    """Return the content key: the pairs, every filter's settings and model files, and the split."""
    judges = [
        {
            **session.settings_key(choice),
            "unknown": choice.section.unknown,
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
        for position, (choice, judge) in enumerate(session.filters):
            verdicts = _judge(session, store, choice, judge, remaining)
            kept = [index for index in remaining if _is_kept(verdicts[index], choice)]
            funnel.append(_funnel_row(choice.record.name, remaining, kept, verdicts))
            dropped = [index for index in remaining if not _is_kept(verdicts[index], choice)]
            shown = dropped[:REJECTS_SHOWN]
            rejects += pictures.write_rejects(
                session.folder, store, f"{position}-{choice.record.name}", choice.record.name, shown, verdicts
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
    from gdp.core.stages.pairs import wanted

    return wanted(session)


def _is_kept(verdict: Verdict, choice: Choice[FilterSection]) -> bool:
    return verdict.decision == "keep" or (verdict.decision == "unknown" and choice.section.unknown == "keep")


def _judge(
    session: Session,
    store: PairStore,
    choice: Choice[FilterSection],
    judge: Filter | ScoringFilter,
    indices: Sequence[int],
) -> dict[int, Verdict]:
    if not indices:
        return {}  # nothing is left to judge, and no plugin need foresee that
    name = choice.record.name
    with plugin_errors(f"filter {name}"):
        if isinstance(judge, ScoringFilter):
            return _judge_by_scores(session, store, choice, judge, indices)
        return _judge_directly(session, store, choice, judge, indices)


def _judge_directly(
    session: Session, store: PairStore, choice: Choice[FilterSection], judge: Filter, indices: Sequence[int]
) -> dict[int, Verdict]:
    name = choice.record.name
    filter_key = f"{name}-{content_key(session.settings_key(choice))[:12]}"
    known = store.verdicts(filter_key)
    todo = [index for index in indices if index not in known]
    with session.progress.task(f"filter {name}", len(indices), "pair", done=len(indices) - len(todo)) as task:
        for part in _batches(session, todo, task):
            verdicts = judge.judge(store.load(part))
            if len(verdicts) != len(part):
                raise PluginError(f"filter {name}: gave {len(verdicts)} verdicts on {len(part)} pairs")
            store.put_verdicts(filter_key, dict(zip(part, verdicts, strict=True)))
    known = store.verdicts(filter_key)
    return {index: known[index] for index in indices}


def _judge_by_scores(
    session: Session, store: PairStore, choice: Choice[FilterSection], judge: ScoringFilter, indices: Sequence[int]
) -> dict[int, Verdict]:
    name = choice.record.name
    settings = session.settings_key(choice)["settings"]
    scored_by = {field: settings[field] for field in sorted(judge.score_settings)}
    identity = {"settings": scored_by, "version": judge.score_version, "fingerprint": judge.fingerprint}
    score_key = f"{name}-{content_key(identity)[:12]}"
    known = store.scores(score_key)
    todo = [index for index in indices if index not in known]
    with session.progress.task(f"filter {name}", len(indices), "pair", done=len(indices) - len(todo)) as task:
        for part in _batches(session, todo, task):
            scores = judge.score(store.load(part))
            if len(scores) != len(part):
                raise PluginError(f"filter {name}: gave {len(scores)} scores on {len(part)} pairs")
            store.put_scores(score_key, dict(zip(part, scores, strict=True)))
    known = store.scores(score_key)
    verdicts = judge.decide({index: known[index] for index in indices})
    if set(verdicts) != set(indices):
        raise PluginError(f"filter {name}: decided on {len(verdicts)} pairs where {len(indices)} were asked")
    # The candidates are part of the key, for a decision (on duplicates, say) may depend on which pairs came so far.
    decision = {"scores": score_key, "settings": settings, "candidates": indices_digest(indices)}
    store.put_verdicts(f"{name}-{content_key(decision)[:12]}", verdicts)
    return verdicts


def _batches(session: Session, indices: Sequence[int], task: ProgressTask) -> Iterator[list[int]]:
    for start in range(0, len(indices), BATCH):
        if session.stop_requested():
            raise Stopped
        part = list(indices[start : start + BATCH])
        yield part
        task.advance(len(part))


def _pages(indices: Sequence[int], size: int = 1000) -> Iterator[Sequence[int]]:
    """Yield the numbers in parts, for records hold latents, which are not to be in memory all at once."""
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


def _funnel_row(
    name: str, entered: Sequence[int], kept: Sequence[int], verdicts: Mapping[int, Verdict]
) -> dict[str, Any]:
    decisions = Counter(verdicts[index].decision for index in entered)
    reasons = Counter(
        verdicts[index].reason or "no reason given" for index in entered if verdicts[index].decision != "keep"
    )
    return {
        "filter": name,
        "input": len(entered),
        "kept": len(kept),
        "dropped": decisions["drop"],
        "unknown": decisions["unknown"],
        "reasons": dict(reasons.most_common()),
    }


def _split(session: Session, store: PairStore, kept: Sequence[int]) -> tuple[list[int], list[int]]:
    names = [record.name for part in _pages(kept) for record in store.records(part)]
    chosen = session.pair_source.held_out(names)
    if chosen is None:
        share = session.recipe.pairs.section.held_out
        chosen = [_unit_hash(session.recipe.seed, index) < share for index in kept]
    held_out = [index for index, out in zip(kept, chosen, strict=True) if out]
    return [index for index, out in zip(kept, chosen, strict=True) if not out], held_out


def _unit_hash(seed: int, index: int) -> float:
    """Hash to [0, 1): a pair's side of the split never changes, however many pairs are made or kept."""
    return int.from_bytes(hashlib.sha256(f"split {seed} {index}".encode()).digest()[:8], "big") / 2**64


def indices_digest(indices: Sequence[int]) -> str:
    """Hash a list of pair numbers."""
    return hashlib.sha256(",".join(map(str, indices)).encode()).hexdigest()
