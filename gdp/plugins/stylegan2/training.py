"""Train a StyleGAN2 on pictures: checkpoints, statistics, sample grids, exact resume.

Run it by hand as `python -m gdp.plugins.stylegan2.training --images FILE --folder DIR --settings FILE`.
"""

from __future__ import annotations

import argparse
import io
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from gdp import ShapeError, TrainingError
from gdp.plugins.stylegan2 import DISCRIMINATOR_FILE, TrainingSettings
from gdp.plugins.stylegan2.training_step import AdversarialStep
from gdp.toolbox import (
    BatchSampler,
    Checkpoint,
    CheckpointFolder,
    StatisticsFile,
    counter_generator,
    from_levels,
    write_atomically,
    write_tensors,
)

RESULT = "generator.safetensors"
SAMPLES = 48
_MAY_CHANGE = {"images", "checkpoint_every", "samples_every", "statistics_every", "device"}
"""Settings that may differ between a checkpoint and the run that goes on from it."""


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training stands."""

    images: int
    """Real pictures seen."""
    total: int
    """Real pictures to see in all."""
    figures: dict[str, float]
    """The newest line of statistics."""


def train(
    images: Tensor,
    settings: TrainingSettings,
    folder: Path,
    on_progress: Callable[[TrainingProgress], None] | None = None,
    latents: Tensor | None = None,
) -> Path:
    """Train a StyleGAN2 and return the file of its averaged generator, float16 safetensors.

    The discriminator as it stands at the end lies beside it.

    A killed training goes on from its newest checkpoint when called again, and on a processor ends in the same bits.

    Args:
        images: uint8 (N, 3, R, R), R a power of two from 8.
        settings: how to train.
        folder: gets `checkpoints/`, `statistics.jsonl`, `samples/`, `generator.safetensors` and
            `discriminator.safetensors`.
        on_progress: called with every line of statistics.
        latents: what determines each picture as standard normal numbers, (N, K) float32, for the reconstruction.

    Raises:
        ShapeError: the pictures do not fit.
        TrainingError: the folder holds a training with other settings.
        NonFiniteError: the training diverged.
        DiskFullError, RunFolderError: the folder cannot be written.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise ShapeError(f"Training pictures must be uint8 (N, 3, R, R), not {images.dtype} {tuple(images.shape)}.")
    if settings.reconstruction_weight and (latents is None or latents.shape[1] > settings.z_dim):
        raise TrainingError(
            "reconstruction_weight needs pictures whose latents are known, of at most z_dim numbers. Take a dataset "
            "that knows them (rendered-faces does), raise z_dim, or set reconstruction_weight = 0."
        )
    with _threads_per_shard(settings.shards):
        training = _Training(images, settings, folder, latents if settings.reconstruction_weight else None)
        try:
            return training.run(on_progress or (lambda progress: None))
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
    def __init__(self, images: Tensor, settings: TrainingSettings, folder: Path, latents: Tensor | None) -> None:
        self.images = images
        self.latents = latents
        self.settings = settings
        self.folder = folder
        self.networks = AdversarialStep(settings, images.shape[-1])
        self.sampler = BatchSampler(range(len(images)), settings.batch, settings.seed)
        self.checkpoints = CheckpointFolder(folder / "checkpoints")
        self.step = 0
        self.seconds = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        found = self.checkpoints.load_newest(lambda message: None)
        if found is not None:
            self._restore(found)
        self.statistics = StatisticsFile(folder / "statistics.jsonl", self.step)
        self.window: dict[str, list[Tensor]] = {}

    def run(self, on_progress: Callable[[TrainingProgress], None]) -> Path:
        settings = self.settings
        steps = -(-settings.images // settings.batch)
        mark, first = time.monotonic(), self.step
        while self.step < steps:
            real, latents = self._batch()
            for name, value in self.networks.run(real, self.step, latents).items():
                self.window.setdefault(name, []).append(value)
            self.step += 1
            if self._due(settings.statistics_every) or self.step == steps:
                elapsed = time.monotonic() - mark
                self.seconds += elapsed
                on_progress(TrainingProgress(self.seen, settings.images, self._report(elapsed, self.step - first)))
                mark, first = time.monotonic(), self.step
            if self._due(settings.samples_every) or self.step == steps:
                self._draw_samples()
            if self._due(settings.checkpoint_every) or self.step == steps:
                self.statistics.sync()
                self.checkpoints.save(self._checkpoint())
        return self._export()

    @property
    def seen(self) -> int:
        return self.step * self.settings.batch

    def _due(self, every: int) -> bool:
        return self.seen // every > (self.seen - self.settings.batch) // every

    def _batch(self) -> tuple[Tensor, Tensor | None]:
        indices = self.sampler.indices(self.step)
        real = from_levels(self.images[indices].to(self.networks.device))
        if self.settings.mirror:
            random = counter_generator(self.settings.seed, "mirror", self.step)
            flipped = (torch.rand(len(real), generator=random) < 0.5).to(real.device)
            real = torch.where(flipped[:, None, None, None], real.flip(3), real)
        return real, None if self.latents is None else self.latents[indices]

    def _report(self, elapsed: float, steps: int) -> dict[str, float]:
        figures = {name: float(torch.stack(values).mean()) for name, values in self.window.items()}
        self.window = {}
        rate = steps * self.settings.batch / max(elapsed, 1e-9)
        line = {"step": self.step, "images": self.seen, **figures, "seconds": self.seconds, "images_per_second": rate}
        self.statistics.write(line)
        return line

    @torch.no_grad()
    def _draw_samples(self) -> None:
        networks = self.networks
        random = counter_generator(self.settings.seed, "samples", 0)
        z = torch.randn(SAMPLES, self.settings.z_dim, generator=random).to(networks.device)
        with networks.average.applied():
            pictures = torch.cat([networks.generator(part) for part in torch.split(z, 8)])
        grid = make_grid(pictures.cpu(), nrow=12, padding=0, normalize=True, value_range=(-1, 1))
        content = io.BytesIO()
        to_pil_image(grid).save(content, "png")
        write_atomically(self.folder / "samples" / f"images-{self.seen:08d}.png", content.getvalue())

    def _checkpoint(self) -> Checkpoint:
        networks = self.networks
        tensors = {
            **{f"generator.{name}": tensor for name, tensor in networks.generator.state_dict().items()},
            **{f"discriminator.{name}": tensor for name, tensor in networks.discriminator.state_dict().items()},
            **{f"average.{name}": tensor for name, tensor in networks.average.tensors.items()},
            **_optimizer_tensors("generator_optimizer", networks.generator_optimizer),
            **_optimizer_tensors("discriminator_optimizer", networks.discriminator_optimizer),
            "mean_path_length": networks.mean_path_length,
        }
        state = {"settings": self.settings.model_dump(mode="json"), "images": self.seen, "seconds": self.seconds}
        return Checkpoint(self.step, tensors, state)

    def _restore(self, checkpoint: Checkpoint) -> None:
        # A setting that the checkpoint's version did not have yet counts as its default.
        then = {**TrainingSettings().model_dump(mode="json"), **checkpoint.state["settings"]}
        now = self.settings.model_dump(mode="json")
        if changed := sorted(name for name in now if name not in _MAY_CHANGE and then[name] != now[name]):
            raise TrainingError(
                f"{self.folder}: the training there was started with other settings ({', '.join(changed)}). "
                "Choose another folder, or set them back to go on."
            )
        networks, tensors = self.networks, checkpoint.tensors
        networks.generator.load_state_dict(_with_prefix(tensors, "generator."))
        networks.discriminator.load_state_dict(_with_prefix(tensors, "discriminator."))
        for name, tensor in networks.average.tensors.items():
            tensor.copy_(tensors[f"average.{name}"])
        _load_optimizer("generator_optimizer", networks.generator_optimizer, tensors)
        _load_optimizer("discriminator_optimizer", networks.discriminator_optimizer, tensors)
        networks.mean_path_length = tensors["mean_path_length"].to(networks.device)
        self.step = checkpoint.step
        self.seconds = checkpoint.state["seconds"]

    def _export(self) -> Path:
        metadata = {
            "images": str(self.seen),
            "conv_clamp": "" if self.settings.conv_clamp is None else str(self.settings.conv_clamp),
        }
        multiplier = {"mapping_learning_rate_multiplier": str(self.settings.mapping_learning_rate_multiplier)}
        write_tensors(self.folder / DISCRIMINATOR_FILE, _halved(self.networks.discriminator.state_dict()), metadata)
        write_tensors(self.folder / RESULT, _halved(self.networks.average.tensors), metadata | multiplier)
        return self.folder / RESULT


def _halved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.cpu().half() for name, tensor in tensors.items()}


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensors[name] for name in tensors if name.startswith(prefix)}


def _optimizer_tensors(name: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{name}.{index}.{key}": tensor for index, values in state.items() for key, tensor in values.items()}


def _load_optimizer(name: str, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    content = optimizer.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in _with_prefix(tensors, f"{name}.").items():
        index, field = key.split(".")
        state.setdefault(int(index), {})[field] = tensor
    optimizer.load_state_dict({**content, "state": state})


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="safetensors file with `images`, uint8 (N, 3, R, R)")
    parser.add_argument("--folder", type=Path, required=True, help="folder of the training")
    parser.add_argument("--settings", type=Path, required=True, help="TOML file with the settings")
    arguments = parser.parse_args()
    settings = TrainingSettings.model_validate(tomllib.loads(arguments.settings.read_text(encoding="utf-8")))
    images = safetensors.torch.load_file(arguments.images)["images"]

    def show(progress: TrainingProgress) -> None:
        figures: dict[str, Any] = {name: f"{value:.4g}" for name, value in progress.figures.items() if name != "step"}
        print(" ".join(f"{name} {value}" for name, value in figures.items()), flush=True)

    print(train(images, settings, arguments.folder, show))


if __name__ == "__main__":
    _main()
