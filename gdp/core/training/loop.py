"""The student's training from the first step to the shipped weights, resumable at any moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gdp.core.config import content_key
from gdp.core.errors import TrainingError, readable_os_errors
from gdp.core.interfaces.losses import Loss
from gdp.core.interfaces.students import Student
from gdp.core.progress import Progress, ProgressTask
from gdp.core.settings import TrainSection
from gdp.core.training.checkpoint import CheckpointFolder, write_tensors
from gdp.core.training.objective import WeightedLoss, check_losses, train_step
from gdp.core.training.pairs import Pictures, TrainingPairs, mirror_half, open_feed, to_network
from gdp.core.training.precision import autocaster
from gdp.core.training.sampler import BatchSampler, counter_generator
from gdp.core.training.samples import SampleGrids
from gdp.core.training.schedule import learning_rate_factor, phase_ends, total_steps
from gdp.core.training.state import TrainingState
from gdp.core.training.statistics import StatisticsFile

WEIGHTS = "student.safetensors"
STATISTICS = "statistics.jsonl"


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


def never() -> bool:
    """Ask for no early end."""
    return False


def train_student(
    student: Student,
    losses: Sequence[tuple[str, float, Loss]],
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
) -> TrainingResult:
    """Train a student, or go on from the newest checkpoint in `folder`; on a CPU the bits are those of an unbroken run.

    Args:
        student: its networks are moved to the device and trained; in the end its generator holds the averaged
            weights, in evaluation mode.
        losses: plugin name, weight and loss of each term.
        pairs: what to train on.
        settings: the recipe's `[train]`.
        folder: gets `student.safetensors`, `statistics.jsonl`, `samples/step-000250.png` and `checkpoints/`.
        seed: decides the batches, the mirroring and the image pool, and seeds torch's global random state, which
            is given back as it was.
        device: where to train.
        progress: reports one unit a step.
        on_metrics: called with the step and the numbers of every line of statistics.
        on_images: called with the step and the file of every sample grid.
        stop: asked after every step; if it returns True a checkpoint is written and the training ends early.

    Raises:
        TrainingError: losses, student and settings do not fit together, or the checkpoints are another training's.
        NonFiniteError: a loss or gradient became NaN or infinite.
        DiskFullError, RunFolderError: something cannot be written.
    """
    training = _Training(student, _unique_names(losses), pairs, settings, folder, seed, device, progress)
    training.on_metrics, training.on_images = on_metrics, on_images
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(cuda), _fastest_convolutions():
        torch.manual_seed(seed)
        finished = training.run(stop)
    seconds = training.state.clock.seconds()
    seen = training.state.step * settings.batch
    return TrainingResult(
        folder / WEIGHTS, finished, training.state.step, seconds, seen / max(seconds, 1e-9), len(pairs.train)
    )


def _unique_names(losses: Sequence[WeightedLoss]) -> list[WeightedLoss]:
    """Number the losses that a recipe names more than once: l1, l1-2."""
    counts: dict[str, int] = {}
    unique = []
    for name, weight, loss in losses:
        counts[name] = counts.get(name, 0) + 1
        unique.append((name if counts[name] == 1 else f"{name}-{counts[name]}", weight, loss))
    return unique


@contextmanager
def _fastest_convolutions() -> Iterator[None]:
    """Let cuDNN try its convolutions once for each shape: training shapes do not change."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


