"""The student's training from the first step to the shipped weights, resumable at any moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gdp.core.config import content_key
from gdp.core.counters import counter_generator
from gdp.core.errors import TrainingError, readable_os_errors
from gdp.core.interfaces.students import Student
from gdp.core.interfaces.teachers import Teacher
from gdp.core.memory import MemoryBound, readable_memory_errors
from gdp.core.progress import Progress, ProgressTask, SilentProgress, Stopped
from gdp.core.recipe.sections import TrainSection
from gdp.core.tensor_file import write_tensors
from gdp.core.training.batch_norm import other_buffers, shared_batch_norms
from gdp.core.training.checkpoint import CheckpointFolder, TrainingState
from gdp.core.training.group import training_group
from gdp.core.training.loader import TrainingPairs, open_batches, to_network
from gdp.core.training.objective import LossTerm, WeightedLoss, check_losses, taking_part, train_step, unique_names
from gdp.core.training.optimizer import learning_rate_factor, phase_ends, total_steps
from gdp.core.training.precision import (
    TYPE_NAMES,
    casting,
    compilation,
    fastest_convolutions,
    place_networks,
    training_type,
)
from gdp.core.training.preparation import prepare_losses
from gdp.core.training.statistics import SampleGrids, StatisticsFile
from gdp.core.training.ways import Batch, Pool

WEIGHTS = "student.safetensors"
OPPOSITE_WEIGHTS = "opposite.safetensors"
LOSS_WEIGHTS = "losses.safetensors"
HELD_OUT_L1 = "held_out_l1"
"""Statistic: mean absolute difference to held-out targets, in [0, 2]."""
STATISTICS = "statistics.jsonl"
HELD_OUT = "held_out.jsonl"


@dataclass(frozen=True)
class TrainingResult:
    """What came of a training."""

    weights: Path
    """safetensors file of the averaged generator; it is there only if the training finished."""
    finished: bool
    """False if `stop` asked to end early; the same call goes on from there."""
    steps: int
    """Steps done, over all processes that took part."""
    seconds: float
    """Time they took."""
    images_per_second: float
    """Training pairs seen a second."""
    pairs: int
    """Pairs to train on."""
    computed_in: str
    """`bf16`, `float16` with a scaled loss, or `float32`: of the forward passes, but for what must be exact."""


Feed = Callable[[int, int], Batch]
"""From (step, downscale) to the step's pictures."""


def never() -> bool:
    """Ask for no early end."""
    return False


