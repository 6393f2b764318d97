"""The estimate of a run: a probe of every stage that is still to be done, in a folder that is thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from gdp.core.building import class_of
from gdp.core.errors import GdpError
from gdp.core.interfaces.teachers import Teacher
from gdp.core.pairs.store import PairStore
from gdp.core.progress import Progress, SilentProgress
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
from gdp.tools.estimate.arithmetic import Duration
from gdp.tools.estimate.judging import FilterProbe, Judging, expected_counts, held_out_share, probe_filters
from gdp.tools.estimate.measuring import Measuring
from gdp.tools.estimate.pace import PaceProgress
from gdp.tools.estimate.pairs import asks_for_pairs, probe_pairs
from gdp.tools.estimate.speeds import Noise, measure_speeds
from gdp.tools.estimate.steps import Counted
from gdp.tools.estimate.timing import Here, look
from gdp.tools.estimate.training import TrainingProbe, probe_training
from gdp.tools.estimate.trial import FreshStudent, ManyPairs, open_trial_run
from gdp.tools.estimate.works import Calls, Counts, Memory, Part, Speeds, whole

SECONDS = 5.0
"""How long the work of a stage is watched before it is broken off."""
AROUND = 1.2e9
"""Bytes that a process holds beside what is counted: Python, torch, its kernels, and on a GPU what CUDA takes."""
ENDING = 0.25
"""How much longer than loading Python and torch it takes to end them, too: 0.23 to 0.27, of five sets of packages."""
KNOWN_STAGES = frozenset({"teacher", "pairs", "filter", "train", "evaluate", "export", "compare", "report"})


@dataclass(frozen=True)
class Estimate:
    """What a run will take on this machine."""

    recipe: str
    parts: list[Part]
    calls: list[Calls]
    counts: Counts
    memory: Memory
    disk_bytes: int
    speeds: Speeds
    """Of this machine, as busy as it was."""
    alone: float
    """Share of the time here that it would take if nobody else used this machine's processors."""
    needs_gpu: str
    """Plugins that work on a GPU alone, in words; empty where there are none."""
    about: dict[str, Any]

    @property
    def duration(self) -> Duration:
        """Time of the whole run, but for what nothing can be said of."""
        return whole(self.parts)

    @property
    def calls_dollars(self) -> float:
        """Price of the calls."""
        return sum(calls.dollars for calls in self.calls)

    @property
    def unknown(self) -> list[Part]:
        """The lines of which nothing can be said."""
        return [part for part in self.parts if not part.known]


def estimate(
    session: Session,
    seconds: float = SECONDS,
    progress: Progress | None = None,
    keep: float | None = None,
    before: float = 0.0,
) -> Estimate:
    """Probe a run; nothing is written into its folder, and nobody who asks for money is asked.

    Args:
        session: of the run; `rehearses` is set, for a teacher may still have to be trained.
        seconds: how long the work of a stage, or of a plugin of it, is watched.
        progress: is told which stage is being probed.
        keep: share of the pairs that the filters keep, where that is known better than a trial tells.
        before: seconds that Python and torch took until here, which a run takes too.

    Raises:
        GdpError: the recipe cannot be run as it is; `gdp run --dry-run` tells more.
    """
    progress = progress or SilentProgress()
    session.rehearses = True
    forget_peak()
    began = perf_counter()
    progress.message("opening teacher, pair source and filters")
    to_do = stages_to_do(session)
    assert session.filters is not None
    opened = perf_counter() - began
    progress.message(f"opened in {opened:.1f} s; each kind of work is watched for about {seconds:g} s")
    noise = Noise(session.device)
    here = Here(session.device, measure_speeds(session.device))
    what = "Python, torch, teacher, pair source and filters loaded"
    opening = Part.on_processor("opening", Duration.exactly(before * (1 + ENDING) + opened), what)
    with tempfile.TemporaryDirectory(prefix="gdp-estimate-") as folder:
        trial = open_trial_run(session, Path(folder))
        probe = _Probe(session, trial, seconds, progress, to_do, here, noise, keep)
        probe.all()
        about = {"seconds_watched": seconds, "opening_seconds": round(opened, 1)}
        about["probe_seconds"] = round(perf_counter() - began, 1)
        return probe.estimate(opening, about)


