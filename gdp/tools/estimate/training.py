"""The training's part of an estimate: a step of every phase is counted, and as many are done as there is time for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import fmean
from time import perf_counter

import torch

from gdp.core.memory import free_device_memory, free_memory
from gdp.core.recipe.sections import TrainSection
from gdp.core.run.session import Session
from gdp.core.training import Rehearsal, TrainingPairs, rehearse
from gdp.core.training.inference import deployed_predict
from gdp.core.training.loader import CACHE_LIMIT
from gdp.core.training.optimizer import total_steps
from gdp.core.training.precision import computes_bf16, decide
from gdp.core.training.statistics import MEASURED
from gdp.tools.estimate.arithmetic import NOTHING, Duration, repeated, total
from gdp.tools.estimate.counting import UncountableError
from gdp.tools.estimate.steps import Counted, begins, checkpoint_bytes, count_training, few_pairs, phase_shares
from gdp.tools.estimate.timing import NOT_RUN, UNTIMED, Here, count, look
from gdp.tools.estimate.trial import FreshStudent, ManyPairs
from gdp.tools.estimate.works import Arithmetic, Counts, Part, Work

LOADED = 512
"""Training pairs that are loaded at most, as a sample of how long all take."""
BYTES_A_SECOND = 200e6
"""Of a checkpoint that is too large to be written on trial: hashed, written, synced."""
STEPS = 4
"""Steps, as reckoned, that must fit into the time for any to be tried."""
FEW = 8
"""Pairs that are enough for a step, and for a sample grid."""
SHARE_OF_MEMORY = 0.8
"""Of the memory that is free, what a step may take that is done on trial."""
COMPILING = Duration(20.0, 0.0, 60.0)
"""What the first compiled step takes longer, where it is not tried: nothing where no piece is compiled after all."""
COMPILED = 0.75
"""How much faster compiled steps may be at most."""


@dataclass
class _Tried:
    """What was seen of a training."""

    preparing: float
    phases: list[list[float]]
    """Seconds of steps of each phase, the first ones left out."""
    warming: float
    """What the first ones took longer than the others."""
    shares: list[float]
    """Each phase's share of the steps."""
    checkpoint_bytes: float
    grid: float | None = None
    checkpoint: float | None = None


@dataclass(frozen=True)
class TrainingProbe:
    """What a training is tried with.

    Attributes:
        session: Of the run; steps up to its newest checkpoint are not reckoned.
        trial: Of the trial.
        many: Its pairs.
        counts: Pairs that the run will have.
        here: This machine.
        limit: Seconds to train for.
        fresh: A student that is only looked at.
    """

    session: Session
    trial: Session
    many: ManyPairs
    counts: Counts
    here: Here
    limit: float
    fresh: FreshStudent

    @property
    def settings(self) -> TrainSection:
        """The recipe's `[train]`."""
        return self.trial.recipe.train

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return total_steps(self.settings, self.counts.train)


def probe_training(probe: TrainingProbe) -> tuple[list[Part], Counted | None]:
    """Reckon the whole training from some of its steps, or from their arithmetic where one takes too long."""
    steps, here = probe.steps, probe.here
    left = steps - newest_step(probe.session)
    loading, sample = _time_loading(probe)
    few = _few(probe, sample)
    counted, why = _count(probe, few)
    free = free_device_memory(str(here.device))
    fits = counted is None or counted.peak_bytes < SHARE_OF_MEMORY * (free_memory() if free is None else free)
    reckoned = None if counted is None else max(here.speeds.seconds(step) for step in counted.steps)
    if fits and (counted is None or reckoned is None or STEPS * reckoned * len(counted.steps) < probe.limit):
        tried = _try(probe, few, counted)
        parts = _from_steps(probe, tried, counted, left, why)
    else:
        assert counted is not None
        parts = _from_forward(probe, counted, left, fits)
    return [Part.on_processor("train: loading", loading, f"{sample} pairs loaded"), *parts], counted


def _few(probe: TrainingProbe, sample: int) -> TrainingPairs:
    """Return as many pairs as a batch needs, and as many held-out ones as are loaded in little time."""
    train, shown = max(probe.settings.batch, FEW), max(sample, FEW)
    return few_pairs(probe.trial, probe.many, train, min(probe.counts.held_out, MEASURED, shown))


def _count(probe: TrainingProbe, few: TrainingPairs) -> tuple[Counted | None, str]:
    """Count the training; return nothing and why where that cannot be done."""
    try:
        return count_training(probe.trial, few, probe.steps), ""
    except UncountableError as error:
        return None, f"; its arithmetic could not be counted ({error})"


