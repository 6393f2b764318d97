"""The filters' part of an estimate: their pace on the trial's pairs, how many they keep, what the paid ones cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from gdp.core.building import plugin_errors
from gdp.core.errors import GdpError
from gdp.core.interfaces.filters import ScoringFilter
from gdp.core.interfaces.forecasts import Forecast
from gdp.core.pairs.records import Scores
from gdp.core.pairs.store import PairStore
from gdp.core.run.judging import BATCH, Judged, NamedFilter, judge_pairs, named_filters, score_key, verdict_key
from gdp.core.run.session import Session
from gdp.core.run.stages.filters import drawn_held_out
from gdp.tools.estimate.arithmetic import Duration, binomial_bounds, repeated, total
from gdp.tools.estimate.pairs import asks_others
from gdp.tools.estimate.timing import Here, look, split
from gdp.tools.estimate.works import Arithmetic, Calls, Counts, Part, Work

LARGEST = 2 * BATCH
"""Pairs that a filter is given at a time, at most; first a few, which warm it up."""
FIRST = 8
TELLING = 16
"""Pairs from which on the share that filters keep of them is believed."""
SPLIT = 10_000
"""Pairs up to which their split is made on trial."""
PUBLISHED = (0.86, 0.5, 1.0)
"""Share of pairs that filters keep which could not be tried, or on too few: 86 % of StyleGAN2's pictures were
acceptable to the system that gdp reproduces; and between which shares it is taken to lie."""


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
    untried: bool = False
    """Whether some filter could not be tried, so that `PUBLISHED` stands for what is not known."""


@dataclass(frozen=True)
class FilterProbe:
    """What filters are tried with.

    Attributes:
        session: Of the run; what its store knows already is not reckoned.
        trial: Of the trial.
        store: The trial's pairs.
        made: Pairs that the run will have.
        stand_ins: Whether the trial's pairs show nothing, so that what is kept of them says nothing.
        here: This machine.
        limit: Seconds for each filter.
    """

    session: Session
    trial: Session
    store: PairStore
    made: int
    stand_ins: bool
    here: Here
    limit: float

    @property
    def tells_little(self) -> bool:
        """Whether what is kept of the trial's pairs says little of what will be kept of the run's."""
        return self.stand_ins or len(self.store.indices()) < min(TELLING, self.made)


def probe_filters(probe: FilterProbe) -> Judging:
    """Let every filter but those that ask others judge pairs of the trial, each those that the one before it kept."""
    judging = Judging(kept=probe.store.indices())
    scores: dict[str, Mapping[int, Scores]] = {}
    for named, real in zip(named_filters(probe.trial), named_filters(probe.session), strict=True):
        entering = probe.made * judging.share
        known = _known(probe.session, real) * (entering / probe.made if probe.made else 0.0)
        left = max(0.0, entering - known)
        sources = probe.session.pair_source.input_channels // 3
        if asks_others(named.choice.record, _forecast(named, 1, sources)):
            _reckon(named, round(left), sources, judging)
            if probe.trial.pays and judging.kept:
                _pay(probe, named, scores, judging)
        elif judging.kept:
            _try(probe, named, scores, judging, left)
    return judging


def _forecast(named: NamedFilter, pairs: int, sources: int) -> Forecast:
    with plugin_errors(f"filter {named.name}"):
        return named.judge.forecast(pairs, sources)


def _reckon(named: NamedFilter, pairs: int, sources: int, judging: Judging) -> None:
    """Note what a filter that asks others says that its calls will take."""
    judging.untried = True
    forecast = _forecast(named, pairs, sources)
    stage = f"filter: {named.name}"
    if pairs and not forecast.calls:
        why = "asks others and is not asked; what it takes and costs it does not say"
        judging.parts.append(Part.unknown(stage, why))
        return
    calls = Calls(named.name, forecast.calls, forecast.dollars, forecast.calls * forecast.seconds_between_calls)
    judging.calls.append(calls)
    how = "a paid filter is not asked: the least time that its rate allows"
    work = (Work("network", Duration.exactly(calls.seconds)),) if calls.seconds else ()
    judging.parts.append(Part(stage, work, how))


def _pay(probe: FilterProbe, named: NamedFilter, scores: dict[str, Mapping[int, Scores]], judging: Judging) -> None:
    """Let a paid filter judge a few pairs, so that those after it are tried on what it keeps."""
    judged = judge_pairs(probe.trial, probe.store, named, judging.kept[:TELLING], scores)
    scores[named.name] = judged.scores
    judging.kept = judged.kept or judging.kept[:TELLING]


def _try(
    probe: FilterProbe, named: NamedFilter, scores: dict[str, Mapping[int, Scores]], judging: Judging, left: float
) -> None:
    """Judge in growing parts until there was time enough."""
    stage = f"filter: {named.name}"
    try:
        seen, judged, duration, counted, host = _judge(probe, named, scores, judging.kept, left)
    except GdpError as error:  # it may need what a paid filter would have measured
        judging.parts.append(Part.unknown(stage, f"could not be tried: {error}"))
        judging.untried = True
        return
    if judged is None:
        judging.parts.append(Part.unknown(stage, f"judged none in {probe.limit:.0f} s: raise --seconds"))
        judging.untried = True
        return
    if judged.not_yet:
        why = f"it could not be tried: {next(iter(judged.not_yet.values()))}"
        judging.parts.append(Part.unknown(stage, f"what it takes and costs, its forecast does not say; {why}"))
        judging.untried = True
        return
    passed = judged.kept
    scores[named.name] = judged.scores
    how = f"{seen} pairs judged, {len(passed)} kept"
    if probe.stand_ins:
        how = f"{seen} stand-ins judged"
    elif probe.tells_little:
        how += ", too few to tell a share"
    works = split(duration, "forward", counted.times(left), host, (1.0, 1.0)) if left else ()
    judging.parts.append(Part(stage, works, how if left else "all scores are known"))
    if probe.tells_little:  # the filters after it are tried on something, at least
        judging.kept, judging.untried = passed or judging.kept, True
        return
    judging.kept = passed
    low, high = binomial_bounds(len(passed), seen)
    judging.share *= len(passed) / seen
    judging.low, judging.high = judging.low * low, judging.high * high


def _judge(
    probe: FilterProbe,
    named: NamedFilter,
    scores: Mapping[str, Mapping[int, Scores]],
    candidates: Sequence[int],
    left: float,
) -> tuple[int, Judged | None, Duration, Arithmetic, float]:
    """Return how many were judged, what came of it, the time of those left, a pair's arithmetic, the host's share."""
    size = min(FIRST, len(candidates))
    some = list(candidates[:size])
    started = perf_counter()
    first = look(
        lambda pace: judge_pairs(probe.trial, probe.store, named, some, scores), probe.here, probe.limit, patience=3.0
    )
    if not first.finished:
        return 0, None, Duration.exactly(0.0), Arithmetic(), 0.0
    paces: list[float] = []
    seen = size
    pace = first.seconds / size
    while seen < len(candidates) and perf_counter() - started + pace * size < probe.limit:
        size = min(LARGEST, size if not paces else 2 * size, max(1, round(probe.limit / 2 / pace)))
        some = list(candidates[seen : seen + size])
        before = perf_counter()
        judge_pairs(probe.trial, probe.store, named, some, scores)
        pace = (perf_counter() - before) / len(some)
        paces.append(pace)
        seen += len(some)
    judged = judge_pairs(probe.trial, probe.store, named, candidates[:seen], scores)
    warming = max(0.0, first.seconds - pace * FIRST)
    rest = repeated(paces or [first.seconds / min(FIRST, len(candidates))], left)
    duration = total([Duration.exactly(warming if paces else 0.0), rest])
    return seen, judged, duration, first.done.times(1 / min(FIRST, len(candidates))), first.host_share


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


def expected_counts(made: int, judging: Judging, held_out: float, keep: float | None = None) -> Counts:
    """Return how many pairs will be kept, trained on and held out.

    Args:
        made: pairs that the run will have.
        judging: what the trial's filters kept.
        held_out: share of the kept ones that is held out.
        keep: share that is kept, where the user knows it better than a trial.
    """
    published = PUBLISHED if judging.untried else (1.0, 1.0, 1.0)
    tried = (judging.share, judging.low, judging.high)
    share, low, high = (a * b for a, b in zip(tried, published, strict=True)) if keep is None else (keep, keep, keep)
    kept = round(made * share)
    out = round(kept * held_out)
    return Counts(made, kept, round(made * low), round(made * high), kept - out, out)


def held_out_share(trial: Session, store: PairStore, kept: Sequence[int], made: int) -> float:
    """Return the share of the kept pairs that is held out, of so many that the run will have made."""
    if kept:
        chosen = trial.pair_source.held_out([record.name for record in store.records(kept)])
        if chosen is not None:
            return sum(chosen) / len(kept)
    share = trial.recipe.pairs.section.held_out
    # Of few pairs the split that will be made says more than the share that it is made by.
    return len(drawn_held_out(trial.recipe, range(made))) / made if made <= SPLIT else share