class _Probe:
    """One estimate being made."""

    counts: Counts

    def __init__(
        self,
        session: Session,
        trial: Session,
        seconds: float,
        progress: Progress,
        to_do: Sequence[str],
        here: Here,
        noise: Noise,
        keep: float | None,
    ) -> None:
        self.noise = noise
        self.session, self.trial, self.seconds, self.here, self.keep = session, trial, seconds, here, keep
        self.to_do, self.progress = to_do, progress
        self.parts: list[Part] = []
        self.calls: list[Calls] = []
        self.judging = Judging()
        self.counted: Counted | None = None
        self.made = wanted(session)

    def all(self) -> None:
        """Probe every stage that is to be done."""
        for step in steps_of(self.session):
            if step.name not in self.to_do and step.applies(self.session):
                self.parts.append(Part.done(step.name, "up to date"))
        if not self.to_do:
            self.counts = self._real_counts()
            return
        works = 4 + len(self.session.recipe.filters) + len(self.session.recipe.evaluators)
        with self.progress.task("probing", works, "kinds of work") as task:

            def tell(what: str, done: int = 1) -> None:
                self.noise.pulse()
                task.advance(done, now=what)

            tell("teacher")
            if "teacher" in self.to_do:
                self._teacher()
            tell("pairs")
            with self.trial.open_store() as store:
                stand_ins = self._pairs(store)
                tell("filters", len(self.session.recipe.filters))
                self._filters(store, stand_ins)
                many = ManyPairs(store, self.judging.kept or store.indices())
                tell("training")
                fresh = FreshStudent(self.trial)
                self._train(many, fresh)
                measuring = Measuring(self.trial, many, self.counts, self.here, self.seconds, fresh, self._compared())
                if "evaluate" in self.to_do:
                    self.parts += measuring.evaluators(tell)
                if "export" in self.to_do:
                    self.parts.append(measuring.export())
                if "report" in self.to_do:
                    self.parts.append(measuring.report())
                tell("stages")
        self._compare()
        self.parts += [
            Part.unknown(name, "a stage of another package: it is not tried")
            for name in self.to_do
            if name not in KNOWN_STAGES
        ]

    def estimate(self, opening: Part, about: dict[str, Any]) -> Estimate:
        """Return what was found.

        Args:
            opening: the line of what came before.
            about: what is told of the probe, to be extended.
        """
        noise, session = self.noise, self.session
        low, high = noise.bounds()
        gpu = [
            f"{choice.record.kind} {choice.record.name}"
            for choice in session.recipe.choices()
            if choice.record.needs.gpu
        ]
        about |= {
            "measured_at": now(),
            "machine": machine(str(session.device), torch.get_num_threads()),
            "noise": {"waited": round(noise.waited, 3), "low": round(low, 3), "high": round(high, 3)},
            "versions": versions(),
        }
        return Estimate(
            recipe=session.recipe.name,
            parts=[part.under((low, high)) for part in (opening, *self.parts)],
            calls=self.calls,
            counts=self.counts,
            memory=self.memory(),
            disk_bytes=self.disk(),
            speeds=self.here.speeds.scaled(noise.drift),
            alone=1 - noise.waited,
            needs_gpu=", ".join(gpu),
            about=about,
        )

    def _teacher(self) -> None:
        training = self.session.recipe.teacher_training
        if training is None or step_of(self.session, "teacher").stage.is_there(self.session):
            self.parts.append(Part.done("teacher", "loaded, as reckoned above"))
            return
        choice = self.session.recipe.teacher
        assert choice is not None
        implementation: type[Teacher] = class_of(self.session.plugins, choice.record)
        folder, dataset = self.trial.folder.path / "teacher", self.session.dataset
        implementation.require_dataset(choice.record.name, dataset)

        def train(progress: PaceProgress) -> None:
            implementation.train(training, dataset, folder, progress)

        seen = look(train, self.here, 2 * self.seconds)
        if seen.duration is None or _reads(seen.cut_in):
            why = f"its training was not reached in {seen.seconds:.0f} s: raise --seconds"
            self.parts.append(Part.unknown("teacher", why))
        else:
            self.parts.append(Part("teacher", seen.works("training"), "its training, broken off"))

    def _pairs(self, store: PairStore) -> bool:
        """Make pairs in the trial's store, whether or not the run has its own already: the later stages need some."""
        left = 0
        if "pairs" in self.to_do:
            left = self.made
            if "store" in self.session.keys and self.session.store_folder.is_dir():
                with self.session.open_store(read_only=True) as own:
                    left = len(own.missing(self.made))
        found = probe_pairs(self.trial, store, self.made, left, self.here, self.seconds)
        self.parts += found.parts
        self.calls += found.calls
        return found.stand_ins

    def _filters(self, store: PairStore, stand_ins: bool) -> None:
        probe = FilterProbe(self.session, self.trial, store, self.made, stand_ins, self.here, self.seconds)
        self.judging = probe_filters(probe)
        if "filter" in self.to_do:
            self.parts += self.judging.parts
            self.calls += self.judging.calls
            share = held_out_share(self.trial, store, self.judging.kept, self.made)
            self.counts = expected_counts(self.made, self.judging, share, self.keep)
        else:
            self.counts = self._real_counts()
        if self.counts.train < 1:
            raise GdpError(
                f"the filters keep {len(self.judging.kept)} of the pairs that were made on trial, so there would be "
                f"nothing to train on: loosen them, make more pairs, or say with --keep which share they keep"
            )

    def _real_counts(self) -> Counts:
        """Return the counts of a run whose pairs are judged already."""
        with self.session.open_store(read_only=True) as store:
            train, out = (len(self.session.split(store, part)) for part in (filters.TRAIN, filters.HELD_OUT))
        return Counts(self.made, train + out, train + out, train + out, train, out)

    def _train(self, many: ManyPairs, fresh: FreshStudent) -> None:
        if "train" not in self.to_do:
            return
        if self.session.pair_source.live and asks_for_pairs(self.session):
            self.parts.append(Part.unknown("train: steps", "its teacher asks others at every step: not tried"))
            return
        probe = TrainingProbe(self.session, self.trial, many, self.counts, self.here, 2 * self.seconds, fresh)
        found, self.counted = probe_training(probe)
        self.parts += found

    def _compare(self) -> None:
        """Reckon every further training of a comparison as the run's own; its variants are not probed."""
        further = [trial for trial in trials(self.session.recipe) if not trial.is_the_run]
        if not further or "compare" not in self.to_do:
            return
        works = [work for part in self.parts if part.stage.startswith(("train", "evaluate")) for work in part.repeated]
        how = f"{len(further)} trainings, each taken to last as long as the run's own"
        self.parts.append(Part("compare", tuple(work.times(len(further)) for work in works), how))

    def _compared(self) -> frozenset[str]:
        """Return the numbers that are measured of each further training; none where nothing is compared."""
        compare = self.session.recipe.compare
        return frozenset(compare.section.metrics) if compare is not None and "compare" in self.to_do else frozenset()

    def memory(self) -> Memory:
        """Return the peak of this process, with what the run will hold and the trial did not; and the device's."""
        peak = peak_bytes()
        if not self.to_do:
            return Memory(peak, None)
        with self.trial.open_store(read_only=True) as store:
            size = sum(picture.nbytes for picture in store.load_uint8(store.indices()[:1]))
        cached = size * self.counts.train
        cached = cached if cached <= CACHE_LIMIT else 0
        step = None if self.counted is None else self.counted.peak_bytes
        on_host = step if step is not None and self.here.device.type == "cpu" else 0
        host = None if peak is None else max(peak, round(AROUND) + on_host) + cached
        return Memory(host, step)

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
            + checkpoints * (self.counted.checkpoint_bytes if self.counted else _size(folder / "train", "checkpoints"))
            + grids * _size(folder / "train", "samples")
            + (len(trials(self.session.recipe)) or 1) * _size(folder / "student")
            + _size(folder / "pictures")
            + sum(path.stat().st_size for path in folder.glob("*.*") if path.is_file())
        )


def _reads(piece: str) -> bool:
    """Say whether a piece of work only gets pictures ready, so that its pace says nothing of the training."""
    return piece.startswith(("load", "read"))


def _size(folder: Path, within: str = "") -> int:
    """Return the bytes of the files below a folder; only those below folders of a name, where one is given."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files if not within or within in path.parts)
