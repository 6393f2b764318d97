"""Stage filter: let each filter judge what the filters before it kept, then split the kept pairs.

A forced filter stage forgets nothing: verdicts may have cost money, so it decides anew from the stored scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gdp.core.config import content_key
from gdp.core.counters import counter_fraction
from gdp.core.errors import MissingResourceError
from gdp.core.files import write_atomically
from gdp.core.interfaces.filters import ScoringFilter
from gdp.core.interfaces.pair_sources import PairSource
from gdp.core.interfaces.stages import Stage
from gdp.core.pairs.store import PairStore
from gdp.core.pictures import encode_png
from gdp.core.progress import Stopped
from gdp.core.recipe.reading import Recipe
from gdp.core.run.judging import DECODED, DecodedPairs, Judged, walk
from gdp.core.run.session import Session
from gdp.core.run.stages.pairs import made_pairs

REJECTS_SHOWN = 8
TRAIN, HELD_OUT = "train", "held_out"
HELD_OUT_FILE = "held_out.json"
FUNNEL = "funnel.json"


class FilterStage(Stage[Session]):
    """Lets each filter judge what the filters before it kept, then splits the kept pairs."""

    def key(self, session: Session, keys: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what the outcome depends on: the pairs, every filter's settings and model files, and the split."""
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
        return {"pairs": keys["pairs"], "filters": judges, "held_out": held_out}

    def is_there(self, session: Session) -> bool:
        """Say whether the split is still there; a store that was made anew has none.

        Where pairs were "not yet" for a filter, it is asked again.
        """
        if session.summaries.get("filter", {}).get("not_yet"):
            return False
        with session.open_store(read_only=True) as store:
            split = {name: session.split(store, name) for name in (TRAIN, HELD_OUT)}
        recorded = session.folder.stages().get("filter", {}).get("summary", {}).get("split_sha256")
        return bool(split[TRAIN]) and recorded in (None, _digest(split))

    def leaves(self, session: Session) -> Iterable[Path]:
        """Return the funnel and the pictures of rejects; the split's digest stands in the summary."""
        folder = session.folder.path
        named = [folder / name for name in (FUNNEL, HELD_OUT_FILE, "pictures/rejects.json")]
        return [file for file in (*named, *(folder / "pictures" / "rejects").glob("*.png")) if file.is_file()]

    def execute(self, session: Session) -> dict[str, Any]:
        """Judge, split, and write the funnel with pictures of some rejects.

        Raises:
            Stopped: the user asked to stop; every verdict so far is stored.
            MissingResourceError: too few pairs are left to train on.
        """
        funnel: list[dict[str, Any]] = []
        rejects: list[dict[str, str]] = []
        with session.open_store() as store:
            made = made_pairs(session, store)
            kept: Sequence[int] = made
            pairs = DecodedPairs(store, session.memory.share(DECODED))
            not_yet = 0
            for position, judged in enumerate(walk(session, store, made, measure=True, pairs=pairs)):
                kept = judged.kept
                funnel.append({**judged.funnel_row(), "summary": dict(judged.filter.judge.summary())})
                rejects += _write_rejects(session, pairs, position, judged)
                not_yet += len(judged.not_yet)
                if judged.not_yet and judged.filter.choice.section.not_yet == "stop":
                    _write_funnel(session, made, funnel, rejects, kept)
                    raise Stopped(_not_yet(judged))
            train, held_out = _split(session, store, made, kept)
            session.set_split(store, {TRAIN: train, HELD_OUT: held_out})
        _write_funnel(session, made, funnel, rejects, kept)
        if len(train) < 1:
            counts = ", ".join(f"{row['filter']} kept {row['kept']} of {row['input']}" for row in funnel)
            raise MissingResourceError(
                f"No pair is left to train on: {len(made)} made; {counts or 'no filters'}; {len(held_out)} held out. "
                f"Make more pairs (pairs.count) or loosen the filter that drops most; no picture is made or judged "
                f"twice."
            )
        if not held_out and session.recipe.pairs.section.held_out:
            session.progress.message(
                f"filter: none of the {len(kept)} pairs is held out (the pair source or dataset may say which are), so "
                f"nothing will be measured on pairs that the student has not seen; raise pairs.count"
            )
        numbers = {"made": len(made), "kept": len(kept), "train": len(train), "held_out": len(held_out)}
        numbers |= {"not_yet": not_yet} if not_yet else {}
        return {**numbers, "split_sha256": _digest({TRAIN: train, HELD_OUT: held_out})}