class _Training:
    """One call of `train_student`."""

    on_metrics: Callable[[int, Mapping[str, float]], None]
    on_images: Callable[[int, Path], None]

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
    ) -> None:
        if not pairs.train:
            raise TrainingError("there is no pair to train on: make more pairs, keep more, or hold out fewer")
        self.student, self.losses, self.pairs, self.settings = student, losses, pairs, settings
        self.folder, self.seed, self.device, self.progress = folder, seed, device, progress
        self.memory_format = torch.channels_last if settings.channels_last else torch.contiguous_format
        adversarial = check_losses(student, losses)
        for network in (student.generator, student.discriminator):
            if network is not None:
                network.to(device).to(memory_format=self.memory_format)
                network.train()
        self.steps = total_steps(settings, len(pairs.train))
        self.phases = list(student.phases)
        self.phase_ends = phase_ends(self.phases, self.steps)
        self.autocast = autocaster(settings.precision, device)
        self.state = TrainingState(student, adversarial, settings, device)
        self.checkpoints = CheckpointFolder(folder / "checkpoints")
        self.saved: int | None = None
        """Step of the newest checkpoint."""

    def run(self, stop: Callable[[], bool]) -> bool:
        """Train to the end and return True, or until `stop` and return False."""
        checkpoint = self.checkpoints.load_newest(self.progress.message)
        if checkpoint is not None:
            self.state.restore(checkpoint, self.phases, self._fingerprint())
            self.saved = checkpoint.step
        with readable_os_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        if self.state.step < self.steps:
            self._train(stop)
        if self.state.step < self.steps:
            return False
        self.state.average.copy_to_module()
        self.student.generator.eval()
        with readable_os_errors(self.folder / WEIGHTS):
            temporary = self.folder / f"{WEIGHTS}.tmp"
            write_tensors(temporary, self.student.generator.state_dict())
            temporary.replace(self.folder / WEIGHTS)
        return True

    def _train(self, stop: Callable[[], bool]) -> None:
        settings, state = self.settings, self.state
        self.statistics = StatisticsFile(self.folder / STATISTICS, state.step)
        self.grids = SampleGrids(self.pairs, self.folder / "samples", self.device, self.memory_format)
        self.logged = (state.step, state.clock.seconds())
        sampler = BatchSampler(self.pairs.train, settings.batch, self.seed)
        remaining = range(state.step, self.steps)
        with (
            open_feed(self.pairs, sampler, remaining, self.progress) as feed,
            self.progress.task("train", self.steps, "steps", done=state.step) as task,
        ):
            for step in remaining:
                self._enter_phase_of(step)
                if step == 0:
                    self._draw_samples()
                self._one_step(step, feed(step))
                self._after_step(task)
                if stop():
                    break
            self._save_checkpoint()

    def _enter_phase_of(self, step: int) -> None:
        number = next(number for number, end in enumerate(self.phase_ends) if step < end)
        if number != self.state.phase:
            self.state.enter_phase(number, self.phases[number])

    def _one_step(self, step: int, pictures: Pictures) -> None:
        state, phase = self.state, self.phases[self.state.phase]
        if self.settings.flip:
            pictures = mirror_half(pictures, self.seed, step)
        downscale = self.student.phase_downscale(phase)
        source, target = (to_network(image, self.device, self.memory_format, downscale) for image in pictures)
        values = train_step(
            self.student,
            source,
            target,
            self.losses,
            generate=lambda images: self.student.generate_in_phase(phase, images),
            generator_descent=state.generator_descent,
            discriminator_descent=state.discriminator_descent,
            factor=learning_rate_factor(self.settings, step, self.steps),
            pool=state.pool,
            pool_generator=counter_generator(self.seed, "pool", step),
            autocast=self.autocast,
        )
        state.step = step + 1
        state.window.add(values)
        state.average.update(state.step * self.settings.batch, self.settings.batch)

    def _after_step(self, task: ProgressTask) -> None:
        step, last = self.state.step, self.state.step == self.steps
        if self.device.type == "cpu":  # elsewhere looking at a number waits for the device
            self._check_finite(newest_only=True)
        shown: Mapping[str, float] = {}
        if step % self.settings.log_every == 0 or last:
            shown = self._log()
        if step % self.settings.sample_every == 0 or last:
            self._draw_samples()
        if step % self.settings.checkpoint_every == 0 and not last:
            self._save_checkpoint()
        task.advance(1, **shown)

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
        self.statistics.write({"step": step, "phase": self.phases[self.state.phase].name, **numbers})
        self.on_metrics(step, numbers)
        return {"loss": numbers["generator"]}

    def _draw_samples(self) -> None:
        phase, generator = self.phases[self.state.phase], self.student.generator
        generator.eval()
        with self.state.average.applied(), self.autocast():
            path = self.grids.draw(
                self.state.step,
                lambda images: self.student.generate_in_phase(phase, images),
                self.student.phase_downscale(phase),
            )
        generator.train()
        self.on_images(self.state.step, path)

    def _save_checkpoint(self) -> None:
        if self.saved == self.state.step:
            return
        self._check_finite()
        self.statistics.sync()
        self.checkpoints.save(self.state.checkpoint(self._fingerprint()))
        self.saved = self.state.step

    def _fingerprint(self) -> dict[str, Any]:
        """Return what a checkpoint's training must share with this one, by the name that a message would use."""
        networks = [self.student.generator, self.student.discriminator]
        shapes = [{name: list(value.shape) for name, value in net.state_dict().items()} for net in networks if net]
        return {
            "seed": self.seed,
            "train section": self.settings.model_dump(mode="json"),
            "list of losses": [[name, weight] for name, weight, _ in self.losses],
            "choice of training pairs": content_key({"train": list(self.pairs.train)}),
            "network shape": content_key({"shapes": shapes}),
            "number of phases": len(self.phases),
        }
