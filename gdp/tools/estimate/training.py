"""The training's part of an estimate: some steps of every phase, a sample grid, a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from gdp.core.progress import ProgressTask
from gdp.core.run.session import Session
from gdp.core.training import TrainingPairs, train_student
from gdp.core.training.compilation import decide
from gdp.core.training.pairs import CACHE_LIMIT
from gdp.core.training.schedule import phase_ends, total_steps
from gdp.tools.estimate.arithmetic import NOTHING, Duration, repeated, total
from gdp.tools.estimate.stages import Counts, Part
from gdp.tools.estimate.trial import ManyPairs

WARMUP = 2
"""Steps that count for nothing: the first ones choose convolutions and fill caches."""
LEAST = 8
"""Steps of every phase."""
LOADED = 512
"""Training pairs that are loaded as a sample of how long all take."""


class _Clock:
    """Notes when pictures are loaded and steps are done."""

    def __init__(self) -> None:
        self.loading = 0.0
        self.began = 0.0
        self.steps: list[float] = []
        self._task = ""

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        """Note when a piece of work begins and ends."""
        started, self._task = perf_counter(), name
        if name == "train":
            self.began = started
        yield self
        if name != "train":
            self.loading += perf_counter() - started

    def message(self, text: str) -> None:
        """Tell nobody."""

    def advance(self, amount: int = 1, **status: float | str) -> None:
        """Note when a step is done."""
        if self._task == "train":
            self.steps.append(perf_counter())


def probe_training(session: Session, trial: Session, many: ManyPairs, counts: Counts, limit: float) -> list[Part]:
    """Train for some steps, and reckon the whole training from them.

    Args:
        session: of the run; steps up to its newest checkpoint are not reckoned.
        trial: of the trial.
        many: its pairs.
        counts: pairs that the run will have.
        limit: seconds to train for, at least; every phase gets `LEAST` steps.
    """
    recipe = trial.recipe
    student, losses = trial.new_student(), trial.new_losses()
    initialising = perf_counter()
    trial.initialise(student)
    steps = total_steps(recipe.train, counts.train)
    left = steps - newest_step(session)
    phases = list(student.phases)
    tried = steps if len(phases) == 1 else max(len(phases) * 2 * LEAST, round(LEAST / min(p.fraction for p in phases)))
    never = {"sample_every": 10**9, "checkpoint_every": 10**9}
    compiles = {"compile": "always" if decide(recipe.train.compile, steps) else "never"}  # as the run will
    settings = recipe.train.model_copy(update={"steps": tried, "epochs": None, **compiles, **never})
    clock, grids = _Clock(), [0.0]
    source = trial.pair_source
    pairs = TrainingPairs(
        range(min(counts.train, LOADED)),
        range(counts.held_out),
        many.load_uint8,
        unpaired=source.unpaired,
        teach=source.teach if source.live else None,
    )

    def on_images(step: int, path: Path) -> None:
        if step == 0:
            grids[0] = perf_counter()

    def on_metrics(step: int, numbers: Mapping[str, float]) -> None:
        """Tell nobody."""

    def enough() -> bool:
        return len(phases) == 1 and len(clock.steps) >= WARMUP + LEAST and perf_counter() - clock.began > limit

    started = perf_counter()
    train_student(
        student,
        losses,
        pairs,
        settings,
        trial.train_folder,
        seed=trial.training_seed,
        device=trial.device,
        progress=clock,
        on_metrics=on_metrics,
        on_images=on_images,
        stop=enough,
        teacher=trial.teacher,
    )
    saving = perf_counter() - clock.steps[-1]
    grid = max(0.0, grids[0] - clock.began)
    preparing = started - initialising + (clock.began - started - clock.loading)
    return [
        Part("train: preparing", Duration.exactly(max(0.0, preparing)), "student, losses, hidden states"),
        Part("train: loading", _loading(clock, pairs, counts, many), f"{len(pairs.train)} pairs loaded"),
        *_steps(clock, [round(end) for end in phase_ends(phases, tried)], steps, left, tried),
        Part(
            "train: samples and checkpoints",
            _beside(recipe.train.sample_every, recipe.train.checkpoint_every, left, grid, saving),
            f"a sample grid {grid:.2f} s, a checkpoint {saving:.2f} s",
        ),
    ]


def _steps(clock: _Clock, ends: list[int], steps: int, left: int, tried: int) -> list[Part]:
    """Reckon the steps of every phase by its share of them."""
    times = [after - before for before, after in zip(clock.steps, clock.steps[1:], strict=False)]
    found, begin = [], 0
    for end in ends:
        # Times begin with that of the second step; the first ones of a phase choose convolutions anew.
        units = times[max(0, begin - 1 + WARMUP) : min(len(times), max(1, end - 1))] or times[-1:]
        share = (end - begin) / tried
        found.append((repeated(units, left * share), len(units)))
        begin = end
    measured = sum(count for _, count in found)
    how = f"{measured} of {steps} steps measured" + (f", {steps - left} are done" if left < steps else "")
    return [Part("train: steps", total(duration for duration, _ in found) if left > 0 else NOTHING, how)]


def _loading(clock: _Clock, pairs: TrainingPairs, counts: Counts, many: ManyPairs) -> Duration:
    size = sum(picture.nbytes for picture in many.load_uint8([0]))
    if size * counts.train > CACHE_LIMIT or not pairs.train:
        return NOTHING  # they are read while the training goes on
    return Duration.exactly(clock.loading * counts.train / len(pairs.train))


def _beside(sample_every: int, checkpoint_every: int, left: int, grid: float, saving: float) -> Duration:
    grids, checkpoints = left // sample_every + 2, left // checkpoint_every + 1
    return Duration.exactly(grids * grid + checkpoints * saving) if left > 0 else NOTHING


def newest_step(session: Session) -> int:
    """Return the step of the newest checkpoint of the present training; 0 where there is none."""
    if "train" not in session.keys:
        return 0
    names = [path.name for path in (session.train_folder / "checkpoints").glob("step-*")]
    steps = [int(found[1]) for name in names if (found := re.fullmatch(r"step-(\d{8})", name))]
    return max(steps, default=0)