def train_student(
    student: Student,
    losses: Sequence[LossTerm],
    pairs: TrainingPairs,
    settings: TrainSection,
    folder: Path,
    *,
    seed: int,
    device: torch.device,
    progress: Progress,
    on_metrics: Callable[[int, Mapping[str, float]], None],
    on_images: Callable[[int, Path], None],
    stop: Callable[[], bool] = never,
    teacher: Teacher | None = None,
    memory: MemoryBound | None = None,
) -> TrainingResult:
    """Train a student, or go on from the newest checkpoint in `folder`; on a CPU the bits are those of an unbroken run.

    Args:
        student: its networks are moved to the device and trained; in the end its generator holds the averaged
            weights, in evaluation mode.
        losses: the terms of the objective, by their plugins' names.
        pairs: what to train on.
        settings: the recipe's `[train]`.
        folder: gets `student.safetensors`, `statistics.jsonl`, `held_out.jsonl` (distance to held-out targets at
            every sample grid), `samples/step-000250.png` and `checkpoints/`; also
            `losses.safetensors` where losses train networks of their own, `opposite.safetensors` where the way back
            is trained.
        seed: decides the batches, the mirroring and the image pool, and seeds torch's global random state, which
            is given back as it was.
        device: where to train.
        progress: reports one unit a step.
        on_metrics: called with the step and the numbers of every line of statistics.
        on_images: called with the step and the file of every sample grid.
        stop: asked after every step; if it returns True a checkpoint is written and the training ends early.
        teacher: whom losses may watch while it teaches.
        memory: for the pictures that are kept or read ahead; a share of what is free where none is given.

    Within `trains_in` each process of the group calls it with the same arguments, computes its part of every batch, and
    ends with the same weights; rank 0 alone writes files and calls `on_metrics` and `on_images`.

    Raises:
        OutOfMemoryError: the networks or a step do not fit into memory.
        TrainingError: losses, student and settings do not fit together, or the checkpoints are another training's.
        NonFiniteError: a loss or gradient became NaN or infinite.
        RankLostError: another process of the group has ended.
        DiskFullError, RunFolderError: something cannot be written.
    """
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(cuda), fastest_convolutions():
        torch.manual_seed(seed)
        training = _Training(student, unique_names(losses), pairs, settings, folder, seed, device, progress, teacher)
        training.on_metrics, training.on_images, training.memory = on_metrics, on_images, memory
        try:
            with (
                compilation(settings.compile, training.steps),
                readable_memory_errors(*_out_of_memory(settings)),
                shared_batch_norms(training.networks, training.group),
            ):
                finished = training.run(stop)
        finally:
            training.prepared.close()
    seconds = training.state.clock.seconds()
    seen = training.state.step * settings.batch
    return TrainingResult(
        folder / WEIGHTS,
        finished,
        training.state.step,
        seconds,
        seen / max(seconds, 1e-9),
        len(pairs.train),
        TYPE_NAMES[training.kind],
    )


def _out_of_memory(settings: TrainSection) -> tuple[str, str]:
    half = 'Set train.precision = "auto", which computes in 16 bits where the device does, or lower '
    fewer = half if settings.precision == "float32" else "Lower "
    fewer += "train.batch, " if settings.batch > 1 else ""
    average = ", or set train.ema_half_life = 0, which keeps no second copy of the weights" * bool(
        settings.ema_half_life
    )
    return (
        f"the training in steps of {settings.batch} pairs",
        f"{fewer}the student's width or the pairs' resolution{average}; what was trained so far is kept as far as the "
        f"last checkpoint.",
    )