def _time_loading(probe: TrainingProbe) -> tuple[Duration, int]:
    """Return how long loading all pairs takes, and how many were loaded to know it."""
    started = perf_counter()
    loaded = probe.many.load_uint8([0])
    first = perf_counter() - started
    sample = min(probe.counts.train, LOADED, max(probe.settings.batch, round(probe.limit / 4 / max(first, 1e-4))))
    started = perf_counter()
    probe.many.load_uint8(range(sample))
    seconds = (perf_counter() - started) / sample * probe.counts.train
    if sum(picture.nbytes for picture in loaded) * probe.counts.train > CACHE_LIMIT:
        return NOTHING, sample  # they are read while the training goes on
    return Duration.exactly(seconds), sample


def _compiles(probe: TrainingProbe) -> bool:
    """Say whether the run will compile pieces of its networks: of those that train in float32 on a processor."""
    in_float32 = probe.settings.precision == "float32" or not computes_bf16(probe.here.device)
    return decide(probe.settings.compile, probe.steps) and in_float32 and probe.here.device.type == "cpu"


def _try(probe: TrainingProbe, few: TrainingPairs, counted: Counted | None) -> _Tried:
    """Train for some steps of each phase; draw a sample grid and write a checkpoint where they are small enough."""
    trial, here = probe.trial, probe.here
    started = perf_counter()
    student, losses = trial.new_student(), trial.new_losses()
    trial.initialise(student)
    settings = probe.settings.model_copy(update={"steps": probe.steps, "epochs": None})
    compiles = _compiles(probe) and probe.limit >= 2 * COMPILING.seconds
    place = {"seed": trial.training_seed, "device": here.device, "compiles": compiles, "teacher": trial.teacher}
    with rehearse(student, losses, few, settings, trial.train_folder, **place) as rehearsal:  # type: ignore[arg-type] # a table of keywords
        tried = _Tried(perf_counter() - started, [], 0.0, phase_shares(rehearsal), checkpoint_bytes(student))
        firsts = begins(rehearsal)
        for begin, end in zip(firsts, rehearsal.stretch_ends, strict=True):
            numbers = range(begin, max(end, begin + 1))
            times, warming = _time_steps(rehearsal, numbers, here, probe.limit / len(firsts))
            tried.phases.append(times)
            tried.warming += warming
        _try_files(rehearsal, tried, _grid(probe, tried, counted).seconds, len(few.held_out) or FEW, probe)
    return tried


def _try_files(rehearsal: Rehearsal, tried: _Tried, grid: float, shown: int, probe: TrainingProbe) -> None:
    """Draw a sample grid and write a checkpoint, where they are expected to be small enough."""
    rehearsal.open_files()
    rehearsal.log()
    rehearsal.step(rehearsal.stretch_ends[-1] - 1)
    rehearsal.log()  # the report draws curves, each from two lines on
    pictures = _grid_pictures(probe)
    if grid * shown / pictures < probe.limit:
        tried.grid = _seconds(rehearsal.draw_samples, probe.here) * max(1.0, pictures / shown)
    if tried.checkpoint_bytes < probe.limit / 4 * BYTES_A_SECOND:
        tried.checkpoint = _seconds(rehearsal.save, probe.here)


def _grid(probe: TrainingProbe, tried: _Tried, counted: Counted | None) -> Duration:
    """Return how long a sample grid takes: as it took, or by its share of a step's arithmetic."""
    if tried.grid is not None:
        return Duration.exactly(tried.grid)
    step = fmean(tried.phases[-1])
    if counted is None:
        return Duration.about(step, *NOT_RUN).times(_grid_pictures(probe) / probe.settings.batch)
    speeds = probe.here.speeds
    share = speeds.seconds(counted.forward) / speeds.seconds(counted.steps[-1])
    return Duration.about(step * share, *UNTIMED).times(_grid_pictures(probe))


def _time_steps(rehearsal: Rehearsal, numbers: range, here: Here, limit: float) -> tuple[list[float], float]:
    """Return the seconds of steps, and what the first two (of long ones the first) took longer, which are left out."""
    times: list[float] = []
    started = perf_counter()
    for place, number in enumerate(numbers):
        times.append(_seconds(lambda number=number: rehearsal.step(number), here))
        spent = perf_counter() - started
        if spent > limit or (place >= 1 and spent + times[-1] > 1.5 * limit):
            break
    warm = 2 if len(times) > 6 else 1 if len(times) > 1 else 0
    return times[warm:], max(0.0, sum(times[:warm]) - warm * fmean(times[warm:]))


def _seconds(work: object, here: Here) -> float:
    assert callable(work)
    started = perf_counter()
    work()
    if here.device.type == "cuda":
        torch.cuda.synchronize(here.device)
    return perf_counter() - started


def _grid_pictures(probe: TrainingProbe) -> int:
    return min(probe.counts.held_out, MEASURED) or 8


def _amount(probe: TrainingProbe) -> tuple[float, float]:
    return (1.0, 1.0) if probe.settings.steps is not None else probe.counts.amount


