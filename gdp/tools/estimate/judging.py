"""The filters' part of an estimate: their pace on the trial's pairs, how many they keep, what the paid ones cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from gdp.core.building import plugin_errors
from gdp.core.errors import GdpError
from gdp.core.interfaces.filters import Forecast, ScoringFilter
from gdp.core.pairs.records import Scores
from gdp.core.pairs.store import PairStore
from gdp.core.run.judging import NamedFilter, judge_pairs, named_filters, score_key, verdict_key
from gdp.core.run.session import Session
from gdp.tools.estimate.arithmetic import NOTHING, Duration, binomial_bounds, repeated, total
from gdp.tools.estimate.pace import Calls, Counts, Part

CHUNKS = (16, 32, 64, 64, 64, 128)
"""Pairs that a filter is given at a time; the first warm it up."""


@dataclass
class Judging:
    """What is known of the filters."""

    parts: list[Part] = field(default_factory=list)
    calls: list[Calls] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    """Of the trial's pairs."""
    share: float = 1.0
    low: float = 1.0
    high: float = 1.0


def probe_filters(session: Session, trial: Session, store: PairStore, made: int, limit: float) -> Judging:
    """Let every filter but the paid ones judge pairs of the trial, each those that the one before it kept.

    Args:
        session: of the run; what its store knows already is not reckoned.
        trial: of the trial.
        store: the trial's pairs.
        made: pairs that the run will have.
        limit: seconds for each filter.
    """
    judging = Judging(kept=store.indices())
    scores: dict[str, Mapping[int, Scores]] = {}
    for named, real in zip(named_filters(trial), named_filters(session), strict=True):
        entering = made * judging.share
        left = max(0.0, entering - _known(session, real) * (entering / made if made else 0.0))
        sources = session.pair_source.input_channels // 3
        if _asks_others(named, sources):
            _reckon(named, round(left), sources, judging)
        elif judging.kept:
            _probe(trial, store, named, scores, judging, left, limit)
    return judging


def _asks_others(named: NamedFilter, sources: int) -> bool:
    """Say whether trying a filter would cost money, or send pictures away."""
    return named.choice.record.images_leave_machine or _forecast(named, 1, sources).calls > 0


def _forecast(named: NamedFilter, pairs: int, sources: int) -> Forecast:
    with plugin_errors(f"filter {named.name}"):
        return named.judge.forecast(pairs, sources)


def _reckon(named: NamedFilter, pairs: int, sources: int, judging: Judging) -> None:
    """Note what a paid filter says that its calls will take."""
    forecast = _forecast(named, pairs, sources)
    calls = Calls(named.name, forecast.calls, forecast.dollars, forecast.calls * forecast.seconds_between_calls)
    judging.calls.append(calls)
    known = "the least time that its rate allows" if forecast.calls or not pairs else "it does not say what it asks"
    how = f"a paid filter is not asked; {known}; all pairs are taken to pass"
    judging.parts.append(Part(f"filter: {named.name}", Duration.exactly(calls.seconds), how))


def _probe(
    trial: Session,
    store: PairStore,
    named: NamedFilter,
    scores: dict[str, Mapping[int, Scores]],
    judging: Judging,
    left: float,
    limit: float,
) -> None:
    """Judge in growing parts until there was time enough."""
    paces: list[float] = []
    first, seen, started = 0.0, 0, perf_counter()
    try:
        for size in CHUNKS:
            some = judging.kept[seen : seen + size]
            if not some or perf_counter() - started > limit:
                break
            before = perf_counter()
            judge_pairs(trial, store, named, some, scores)
            took = perf_counter() - before
            if seen:
                paces.append(took / len(some))
            else:
                first = took
            seen += len(some)
        judged = judge_pairs(trial, store, named, judging.kept[:seen], scores)
    except GdpError as error:  # it may need what a paid filter would have measured
        judging.parts.append(Part(f"filter: {named.name}", NOTHING, f"could not be tried: {error}"))
        return
    scores[named.name] = judged.scores
    passed = judged.kept
    rest = repeated(paces or [first / seen], max(0.0, left - min(seen, CHUNKS[0])))
    how = f"{seen} pairs judged, {len(passed)} kept"
    duration = total([Duration.exactly(min(first, first * left)), rest]) if left else NOTHING
    judging.parts.append(Part(f"filter: {named.name}", duration, how if left else "all scores are known"))
    low, high = binomial_bounds(len(passed), seen)
    judging.share *= len(passed) / seen
    judging.low, judging.high = judging.low * low, judging.high * high
    judging.kept = passed


def _known(session: Session, named: NamedFilter) -> int:
    """Return on how many pairs of the run a filter's answers are stored already."""
    if "store" not in session.keys or not session.store_folder.is_dir():
        return 0
    try:
        with session.open_store(read_only=True) as store:
            if isinstance(named.judge, ScoringFilter):
                return len(store.scores(score_key(session, named.choice, named.judge)))
            return len(store.verdicts(verdict_key(session, named.choice)))
    except GdpError:  # an empty or damaged store knows nothing
        return 0


def expected_counts(made: int, judging: Judging, held_out: float) -> Counts:
    """Return how many pairs will be kept, trained on and held out, from what the trial's filters kept."""
    kept = round(made * judging.share)
    out = round(kept * held_out)
    return Counts(made, kept, round(made * judging.low), round(made * judging.high), kept - out, out)


def held_out_share(trial: Session, store: PairStore, kept: Sequence[int]) -> float:
    """Return the share of the kept pairs that is held out."""
    if kept:
        chosen = trial.pair_source.held_out([record.name for record in store.records(kept)])
        if chosen is not None:
            return sum(chosen) / len(kept)
    return trial.recipe.pairs.section.held_out