class _Training:
    """One call of `train_student`."""

    on_metrics: Callable[[int, Mapping[str, float]], None]
    on_images: Callable[[int, Path], None]
    memory: MemoryBound | None = None

    def __init__(
        self,
        student: Student,
        losses: Sequence[WeightedLoss],
        pairs: TrainingPairs,
        settings: TrainSection,
        folder: Path,
        seed: int,
        device: torch.device,
        progress: Progress,
        teacher: Teacher | None,
    ) -> None:
        if not pairs.train:
            raise TrainingError("there is no pair to train on: make more pairs, keep more, or hold out fewer")
        self.student, self.pairs, self.settings = student, pairs, settings
        self.folder, self.seed, self.device = folder, seed, device
        self.group = training_group()
        self.group.require_parts(settings.batch)
        self.progress = progress
        self.memory_format = torch.channels_last if settings.channels_last else torch.contiguous_format
        adversarial = check_losses(student, losses, pairs.unpaired is not None)
        place_networks(student, device, self.memory_format)
        example, _ = pairs.load_uint8(pairs.train[:1])
        self.prepared = prepare_losses(
            student, losses, teacher, pairs.teach, to_network(example, device, self.memory_format)
        )
        self._begin_alike()
        self.steps = total_steps(settings, len(pairs.train))
        self.phases = list(student.phases)
        self.phase_ends = phase_ends(self.phases, self.steps)
        self.kind = training_type(settings.precision, device, progress.message)
        self.autocast = casting(device, self.kind)
        self.state = TrainingState(student, self.prepared.helpers, adversarial, settings, device, self.group, self.kind)
        self.checkpoints = CheckpointFolder(folder / "checkpoints")
        self.saved: int | None = None
        """Step of the newest checkpoint."""

    def _begin_alike(self) -> None:
        """Give all processes the weights of rank 0: a device may have computed something of theirs otherwise."""
        networks = self.networks
        self.group.share([tensor for network in networks for tensor in network.state_dict(keep_vars=True).values()])

    def run(self, stop: Callable[[], bool]) -> bool:
        """Train to the end and return True, or until `stop` and return False."""
        checkpoint = self.checkpoints.load_newest(self.progress.message)
        if checkpoint is not None:
            self.state.restore(checkpoint, self.phases, self._fingerprint())
            self.saved = checkpoint.step
        self.group.require_same(self.state.step, "checkpoints")
        with readable_os_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        if self.state.step < self.steps:
            self._train(stop)
        for network in self.networks:
            network.zero_grad(set_to_none=True)  # as large as the weights, and the student is used on
        if self.state.step < self.steps:
            return False
        self.state.average.copy_to_module()
        self.student.generator.eval()
        if self.group.leads:
            for name, network in self._trained_networks().items():
                write_tensors(self.folder / name, network.state_dict())
        self.group.meet()  # whoever returns finds the files
        return True

    def _trained_networks(self) -> dict[str, nn.Module]:
        """Return what was trained, by the file that it goes into; the student, whose file says "finished", last."""
        opposite = self.student.opposite
        networks: dict[str, nn.Module] = {}
        if self.prepared.helpers:
            networks[LOSS_WEIGHTS] = nn.ModuleDict(dict(self.prepared.helpers))
        if opposite is not None and opposite.trains:
            networks[OPPOSITE_WEIGHTS] = opposite.generator
        return {**networks, WEIGHTS: self.student.generator}

    def _train(self, stop: Callable[[], bool]) -> None:
        state = self.state
        self._open_files()
        remaining = range(state.step, self.steps)
        with (
            self._open_feed(remaining) as feed,
            self.progress.task("train", self.steps, "steps", done=state.step) as task,
        ):
            for step in remaining:
                self._enter_phase_of(step)
                if self.state.window.rows and self._other_terms_begin_at(step):
                    self._log()  # a line of statistics is of steps with the same terms
                if step == 0:
                    self._draw_samples()
                self._one_step(step, self._batch(feed, step))
                stopped = self._after_step(task)
                if self.group.agree(stop() or stopped is not None):
                    break
            self.state.clock.stop()
            self._save_checkpoint()
            self.group.meet()  # whoever ends early ends with the checkpoint written
            if stopped is not None:
                raise stopped

    def _open_files(self) -> None:
        step = self.state.step
        self.logged = (step, self.state.clock.seconds())
        if not self.group.leads:
            return
        self.statistics = StatisticsFile(self.folder / STATISTICS, step)
        # Step 0 comes before any checkpoint: a training that begins again writes its line again.
        self.distances = StatisticsFile(self.folder / HELD_OUT, step or -1)
        self.grids = SampleGrids(self.pairs, self.folder / "samples", self.device, self.memory_format)

    def _open_feed(self, steps: range) -> AbstractContextManager[Feed]:
        return open_batches(
            self.pairs, self.settings, self.seed, steps, self.device, self.memory_format, self.progress, self.memory
        )

    def _batch(self, feed: Feed, step: int) -> Batch:
        return feed(step, self.student.phase_downscale(self.phases[self.state.phase]))

    def _enter_phase_of(self, step: int) -> None:
        number = next(number for number, end in enumerate(self.phase_ends) if step < end)
        if number != self.state.phase:
            self.state.enter_phase(number, self.phases[number])

    def _other_terms_begin_at(self, step: int) -> bool:
        return step in {term.first_step(self.steps) for term in self.prepared.losses}

    def _one_step(self, step: int, batch: Batch) -> None:
        state, phase = self.state, self.phases[self.state.phase]
        losses = taking_part(self.prepared.losses, step, self.steps)
        trains_discriminator = any(term.loss.adversarial for term in losses)
        streams = ("pool", "opposite pool")
        pools = state.pools or (None, None)
        self._seed_part(step)
        values = train_step(
            self.student,
            batch,
            losses,
            generate=lambda images: self.student.generate_in_phase(phase, images),
            generator_descent=state.generator_descent,
            discriminator_descent=state.discriminator_descent if trains_discriminator else None,
            factor=learning_rate_factor(self.settings, step, self.steps),
            autocast=self.autocast,
            guidance=self.prepared.guidance,
            pools=(
                Pool(pools[0], counter_generator(self.seed, streams[0], step)),
                Pool(pools[1], counter_generator(self.seed, streams[1], step)),
            ),
        )
        state.step = step + 1
        self._make_alike(values)
        state.window.add(values)
        state.average.update(state.step * self.settings.batch, self.settings.batch)

    def _seed_part(self, step: int) -> None:
        """Let dropout, which draws from torch's global state, be another on each process, and the same after a kill."""
        if self.group.world > 1:
            torch.manual_seed(counter_generator(self.seed, f"part {self.group.rank}", step).initial_seed())

    def _make_alike(self, values: Mapping[str, Tensor]) -> None:
        """Average a step's numbers over the processes, so that all see a NaN, and take rank 0's buffers."""
        if self.group.world > 1:
            self.group.average(list(values.values()))
            self.group.share(other_buffers(self.networks))

    def _after_step(self, task: ProgressTask) -> Stopped | None:
        """Do what is due; return the exception by which who watches the progress asks for an early end."""
        step, last = self.state.step, self.state.step == self.steps
        self._look_at_newest()
        shown: Mapping[str, float] = {}
        if step % self.settings.log_every == 0 or last:
            shown = self._log()
        if step % self.settings.sample_every == 0 or last:
            self._draw_samples()
        if step % self.settings.checkpoint_every == 0 and not last:
            self._save_checkpoint()
        try:
            task.advance(1, **shown)
        except Stopped as stopped:  # raised when the checkpoint is written, on all processes
            return stopped
        return None

    def _look_at_newest(self) -> None:
        if self.device.type == "cpu":  # elsewhere looking at a number waits for the device
            self._check_finite(newest_only=True)

    def _check_finite(self, newest_only: bool = False) -> None:
        kept = "No checkpoint was written yet."
        if self.saved is not None:
            kept = f"The checkpoint at step {self.saved} is kept."
        self.state.window.check_finite(self.state.step, kept, newest_only)

    def _log(self) -> Mapping[str, float]:
        self._check_finite()
        step, seconds = self.state.step, self.state.clock.seconds()
        factor = learning_rate_factor(self.settings, step - 1, self.steps)
        numbers = self.state.window.means()
        numbers["learning_rate"] = self.settings.learning_rate * factor
        numbers["seconds"] = round(seconds, 3)
        images = (step - self.logged[0]) * self.settings.batch
        numbers["images_per_s"] = round(images / max(seconds - self.logged[1], 1e-9), 2)
        self.logged = (step, seconds)
        if self.group.leads:
            self.statistics.write({"step": step, "phase": self.phases[self.state.phase].name, **numbers})
            self.on_metrics(step, numbers)
        return {"loss": numbers["generator"]}

    def _draw_samples(self) -> None:
        if not self.group.leads:
            return
        phase, generator, opposite = self.phases[self.state.phase], self.student.generator, self.student.opposite
        downscale = self.student.phase_downscale(phase)

        def generate(images: Tensor) -> Tensor:
            return self.student.generate_in_phase(phase, images)

        generator.eval()
        with self.state.average.applied(), self.autocast():
            back = opposite.generator if opposite else None
            path, distance = self.grids.look(self.state.step, generate, downscale, back)
        generator.train()
        self.on_images(self.state.step, path)
        if distance is not None:
            self.distances.write({"step": self.state.step, HELD_OUT_L1: distance})

    def _save_checkpoint(self) -> None:
        if self.saved == self.state.step:
            return
        self._check_finite()
        if self.group.leads:
            self.statistics.sync()
            self.distances.sync()
            self.checkpoints.save(self.state.checkpoint(self._fingerprint()))
        self.saved = self.state.step

    @property
    def networks(self) -> list[nn.Module]:
        """All that the training has of networks, the frozen ones too."""
        opposite = self.student.opposite
        networks = [self.student.generator, self.student.discriminator, *self.prepared.helpers.values()]
        networks += [opposite.generator, opposite.discriminator] if opposite is not None else []
        return [network for network in networks if network is not None]

    def _fingerprint(self) -> dict[str, Any]:
        """Return what a checkpoint's training must share with this one, by the name that a message would use."""
        shapes = [{name: list(value.shape) for name, value in net.state_dict().items()} for net in self.networks]
        return {
            "seed": self.seed,
            "train section": self.settings.for_key(),
            "list of losses": [
                [term.name, term.weight, *([term.begins] if term.begins else [])] for term in self.prepared.losses
            ],
            "choice of training pairs": content_key({"train": list(self.pairs.train)}),
            "network shape": content_key({"shapes": shapes}),
            "number of phases": len(self.phases),
        }


