"""Train a StyleGAN2 on pictures: checkpoints, statistics, sample sheets, exact resume."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from gdp import Dataset, Progress, ProgressTask, Stopped, TrainingError
from gdp.plugins.stylegan2 import DISCRIMINATOR_FILE, TrainingSettings
from gdp.plugins.stylegan2.sheets import SampleSheets, draw_curves
from gdp.plugins.stylegan2.starting import read_given, with_prefix
from gdp.plugins.stylegan2.training_step import AdversarialStep, learning_rate_factor
from gdp.toolbox import (
    BatchSampler,
    Checkpoint,
    CheckpointFolder,
    LossScaler,
    StatisticsFile,
    counter_generator,
    from_levels,
    mirrored,
    open_feed,
    write_atomically,
    write_tensors,
)

RESULT = "generator.safetensors"
STATISTICS = "statistics.jsonl"
_MAY_CHANGE = {"images", "checkpoint_every", "samples_every", "statistics_every", "device"}
"""Settings that may differ between a checkpoint and the run that goes on from it."""
_OBJECTIVE_OF_OLD = ("reconstruction_weight", "reconstruction_images")
"""Settings of the training that reconstructed pixels first and played the game later."""


def train(images: Dataset, settings: TrainingSettings, folder: Path, progress: Progress) -> Path:
    """Train a StyleGAN2 and return the file of its averaged generator, float16 safetensors.

    The discriminator as it stands at the end lies beside it.

    Where several processes train together, each computes its part of every batch, and rank 0 alone writes files.

    A stopped or killed training goes on from its newest checkpoint when called again, and on a processor ends in the
    same bits. The pictures are kept in memory where all of them fit into what the dataset's context allows, and are
    read in a thread while others are trained on where they do not; the numbers do not depend on it.

    Args:
        images: the pictures, of a power-of-two size from 8; where it tells their latents, they can be learnt from.
        settings: how to train.
        folder: gets `checkpoints/`, `statistics.jsonl`, `curves.png`, `samples/`, `generator.safetensors` and
            `discriminator.safetensors`.
        progress: reports one unit a picture; where it raises `Stopped`, a checkpoint is written first.

    Raises:
        ShapeError: the pictures, or the networks to go on from, do not fit.
        TrainingError: the folder holds a training with other settings, or the settings ask for what the dataset lacks.
        MissingResourceError, CorruptFileError: networks to go on from, or pictures, cannot be read.
        NonFiniteError: the training diverged.
        RankLostError: another of the processes that train together has ended.
        DiskFullError, RunFolderError: the folder cannot be written.
    """
    first = images.latents([0]) if settings.reconstructs else None
    if settings.reconstructs and (first is None or first.shape[1] > settings.z_dim):
        raise TrainingError(
            "feature_weight and l1_weight need pictures whose latents are known, of at most z_dim numbers. Take a "
            "dataset that knows them (rendered-faces does), raise z_dim, or set both weights to 0."
        )
    training = _Training(images, settings, folder, progress)
    try:
        with _threads_per_shard(training.networks.shards):
            return training.run()
    finally:
        training.networks.close()


@contextmanager
def _threads_per_shard(shards: int) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // shards))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Training:
    def __init__(self, images: Dataset, settings: TrainingSettings, folder: Path, progress: Progress) -> None:
        self.images, self.settings, self.folder, self.progress = images, settings, folder, progress
        held_out = min(settings.held_out, len(images) // 10) if settings.reconstructs else 0
        self.trained = range(len(images) - held_out)
        self.checkpoints = CheckpointFolder(folder / "checkpoints")
        self.step = 0
        self.seconds = 0.0
        self.window: dict[str, list[Tensor]] = {}
        found = self.checkpoints.load_newest(progress.message)
        given = None
        if found is None and settings.from_weights is not None:
            given = read_given(settings.from_weights, progress)
            given.require_fit(settings, images.resolution)
        elif found is not None:
            self._require_same_settings(found)
        self.networks = AdversarialStep(settings, images.resolution, given, progress.message)
        if found is not None:
            self._restore(found)
        self.group = self.networks.group
        self.group.require_same(self.step, "checkpoints")
        if self.group.leads:
            folder.mkdir(parents=True, exist_ok=True)
            self.statistics = StatisticsFile(folder / STATISTICS, self.step)
            self.sheets = SampleSheets(folder, settings.z_dim, settings.seed, self._held_out())
        self.told_size = False

    def _held_out(self) -> tuple[Tensor, Tensor] | None:
        indices = range(len(self.trained), len(self.images))
        latents = self.images.latents(indices) if indices else None
        return None if latents is None else (from_levels(self.images.images(indices)), latents)

    def run(self) -> Path:
        settings = self.settings
        steps = -(-settings.images // settings.batch)
        sampler = BatchSampler(self.trained, settings.batch, settings.seed, self.group)
        remaining = range(self.step, steps)
        if remaining:
            with (
                open_feed(
                    self._load,
                    self.trained,
                    sampler,
                    remaining,
                    self.progress,
                    self.images.context.memory,
                    self.networks.device,
                ) as feed,
                self.progress.task("training the teacher", settings.images, "pictures", done=self.seen) as task,
            ):
                self._train(feed, steps, task)
        if self.group.leads:
            self._export()
        self.group.meet()  # whoever returns finds the files
        return self.folder / RESULT

    def _train(self, feed: Callable[[int], tuple[Tensor, ...]], steps: int, task: ProgressTask) -> None:
        self.mark, self.first = time.monotonic(), self.step
        while self.step < steps:
            real, latents = self._batch(feed(self.step))
            for name, value in self.networks.run(real, self.step, latents).items():
                self.window.setdefault(name, []).append(value)
            self.step += 1
            shown = self._after_step(self.step == steps)
            stopped = None
            try:
                task.advance(self.settings.batch, **shown)
            except Stopped as asked:
                stopped = asked
            if self.group.agree(stopped is not None):
                self._save_checkpoint()
                self.group.meet()
                raise stopped or Stopped

    def _after_step(self, last: bool) -> dict[str, float]:
        """Do what is due, and return what is worth showing."""
        settings, shown = self.settings, {}
        looks = last or self._due(settings.samples_every)
        if looks:
            self._draw_samples()
        if last or self._due(settings.statistics_every):
            shown = self._report()
        if looks and self.group.leads:
            write_atomically(self.folder / "curves.png", draw_curves(self.folder / STATISTICS))
        if last or self._due(settings.checkpoint_every):
            self._save_checkpoint()
        return shown

    @property
    def seen(self) -> int:
        return self.step * self.settings.batch

    def _due(self, every: int) -> bool:
        return self.seen // every > (self.seen - self.settings.batch) // every

    def _load(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        """Return pictures (N, 3, R, R) uint8 and, where they are learnt from, latents (N, K)."""
        pictures = self.images.images(indices)
        latents = self.images.latents(indices) if self.settings.reconstructs else None
        return (pictures,) if latents is None else (pictures, latents)

    def _batch(self, loaded: tuple[Tensor, ...]) -> tuple[Tensor, Tensor | None]:
        real = from_levels(loaded[0])
        if self.settings.mirror:
            random = counter_generator(self.settings.seed, "mirror", self.step)
            flipped = mirrored(len(real), random, self.group).to(real.device, non_blocking=True)
            real = torch.where(flipped, real.flip(3), real)
        return real, loaded[1] if len(loaded) > 1 else None

    def _report(self) -> dict[str, float]:
        self.networks.check_finite()
        figures = {name: float(torch.stack(values).mean()) for name, values in self.window.items()}
        elapsed, steps = time.monotonic() - self.mark, self.step - self.first
        self.window, self.mark, self.first = {}, time.monotonic(), self.step
        self.seconds += elapsed
        spent = {"seconds": self.seconds, "images_per_second": steps * self.settings.batch / max(elapsed, 1e-9)}
        factor = learning_rate_factor(self.settings, self.seen - self.settings.batch)
        rate = {"learning_rate": self.settings.learning_rate * factor}
        if self.group.leads:
            self.statistics.write({"step": self.step, "images": self.seen, **figures, **rate, **spent})
        return {**figures, **spent}

    def _draw_samples(self) -> None:
        self.networks.check_finite()
        if not self.group.leads:
            return
        with self.networks.average.applied():
            figures = self.sheets.draw(self.networks.generator, self.seen)
        if figures:
            self.statistics.write({"step": self.step, "images": self.seen, **figures})

    def _save_checkpoint(self) -> None:
        self.networks.check_finite()
        if not self.group.leads:
            return
        self.statistics.sync()
        checkpoint = self._checkpoint()
        self.checkpoints.save(checkpoint)
        if not self.told_size:
            self.told_size = True
            size = sum(tensor.nbytes for tensor in checkpoint.tensors.values())
            self.progress.message(
                f"{self.checkpoints.folder}: a checkpoint every {self.settings.checkpoint_every:,} pictures, "
                f"{size / 1e6:.0f} MB each; the newest two are kept"
            )

    def _checkpoint(self) -> Checkpoint:
        networks = self.networks
        tensors = {
            **{f"generator.{name}": tensor for name, tensor in networks.generator.state_dict().items()},
            **{f"discriminator.{name}": tensor for name, tensor in networks.discriminator.state_dict().items()},
            **{f"average.{name}": tensor for name, tensor in networks.average.kept.items()},
            **_optimizer_tensors("generator_optimizer", networks.generator_optimizer),
            **_optimizer_tensors("discriminator_optimizer", networks.discriminator_optimizer),
            **{
                f"{name}.{key}": tensor
                for name, scaler in _scalers(networks).items()
                for key, tensor in scaler.tensors().items()
            },
            **{f"window.{name}": torch.stack(values) for name, values in self.window.items()},
            "mean_path_length": networks.mean_path_length,
        }
        state = {"settings": self.settings.model_dump(mode="json"), "images": self.seen, "seconds": self.seconds}
        return Checkpoint(self.step, tensors, state)

    def _require_same_settings(self, checkpoint: Checkpoint) -> None:
        stored = checkpoint.state["settings"]
        if any(stored.get(name) for name in _OBJECTIVE_OF_OLD):
            newest = self.checkpoints.folder / f"step-{checkpoint.step:08d}" / "tensors.safetensors"
            raise TrainingError(
                f"{self.folder}: the training there was begun by an earlier version of gdp, which reconstructed pixels "
                "before the game, and cannot go on as it was. Its networks can: train into another folder, with "
                f"--folder NEW --from {newest}"
            )
        # A setting that the checkpoint's version did not have yet counts as its default.
        then = {**TrainingSettings().model_dump(mode="json"), **stored}
        now = self.settings.model_dump(mode="json")
        if now["from_weights"] is None:  # it has begun: where from need not be said again
            now["from_weights"] = then["from_weights"]
        if changed := sorted(name for name in now if name not in _MAY_CHANGE and then[name] != now[name]):
            raise TrainingError(
                f"{self.folder}: the training there was started with other settings ({', '.join(changed)}). "
                "Choose another folder, or set them back to go on."
            )

    def _restore(self, checkpoint: Checkpoint) -> None:
        networks, tensors = self.networks, checkpoint.tensors
        networks.generator.load_state_dict(with_prefix(tensors, "generator."))
        networks.discriminator.load_state_dict(with_prefix(tensors, "discriminator."))
        for name, tensor in networks.average.kept.items():
            tensor.copy_(tensors[f"average.{name}"])
        _load_optimizer("generator_optimizer", networks.generator_optimizer, tensors)
        _load_optimizer("discriminator_optimizer", networks.discriminator_optimizer, tensors)
        for name, scaler in _scalers(networks).items():
            scaler.load(with_prefix(tensors, f"{name}."))
        networks.mean_path_length = tensors["mean_path_length"].to(networks.device)
        window = with_prefix(tensors, "window.")
        self.window = {name: list(values.to(networks.device)) for name, values in window.items()}
        self.step = checkpoint.step
        self.seconds = checkpoint.state["seconds"]

    def _export(self) -> None:
        metadata = {
            "images": str(self.seen),
            "conv_clamp": "" if self.settings.conv_clamp is None else str(self.settings.conv_clamp),
        }
        multiplier = {"mapping_learning_rate_multiplier": str(self.settings.mapping_learning_rate_multiplier)}
        write_tensors(self.folder / DISCRIMINATOR_FILE, _halved(self.networks.discriminator.state_dict()), metadata)
        write_tensors(self.folder / RESULT, _halved(self.networks.average.tensors), metadata | multiplier)


def _scalers(networks: AdversarialStep) -> dict[str, LossScaler]:
    return {"generator_scale": networks.generator_scaler, "discriminator_scale": networks.discriminator_scaler}


def _halved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.cpu().half() for name, tensor in tensors.items()}


def _optimizer_tensors(name: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{name}.{index}.{key}": tensor for index, values in state.items() for key, tensor in values.items()}


def _load_optimizer(name: str, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    content = optimizer.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in with_prefix(tensors, f"{name}.").items():
        index, field = key.split(".")
        state.setdefault(int(index), {})[field] = tensor
    optimizer.load_state_dict({**content, "state": state})