def _from_steps(probe: TrainingProbe, tried: _Tried, counted: Counted | None, left: int, why: str) -> list[Part]:
    steps, amount = probe.steps, _amount(probe)
    durations = [repeated(times, left * share) for times, share in zip(tried.phases, tried.shares, strict=True)]
    measured = sum(map(len, tried.phases))
    how = f"{measured} of {steps} measured{why}" + (f", {steps - left} are done" if left < steps else "")
    seen = total(durations)
    preparing = Duration.exactly(tried.preparing + (tried.warming if left > 0 else 0.0))
    if _compiles(probe) and probe.limit < 2 * COMPILING.seconds:
        how += ", not compiled as the run's are"
        seen, preparing = seen.within(COMPILED, 1.0), total([preparing, COMPILING])
    arithmetic = None if counted is None else counted.whole(left)
    grid = _grid(probe, tried, counted)
    return [
        Part.on_processor("train: preparing", preparing, "student, losses, hidden states, first steps"),
        Part("train: steps", (Work("training", seen, arithmetic, amount),) if left > 0 else (), how),
        *_beside(probe, left, grid, counted.forward if counted else None, tried.checkpoint, tried.checkpoint_bytes),
    ]


def _from_forward(probe: TrainingProbe, counted: Counted, left: int, fits: bool) -> list[Part]:
    """Reckon steps that are too long to be tried: from one timed forward of the generator, and what is counted."""
    speeds = probe.here.speeds
    whole = counted.whole(left)
    seconds, factors = speeds.seconds(whole), NOT_RUN
    how = "a step is too long to be tried; reckoned by its arithmetic"
    if not fits:
        how = f"a step needs {counted.peak_bytes / 1e9:.1f} GB, more than is free here; reckoned by its arithmetic"
    elif (forward := _time_forward(probe)) is not None:
        seconds *= forward / speeds.seconds(counted.forward)
        factors = UNTIMED
        how = "a step is too long to be tried; one forward was, the rest by arithmetic"
    duration = Duration.about(seconds, *factors)
    a_forward = Duration.about(seconds * speeds.seconds(counted.forward) / speeds.seconds(whole), *factors)
    grid = a_forward.times(_grid_pictures(probe))
    return [
        Part("train: steps", (Work("training", duration, whole, _amount(probe)),) if left > 0 else (), how),
        *_beside(probe, left, grid, counted.forward, None, counted.checkpoint_bytes),
    ]


def _time_forward(probe: TrainingProbe) -> float | None:
    """Return the seconds of one picture through the generator, from a part of it where it takes too long."""
    trial, student = probe.trial, probe.fresh.student
    predict = deployed_predict(student, probe.settings.precision, probe.here.device)
    side = trial.pair_source.resolution
    source = torch.zeros(1, trial.pair_source.input_channels, side, side)
    try:
        whole = count(lambda pace: predict(source), probe.here, [student.generator], probe.limit)
    except UncountableError:  # then no share of it can be told, and it is left out
        return None
    seen = look(lambda pace: predict(source), probe.here, probe.limit / 2)
    if not seen.done.multiplied or not whole.arithmetic.multiplied:
        return None
    return seen.seconds if seen.finished else seen.seconds / seen.done.multiplied * whole.arithmetic.multiplied


def _beside(
    probe: TrainingProbe,
    left: int,
    grid: Duration,
    forward: Arithmetic | None,
    checkpoint: float | None,
    checkpoint_bytes: float,
) -> list[Part]:
    """Reckon sample grids and checkpoints."""
    if left <= 0:
        return []
    grids, checkpoints = left // probe.settings.sample_every + 2, left // probe.settings.checkpoint_every + 1
    if checkpoint is None:
        saving = Duration.about(checkpoint_bytes / BYTES_A_SECOND, 0.3, 4.0)
        how = f"a checkpoint of {checkpoint_bytes / 1e9:.1f} GB reckoned at {BYTES_A_SECOND / 1e6:.0f} MB/s"
    else:
        saving, how = Duration.exactly(checkpoint), f"a checkpoint {checkpoint:.2f} s"
    arithmetic = None if forward is None else forward.times(grids * _grid_pictures(probe))
    works = (
        Work("forward", grid.times(grids), arithmetic, _amount(probe)),
        Work("files", saving.times(checkpoints), None, _amount(probe)),
    )
    return [Part("train: samples and checkpoints", works, f"{how}, a sample grid {grid.seconds:.2f} s")]


def newest_step(session: Session) -> int:
    """Return the step of the newest checkpoint of the present training; 0 where there is none."""
    if "train" not in session.keys:
        return 0
    names = [path.name for path in (session.train_folder / "checkpoints").glob("step-*")]
    steps = [int(found[1]) for name in names if (found := re.fullmatch(r"step-(\d{8})", name))]
    return max(steps, default=0)