class Rehearsal:
    """Parts of a training, each as the training does it, for who wants to know what they take; see `rehearse`."""

    def __init__(self, training: _Training, feed: Feed) -> None:
        self._training, self._feed = training, feed

    @property
    def stretch_ends(self) -> Sequence[int]:
        """For each stretch of steps alike the step that it ends before: a phase, or a part without a later loss."""
        training = self._training
        begins = {term.first_step(training.steps) for term in training.prepared.losses}
        return sorted({*training.phase_ends, *begins} - {0})

    def step(self, number: int) -> None:
        """Do a step as it is done at this place of the training; the number decides the phase and the batch."""
        training = self._training
        training._enter_phase_of(number)
        if training._other_terms_begin_at(number):
            training.state.window.rows.clear()  # a line of statistics is of steps with the same terms
        training._one_step(number, training._batch(self._feed, number))
        training._look_at_newest()

    def open_files(self) -> None:
        """Open the files of statistics, and read what sample grids show; needs a step before it."""
        self._training._open_files()

    def log(self) -> None:
        """Write a line of statistics, of the steps since the last; needs open files."""
        self._training._log()

    def draw_samples(self) -> None:
        """Draw a sample grid of the present phase; needs open files."""
        self._training._draw_samples()

    def save(self) -> None:
        """Write a checkpoint; needs open files."""
        self._training.saved = None
        self._training._save_checkpoint()


