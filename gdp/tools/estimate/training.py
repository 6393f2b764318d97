"""The training's part of an estimate: some steps of every phase, a sample grid, a checkpoint.

How fast this machine is: the mission's student, measured by the layer that does most of its work.

The last stages' part of an estimate: evaluators, export, report.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from torch.nn import functional

from gdp.core.interfaces.evaluators import Evaluation
from gdp.core.progress import ProgressTask
from gdp.core.run import pictures
from gdp.core.run.session import Session
from gdp.core.run.stages.evaluate import evaluation_context, measure, metrics_document
from gdp.core.run.stages.train import train, training_pairs
from gdp.core.run.steps import step_of
from gdp.core.tensor_file import write_tensors
from gdp.core.training import TrainingPairs
from gdp.core.training.loader import CACHE_LIMIT
from gdp.core.training.optimizer import phase_ends, total_steps
from gdp.core.training.precision import decide
from gdp.support.measuring import time_once
from gdp.tools.estimate.arithmetic import NOTHING, Duration, repeated, total
from gdp.tools.estimate.pace import Counts, EnoughError, PaceProgress, Part
from gdp.tools.estimate.trial import ManyPairs

CHANNELS, SIDE = 1024, 32
"""Of the 18 convolutions of pix2pixHD's residual blocks at 512 px."""
LAYER_MACS = CHANNELS * CHANNELS * 9 * SIDE * SIDE
NETWORK_MACS = 217.5e9
"""Of the whole generator for a picture of 512 px; the 18 layers are 80 % of it."""
REPEATS = 5


@torch.no_grad()
def reference_seconds(device: torch.device) -> float:
    """Return the seconds that the full-width pix2pixHD generator takes here for 512 px in float32, extrapolated."""
    picture = torch.randn(1, CHANNELS, SIDE, SIDE, device=device)
    weight = torch.randn(CHANNELS, CHANNELS, 3, 3, device=device)
    times = [time_once(lambda: functional.conv2d(picture, weight, padding=1), device) for _ in range(REPEATS + 1)]
    return median(times[1:]) / 1000 * NETWORK_MACS / LAYER_MACS


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
    pairs = training_pairs(trial, range(min(counts.train, LOADED)), range(counts.held_out), many.load_uint8)

    def on_images(step: int, path: Path) -> None:
        if step == 0:
            grids[0] = perf_counter()

    def on_metrics(step: int, numbers: Mapping[str, float]) -> None:
        """Tell nobody."""

    def enough() -> bool:
        return len(phases) == 1 and len(clock.steps) >= WARMUP + LEAST and perf_counter() - clock.began > limit

    started = perf_counter()
    train(
        trial,
        student,
        losses,
        pairs,
        settings,
        progress=clock,
        stop=enough,
        on_metrics=on_metrics,
        on_images=on_images,
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


def probe_evaluators(trial: Session, many: ManyPairs, counts: Counts, limit: float) -> tuple[list[Part], Evaluation]:
    """Let every evaluator measure an untrained student; work that takes long is broken off and extrapolated.

    Args:
        trial: of the trial.
        many: its pairs.
        counts: pairs that the run will have.
        limit: seconds that an evaluator's work may still take when it is not broken off.

    Returns:
        The parts, and what was measured to the end (numbers that say nothing, for the report to have some).
    """
    started = perf_counter()
    student = trial.new_student()
    context = evaluation_context(trial, student, range(counts.held_out), many.load)
    evaluators = trial.new_evaluators()
    parts = [Part("evaluate: opening", Duration.exactly(perf_counter() - started), "student and evaluators loaded")]
    whole = Evaluation()
    for name, evaluator in evaluators:
        pace, how = PaceProgress(limit), "broken off and extrapolated"
        with suppress(EnoughError):
            found = measure(name, evaluator, replace(context, progress=pace))
            how = "measured to the end"
            whole.metrics.update(found.metrics)
            whole.rows.extend(found.rows)
        parts.append(Part(f"evaluate: {name}", pace.measured(), how))
    return parts, whole


def probe_export(trial: Session) -> Part:
    """Export an untrained student."""
    trial.train_folder.mkdir(parents=True, exist_ok=True)
    write_tensors(trial.train_folder / "student.safetensors", trial.new_student().generator.state_dict())
    started = perf_counter()
    step_of(trial, "export").stage.execute(trial)
    return Part("export", Duration.exactly(perf_counter() - started), "measured to the end")


def probe_report(trial: Session, evaluation: Evaluation) -> Part:
    """Write the report of the trial, whose student must be exported."""
    folder = trial.folder
    folder.update_run(name=trial.recipe.name, state="finished")
    folder.write_text("recipe.toml", trial.recipe.to_toml())
    started = perf_counter()
    folder.write_json("pictures/rows.json", pictures.write_rows(folder, evaluation.rows))
    folder.write_json("metrics.json", metrics_document(evaluation, {}))
    step_of(trial, "report").stage.execute(trial)
    return Part("report", Duration.exactly(perf_counter() - started), "measured to the end, with fewer pictures")
