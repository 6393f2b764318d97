"""The pairs' part of an estimate: some are made, as the stage makes them, or it is asked what making them costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

from gdp.core.building import plugin_errors
from gdp.core.errors import GdpError
from gdp.core.interfaces.forecasts import Forecast
from gdp.core.interfaces.pair_sources import PairSource
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.pairs.records import PairBatch, PairRecord
from gdp.core.pairs.store import PairStore
from gdp.core.records import PluginRecord
from gdp.core.run.session import Session
from gdp.core.run.stages.pairs import make_pairs, pairs_together
from gdp.tools.estimate.arithmetic import Duration, repeated
from gdp.tools.estimate.counting import PATIENCE, UncountableError
from gdp.tools.estimate.pace import PaceProgress
from gdp.tools.estimate.timing import UNTIMED, Here, count, look, split
from gdp.tools.estimate.works import Arithmetic, Calls, Kind, Part, Work

COUNTED = 8
"""Pairs whose arithmetic is counted: networks take a few at a time, which one alone would not show."""
STAND_INS = 16
"""Pictures of nothing that the later stages are tried with where no pair may be made, or none was in time."""


@dataclass
class MadePairs:
    """What is known of the pairs."""

    parts: list[Part] = field(default_factory=list)
    calls: list[Calls] = field(default_factory=list)
    stand_ins: bool = False
    """Whether the trial's pairs show nothing, so that filters cannot tell which are kept."""


def asks_others(record: PluginRecord, forecast: Forecast | None = None) -> bool:
    """Say whether trying a plugin would cost money, send pictures away, or ask another machine."""
    return record.images_leave_machine or record.needs.network or (forecast is not None and forecast.calls > 0)


def asks_for_pairs(session: Session) -> bool:
    """Say whether making a pair would ask others: the pair source, or the teacher that it uses."""
    with plugin_errors(f"pair source {session.recipe.pairs.record.name}"):
        forecast = session.pair_source.forecast(1)
    teacher = session.recipe.teacher
    return asks_others(session.recipe.pairs.record, forecast) or (teacher is not None and asks_others(teacher.record))


class UnaskedSource:
    """A pair source that asks others, for what comes after it: it tells what it is, and makes nothing.

    Args:
        source: the pair source.
    """

    def __init__(self, source: PairSource) -> None:
        self._source = source

    def __getattr__(self, name: str) -> Any:
        if name in ("make", "unreduced", "teach"):
            raise GdpError("the pair source or its teacher asks others, and an estimate asks nobody")
        return getattr(self._source, name)


def stand_in_pairs(session: Session, numbers: Iterable[int]) -> PairBatch:
    """Return smooth random pictures of the pairs' size, for trying what comes after them."""
    indices, side = list(numbers), session.pair_source.resolution
    random = torch.Generator().manual_seed(0)
    rough = torch.rand(2, len(indices), session.pair_source.input_channels, 8, 8, generator=random) * 2 - 1
    source, target = (functional.interpolate(each, size=(side, side), mode="bilinear") for each in rough)
    records = [PairRecord(index=index, seed=session.recipe.seed, edit={"kind": "stand-in"}) for index in indices]
    return PairBatch(indices, source, target[:, :3].contiguous(), records)


def probe_pairs(trial: Session, store: PairStore, made: int, left: int, here: Here, limit: float) -> MadePairs:
    """Make pairs of the trial for some time, and reckon those that are lacking.

    Args:
        trial: of the trial; the pairs go into its store.
        store: the trial's.
        made: pairs that the run will have.
        left: of them, those that are still to be made; 0 leaves no part to reckon.
        here: this machine.
        limit: seconds to make pairs for.
    """
    if asks_for_pairs(trial):
        found = _reckon(trial, left)
        if trial.pays:
            make_pairs(trial, store, list(range(min(STAND_INS, made))))
        trial.pair_source = cast(PairSource, UnaskedSource(trial.pair_source))
    else:
        found = _probe(trial, store, made, left, here, limit)
    if not store.indices():
        store.append(stand_in_pairs(trial, range(min(STAND_INS, made))))
        found.stand_ins = True
    return found


def _reckon(trial: Session, left: int) -> MadePairs:
    """Note what a source that asks others says that its calls will take."""
    name = trial.recipe.pairs.record.name
    with plugin_errors(f"pair source {name}"):
        forecast = trial.pair_source.forecast(left)
    calls = Calls(name, forecast.calls, forecast.dollars, forecast.calls * forecast.seconds_between_calls)
    if left and not forecast.calls:
        why = "asks others and is not asked; what it takes and costs it does not say (PairSource.forecast)"
        return MadePairs([Part.unknown("pairs", why)])
    how = "asks others and is not asked: the least time that its rate allows"
    work = (Work("network", Duration.exactly(calls.seconds)),) if calls.seconds else ()
    return MadePairs([Part("pairs", work, how)] if left else [], [calls] if left else [])


def _probe(trial: Session, store: PairStore, made: int, left: int, here: Here, limit: float) -> MadePairs:
    kind: Kind = "synthesis" if isinstance(trial.teacher, LatentTeacher) else "forward"
    with plugin_errors(f"pair source {trial.recipe.pairs.record.name}"):
        # What a source measures once, such as where a direction belongs, it cannot measure of shapes alone.
        trial.pair_source.check()
    each = _count(trial, min(made, COUNTED), here)
    together = min(made, pairs_together(trial))
    while together > 1 and here.speeds.seconds(each.times(together)) > limit / 2:
        together //= 2
    # The first ones warm up, and show how much of the time is the networks'.
    started = perf_counter()
    first = look(lambda pace: make_pairs(trial, store, list(range(together))), here, limit)
    if not first.finished:
        return MadePairs([_broken_off(kind, each, first.done, first.seconds, left, here)] if left else [])
    paces: list[float] = []
    done = together
    while done < made and (not paces or perf_counter() - started + paces[-1] * together < limit):
        indices = list(range(done, min(made, done + together)))
        before = perf_counter()
        make_pairs(trial, store, indices)
        paces.append((perf_counter() - before) / len(indices))
        done += len(indices)
    pace = repeated(paces or [first.seconds / together], left)
    counted = each if each.kernels else first.arithmetic.times(1 / together)
    how = f"{done} made" + (f", {left} of {made} are lacking" if left else "")
    return MadePairs([Part("pairs", split(pace, kind, counted.times(left), first.host_share, (1.0, 1.0)), how)])


def _count(trial: Session, pairs: int, here: Here) -> Arithmetic:
    """Return the arithmetic of a pair; none where it cannot be counted, or there is no teacher."""

    def make(pace: PaceProgress) -> None:
        trial.pair_source.make(list(range(pairs)))

    networks: list[nn.Module] = [] if trial.teacher is None else [trial.teacher.module]
    if not networks:
        return Arithmetic()
    try:
        return count(make, here, networks, PATIENCE, patience=1.0).arithmetic.times(1 / pairs)
    except UncountableError:  # what the first ones really do is counted then, as far as they come
        return Arithmetic()


def _broken_off(kind: Kind, each: Arithmetic, done: Arithmetic, seconds: float, left: int, here: Here) -> Part:
    """Reckon pairs none of which was made in time, from the share of their arithmetic that was done."""
    if not each.multiplied or not done.multiplied:
        return Part.unknown("pairs", f"none was made in {seconds:.0f} s: raise --seconds")
    share = done.multiplied / each.multiplied
    duration = Duration.about(seconds / share * left, *UNTIMED)
    how = "broken off in the first ones; the rest by arithmetic"
    return Part("pairs", (Work(kind, duration, each.times(left)),), how)