@contextmanager
def rehearse(
    student: Student,
    losses: Sequence[LossTerm],
    pairs: TrainingPairs,
    settings: TrainSection,
    folder: Path,
    *,
    seed: int,
    device: torch.device,
    compiles: bool = False,
    teacher: Teacher | None = None,
) -> Iterator[Rehearsal]:
    """Open a training for trying parts of it, in any order; nothing is resumed, and the student is thrown away after.

    Args: those of `train_student`, and
        folder: gets sample grids and checkpoints where they are asked for.
        device: where to train; on the meta device shapes alone pass through, and no number is looked at.
        compiles: whether pieces are compiled.

    Raises: as `train_student`.
    """
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(cuda), fastest_convolutions(), ExitStack() as stack:
        torch.manual_seed(seed)
        named, nobody = unique_names(losses), SilentProgress()
        training = _Training(student, named, pairs, settings, folder, seed, device, nobody, teacher)
        training.on_metrics, training.on_images = _tell_nobody, _tell_nobody
        stack.callback(training.prepared.close)
        stack.enter_context(compilation("always" if compiles else "never", training.steps))
        yield Rehearsal(training, stack.enter_context(training._open_feed(range(training.steps))))


def _tell_nobody(step: int, what: object) -> None:
    """Stand in for who is told of numbers and pictures."""
