"""The estimate of a run: a probe of every stage that is still to be done, in a folder that is thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from gdp.core.building import describe_plugin, plugin_errors
from gdp.core.errors import GdpError
from gdp.core.interfaces.evaluators import Evaluation
from gdp.core.interfaces.teachers import Teacher
from gdp.core.run.session import Session
from gdp.core.run.stages import filters
from gdp.core.run.stages.pairs import wanted
from gdp.core.run.steps import stages_to_do, step_of, steps_of
from gdp.core.run.versions import machine, versions
from gdp.core.run_folder import now
from gdp.core.training.checkpoint import KEPT
from gdp.core.training.loader import CACHE_LIMIT
from gdp.core.training.optimizer import total_steps
from gdp.support.measuring import forget_peak, peak_bytes
from gdp.tools.compare.trials import trials
from gdp.tools.estimate.arithmetic import NOTHING, Duration, total
from gdp.tools.estimate.judging import Judging, expected_counts, held_out_share, probe_filters
from gdp.tools.estimate.pace import Calls, Counts, PaceProgress, Part, watch
from gdp.tools.estimate.training import probe_evaluators, probe_export, probe_report, probe_training, reference_seconds
from gdp.tools.estimate.trial import ManyPairs, open_trial_run

SECONDS = 5.0
"""How long the work of a stage is watched before it is broken off."""


@dataclass(frozen=True)
class Estimate:
    """What a run will take on this machine."""

    recipe: str
    parts: list[Part]
    calls: list[Calls]
    counts: Counts
    memory_bytes: int | None
    """Largest resident memory; None where the system does not tell."""
    disk_bytes: int
    reference_seconds: float
    """What the full-width pix2pixHD generator takes here for a picture of 512 px."""
    about: dict[str, Any]

    @property
    def duration(self) -> Duration:
        """Time of the whole run."""
        return total(part.duration for part in self.parts)

    @property
    def calls_dollars(self) -> float:
        """Price of the calls."""
        return sum(calls.dollars for calls in self.calls)


def estimate(session: Session, seconds: float = SECONDS, tell: Callable[[str], None] = lambda text: None) -> Estimate:
    """Probe a run; nothing is written into its folder.

    Args:
        session: of the run; `rehearses` is set, for a teacher may still have to be trained.
        seconds: how long the work of a stage is watched.
        tell: is told which stage is being probed.

    Raises:
        GdpError: the recipe cannot be run as it is; `gdp run --dry-run` tells more.
    """
    session.rehearses = True
    forget_peak()
    started = perf_counter()
    to_do = stages_to_do(session)
    assert session.filters is not None
    opening = Part("opening", Duration.exactly(perf_counter() - started), "teacher, pair source and filters loaded")
    with tempfile.TemporaryDirectory(prefix="gdp-estimate-") as folder:
        trial = open_trial_run(session, Path(folder))
        probe = _Probe(session, trial, seconds, tell, to_do)
        probe.all()
        return Estimate(
            session.recipe.name,
            [opening, *probe.parts],
            probe.judging.calls,
            probe.counts,
            probe.memory(),
            probe.disk(),
            reference_seconds(session.device),
            {
                "measured_at": now(),
                "seconds_watched": seconds,
                "probe_seconds": round(perf_counter() - started, 1),
                "machine": machine(str(session.device), torch.get_num_threads()),
                "versions": versions(),
            },
        )


class _Probe:
    """One estimate being made."""

    counts: Counts

    def __init__(
        self, session: Session, trial: Session, seconds: float, tell: Callable[[str], None], to_do: Sequence[str]
    ) -> None:
        self.session, self.trial, self.seconds, self.tell = session, trial, seconds, tell
        self.to_do = to_do
        self.parts: list[Part] = []
        self.judging = Judging()
        self.made = wanted(session)

    def all(self) -> None:
        """Probe every stage that is to be done."""
        for step in steps_of(self.session):
            if step.name not in self.to_do and step.applies(self.session):
                self.parts.append(Part(step.name, NOTHING, "up to date"))
        if not self.to_do:
            self.counts = self._real_counts()
            return
        if "teacher" in self.to_do:
            self._teacher()
        self._pairs()
        with self.trial.open_store() as store:
            self._filters(store)
            many = ManyPairs(store, self.judging.kept or store.indices())
            if "train" in self.to_do:
                self.tell("probing train")
                self.parts += probe_training(self.session, self.trial, many, self.counts, 2 * self.seconds)
            self._measure(many)
        self._compare()

    def _teacher(self) -> None:
        self.tell("probing teacher")
        training = self.session.recipe.teacher_training
        if training is None or step_of(self.session, "teacher").stage.is_there(self.session):
            self.parts.append(Part("teacher", NOTHING, "loaded, as reckoned above"))
            return
        choice = self.session.recipe.teacher
        assert choice is not None
        implementation: type[Teacher] = self.session.plugins.load(choice.record)
        folder, dataset, who = self.trial.folder.path / "teacher", self.session.dataset, describe_plugin(choice.record)
        with plugin_errors(who):
            implementation.require_dataset(choice.record.name, dataset)

        def train(progress: PaceProgress) -> None:
            with plugin_errors(who):
                implementation.train(training, dataset, folder, progress)

        self.parts.append(Part("teacher", watch(train, 2 * self.seconds), "its training, broken off"))

    def _pairs(self) -> None:
        """Make pairs in the trial's store, whether or not the run has its own already: the later stages need some."""
        self.tell("probing pairs")

        def make(progress: PaceProgress) -> None:
            self.trial.progress = progress
            step_of(self.trial, "pairs").stage.execute(self.trial)

        duration = watch(make, self.seconds)
        if "pairs" not in self.to_do:
            return
        left = self.made
        if "store" in self.session.keys and self.session.store_folder.is_dir():
            with self.session.open_store(read_only=True) as store:
                left = len(store.missing(self.made))
        with self.trial.open_store(read_only=True) as store:
            how = f"{len(store.indices())} pairs made" + (f", {left} of {self.made} are lacking" if left else "")
        self.parts.append(Part("pairs", duration.times(left / self.made), how))

    def _filters(self, store: Any) -> None:
        self.tell("probing filters")
        self.judging = probe_filters(self.session, self.trial, store, self.made, self.seconds)
        if "filter" in self.to_do:
            self.parts += self.judging.parts
            share = held_out_share(self.trial, store, self.judging.kept)
            self.counts = expected_counts(self.made, self.judging, share)
        else:
            self.judging.calls = []
            self.counts = self._real_counts()
        if self.counts.train < 1:
            raise GdpError(
                f"the filters keep {len(self.judging.kept)} of the pairs that were made on trial, so there would be "
                f"nothing to train on: loosen them, or make more pairs"
            )

    def _real_counts(self) -> Counts:
        """Return the counts of a run whose pairs are judged already."""
        with self.session.open_store(read_only=True) as store:
            train, out = (len(self.session.split(store, part)) for part in (filters.TRAIN, filters.HELD_OUT))
        return Counts(self.made, train + out, train + out, train + out, train, out)

    def _measure(self, many: ManyPairs) -> None:
        export_part = probe_export(self.trial)
        self.tell("probing evaluators")
        evaluation: Evaluation | None = None
        if "evaluate" in self.to_do:
            found, evaluation = probe_evaluators(self.trial, many, self.counts, self.seconds)
            self.parts += found
        if "export" in self.to_do:
            self.parts.append(export_part)
        if "report" in self.to_do and evaluation is not None:
            self.parts.append(probe_report(self.trial, evaluation))

    def _compare(self) -> None:
        """Reckon every further training of a comparison as the run's own; its variants are not probed."""
        further = [trial for trial in trials(self.session.recipe) if not trial.is_the_run]
        if not further or "compare" not in self.to_do:
            return
        one = total(part.duration for part in self.parts if part.stage.startswith(("train", "evaluate")))
        how = f"{len(further)} trainings, each taken to last as long as the run's own"
        self.parts.append(Part("compare", one.times(len(further)), how))

    def memory(self) -> int | None:
        """Return the peak of this process, and what more training pictures a run will hold than the trial did."""
        peak = peak_bytes()
        if peak is None or not self.to_do:
            return peak
        with self.trial.open_store(read_only=True) as store:
            size = sum(picture.nbytes for picture in store.load_uint8(store.indices()[:1]))
        cached = size * self.counts.train
        return peak + (cached if cached <= CACHE_LIMIT else 0)

    def disk(self) -> int:
        """Return the bytes of the run's folder in the end, from what the trial's files take."""
        if not self.to_do:
            return _size(self.session.folder.path)
        folder, train = self.trial.folder.path, self.session.recipe.train
        with self.trial.open_store(read_only=True) as store:
            a_pair = _size(self.trial.store_folder) / max(1, len(store.indices()))
        steps = total_steps(train, self.counts.train)
        grids, checkpoints = steps // train.sample_every + 2, min(KEPT, steps // train.checkpoint_every + 1)
        return round(
            a_pair * self.made
            + checkpoints * _size(folder / "train", "checkpoints")
            + grids * _size(folder / "train", "samples")
            + (len(trials(self.session.recipe)) or 1) * _size(folder / "student")
            + _size(folder / "pictures")
            + sum(path.stat().st_size for path in folder.glob("*.*") if path.is_file())
        )


def _size(folder: Path, within: str = "") -> int:
    """Return the bytes of the files below a folder; only those below folders of a name, where one is given."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files if not within or within in path.parts)