def _write_funnel(
    session: Session,
    made: Sequence[int],
    rows: Sequence[Mapping[str, Any]],
    rejects: Sequence[Mapping[str, str]],
    kept: Sequence[int],
) -> None:
    session.folder.write_json(FUNNEL, {"made": len(made), "filters": rows, "kept": len(kept)})
    session.folder.write_json("pictures/rejects.json", rejects)


def _not_yet(judged: Judged) -> str:
    row, name = judged.funnel_row(), judged.filter.name
    return (
        f"filter {name} has not yet looked at {row['not_yet']} of {row['input']} pairs ({row['not_yet_because']}); "
        f'what it said of the others is stored. To go on without them, set not_yet = "drop" in its section'
    )


def _digest(split: Mapping[str, Sequence[int]]) -> str:
    return content_key({name: list(indices) for name, indices in split.items()})


def _write_rejects(session: Session, pairs: DecodedPairs, position: int, judged: Judged) -> list[dict[str, str]]:
    """Write pictures of some pairs that a filter dropped; return their entries for pictures/rejects.json."""
    kept, named = set(judged.kept), judged.filter
    dropped = [index for index in judged.verdicts if index not in kept][:REJECTS_SHOWN]
    if not dropped:
        return []
    batch = pairs.load(dropped)
    entries = []
    for row, index in enumerate(dropped):
        entry = {"filter": named.name, "reason": judged.verdicts[index].reason or ""}
        for side, picture in (("source", batch.source[row, :3]), ("target", batch.target[row])):
            name = f"pictures/rejects/{position}-{named.choice.record.name}-{index:06d}-{side}.png"
            write_atomically(session.folder.path / name, encode_png(picture))
            entry[side] = name
        entries.append(entry)
    return entries


def _split(session: Session, store: PairStore, made: Sequence[int], kept: Sequence[int]) -> tuple[list[int], list[int]]:
    chosen = _held_out(session, store, made)
    if chosen is None:
        chosen = drawn_held_out(session.recipe, kept)
    return [index for index in kept if index not in chosen], [index for index in kept if index in chosen]


def drawn_held_out(recipe: Recipe, indices: Iterable[int]) -> set[int]:
    """Return which pairs are held out by the recipe's share; a pair's side never changes, however many are made."""
    share = recipe.pairs.section.held_out
    return {index for index in indices if counter_fraction(recipe.seed, "split", index) < share}


def _held_out(session: Session, store: PairStore, made: Sequence[int]) -> set[int] | None:
    """Return the pairs that the pair source holds out; None where it leaves that to the recipe's share.

    What it says is written down for who judges the pairs anew without it.
    """
    said = session.folder.read_json(HELD_OUT_FILE, {})
    if not session.only_judges or said.get("pairs") != session.keys["pairs"]:
        said = {"pairs": session.keys["pairs"], "held_out": _ask(session, store, made)}
        session.folder.write_json(HELD_OUT_FILE, said)
    return None if said["held_out"] is None else set(said["held_out"])


def _ask(session: Session, store: PairStore, made: Sequence[int]) -> list[int] | None:
    """Ask the pair source which pairs it holds out; one that leaves that to the recipe is not built for it."""
    source: type[PairSource] = session.plugins.load(session.recipe.pairs.record)
    answers = None if source.held_out is PairSource.held_out else session.pair_source.held_out(store.names(made))
    return None if answers is None else [index for index, out in zip(made, answers, strict=True) if out]
