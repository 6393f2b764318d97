"""Everything that changes while a student is trained, and how it goes into checkpoints and comes back.

A checkpoint is a folder `step-00000250` with `tensors.safetensors` and `state.json`, which holds the former's sha256
and its own.
It is written under another name, synced and renamed; the one before it is kept in case it gets damaged later.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from gdp.core.config import CHECK, check_of
from gdp.core.errors import TrainingError, readable_os_errors
from gdp.core.files import file_sha256, sync_folder, write_atomically
from gdp.core.interfaces.students import Student, TrainingPhase
from gdp.core.recipe.sections import TrainSection
from gdp.core.tensor_file import StoredTensors, fill_module, write_tensors
from gdp.core.training.adversary import ImagePool
from gdp.core.training.group import ALONE, Group
from gdp.core.training.optimizer import Descent, WeightAverage
from gdp.core.training.statistics import Window


class TrainingState:
    """Networks, their average, optimizers, image pool, statistics window, random state, steps and time.

    Args:
        student: its networks are on the device already.
        helpers: networks of the losses that are trained beside the generator, by the losses' names.
        adversarial: whether the discriminators are trained.
        settings: the recipe's `[train]`.
        device: where the networks are.
        group: the processes that train together.
        kind: what the forward passes compute in.
    """

    def __init__(
        self,
        student: Student,
        helpers: Mapping[str, nn.Module],
        adversarial: bool,
        settings: TrainSection,
        device: torch.device,
        group: Group = ALONE,
        kind: torch.dtype = torch.float32,
    ) -> None:
        self._student = student
        self._group, self._kind = group, kind
        self._settings = settings
        self._device = device
        opposite = student.opposite
        self._beside: dict[str, nn.Module] = {f"loss.{name}": module for name, module in helpers.items()}
        """Networks that the generators' optimizer trains beside the student's generator, by name."""
        self._adversaries: dict[str, nn.Module] = {}
        if opposite is not None and opposite.trains:
            self._beside["opposite"] = opposite.generator
        if adversarial and student.discriminator is not None:
            self._adversaries["discriminator"] = student.discriminator
            if opposite is not None and opposite.trains and opposite.discriminator is not None:
                self._adversaries["opposite_discriminator"] = opposite.discriminator
        self.average = WeightAverage(student.generator, settings.ema_half_life)
        self.step = 0
        self.phase = -1
        """Number of the phase that the optimizers belong to."""
        self.window = Window()
        self.pools: tuple[ImagePool, ImagePool] | None = None
        """Earlier predictions of the student and of the way back."""
        self.clock = Clock()

    def enter_phase(self, number: int, phase: TrainingPhase) -> None:
        """Choose the phase's parameters and make optimizers and the image pool anew.

        Raises:
            TrainingError: the phase names parameters that the generator does not have.
        """
        settings, generator = self._settings, self._student.generator
        named = dict(generator.named_parameters())
        unknown = sorted((phase.trainable or frozenset()) - set(named))
        if unknown:
            raise TrainingError(f"the training phase {phase.name} names unknown parameters: {', '.join(unknown[:5])}")
        for name, weight in named.items():
            weight.requires_grad_(phase.trainable is None or name in phase.trainable)
        trained = _trainable({"": generator, **self._beside})
        rate, clip = settings.learning_rate, settings.gradient_clip
        self.generator_descent = Descent(trained, rate, settings.betas, clip, self._group, self._kind)
        self.discriminator_descent = self._adversary() if self._adversaries else None
        size, group = settings.image_pool, self._group
        self.pools = (ImagePool(size, group), ImagePool(size, group)) if size and self._adversaries else None
        self.phase = number

    def _adversary(self) -> Descent:
        rate = self._settings.discriminator_learning_rate or self._settings.learning_rate
        return Descent(_trainable(self._adversaries), rate, self._settings.betas, None, self._group, self._kind)

    def checkpoint(self, fingerprint: Mapping[str, Any]) -> Checkpoint:
        """Gather everything.

        Args:
            fingerprint: JSON data that a training must share in order to go on from here.
        """
        parts: dict[str, Mapping[str, Tensor]] = {
            "generator": self._student.generator.state_dict(),
            "average": self.average.kept,
            "generator_optimizer": self.generator_descent.state(),
            "random": {"cpu": torch.get_rng_state()},
        }
        parts |= {name: module.state_dict() for name, module in {**self._beside, **self._adversaries}.items()}
        if self.discriminator_descent is not None:
            parts["discriminator_optimizer"] = self.discriminator_descent.state()
        if self._device.type == "cuda":
            parts["random"] = {**parts["random"], "cuda": torch.cuda.get_rng_state(self._device)}
        stored = {str(number): pool.images for number, pool in enumerate(self.pools or ())}
        parts["pools"] = {number: images for number, images in stored.items() if images is not None}
        if self.window.rows:
            parts["window"] = {"rows": torch.stack(self.window.rows)}
        tensors = {f"{part}/{name}": tensor for part, named in parts.items() for name, tensor in named.items()}
        state = {
            "phase": self.phase,
            "seconds": self.clock.seconds(),
            "window": self.window.names,
            "fingerprint": dict(fingerprint),
        }
        return Checkpoint(self.step, tensors, state)

    def restore(self, checkpoint: Checkpoint, phases: Sequence[TrainingPhase], fingerprint: Mapping[str, Any]) -> None:
        """Go back to a checkpoint.

        Raises:
            TrainingError: it belongs to another training.
        """
        theirs = checkpoint.state["fingerprint"]
        differing = [key for key in {**theirs, **fingerprint} if theirs.get(key) != fingerprint.get(key)]
        if differing:
            raise TrainingError(
                f"the checkpoint at step {checkpoint.step} was made with another {', '.join(sorted(differing))}: "
                f"train into another folder, or remove this one's checkpoints to train anew"
            )
        tensors = checkpoint.tensors
        self.enter_phase(checkpoint.state["phase"], phases[checkpoint.state["phase"]])
        fill_module(self._student.generator, tensors, "generator/")
        for name, average in self.average.kept.items():
            average.copy_(tensors[f"average/{name}"])
        self.generator_descent.load_state(_part(tensors, "generator_optimizer"))
        for name, module in {**self._beside, **self._adversaries}.items():
            fill_module(module, tensors, f"{name}/")
        if self.discriminator_descent is not None:
            self.discriminator_descent.load_state(_part(tensors, "discriminator_optimizer"))
        torch.set_rng_state(tensors["random/cpu"])
        if self._device.type == "cuda" and "random/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random/cuda"], self._device)
        for place, images in _part(tensors, "pools"):
            if self.pools is not None:
                self.pools[int(place)].images = images.to(self._device)
        self.window.names = checkpoint.state["window"]
        self.window.rows = list(tensors["window/rows"].to(self._device)) if "window/rows" in tensors else []
        self.step = checkpoint.step
        self.clock = Clock(checkpoint.state["seconds"])


def _part(tensors: Mapping[str, Tensor], part: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a part of a checkpoint with their names in it; one is read at a time."""
    beginning = f"{part}/"
    return ((key.removeprefix(beginning), tensors[key]) for key in tensors if key.startswith(beginning))


def _trainable(modules: Mapping[str, nn.Module]) -> dict[str, nn.Parameter]:
    """Return the parameters that are trained, by module and name; those of the nameless module by name alone."""
    return {
        f"{module}.{name}" if module else name: weight
        for module, network in modules.items()
        for name, weight in network.named_parameters()
        if weight.requires_grad
    }


class Clock:
    """Seconds of training, over all processes that took part.

    Args:
        before: seconds that were spent before this process.
    """

    def __init__(self, before: float = 0.0) -> None:
        self._before = before
        self._start = time.perf_counter()
        self._end: float | None = None

    def stop(self) -> None:
        """Count no further: what the last checkpoint tells is then what is reported."""
        self._end = time.perf_counter()

    def seconds(self) -> float:
        """Return the seconds so far."""
        return self._before + (time.perf_counter() if self._end is None else self._end) - self._start


TENSORS = "tensors.safetensors"
STATE = "state.json"
KEPT = 2
UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class Checkpoint:
    """What a training goes on from.

    Attributes:
        step: Steps done.
        tensors: On the CPU; of one that was read from a folder each is read when it is asked for.
        state: Plain JSON data.
    """

    step: int
    tensors: Mapping[str, Tensor]
    state: dict[str, Any]


class CheckpointFolder:
    """The newest checkpoints of one training.

    Args:
        folder: made when the first one is saved.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, checkpoint: Checkpoint) -> None:
        """Save a checkpoint; on return it survives a kill and a power cut. Older ones but one are removed.

        Raises:
            DiskFullError, RunFolderError: it cannot be written; those before it are intact.
        """
        with readable_os_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished = self.folder / UNFINISHED
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            try:
                self._write(unfinished, checkpoint)
                final = self.folder / f"step-{checkpoint.step:08d}"
                shutil.rmtree(final, ignore_errors=True)
                unfinished.rename(final)
            except BaseException:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
            sync_folder(self.folder)
            for outdated in self._newest_first()[KEPT:]:
                shutil.rmtree(outdated)

    def load_newest(self, on_damaged: Callable[[str], None]) -> Checkpoint | None:
        """Return the newest checkpoint that is whole; None where there is none.

        Args:
            on_damaged: told in one line of each damaged checkpoint that was passed over.
        """
        for folder in self._newest_first():
            try:
                return self._read(folder)
            except (OSError, ValueError, KeyError, SafetensorError) as error:
                on_damaged(f"the checkpoint {folder} is damaged and passed over ({error})")
        return None

    def _newest_first(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted((path for path in self.folder.iterdir() if re.fullmatch(r"step-\d{8}", path.name)), reverse=True)

    def _write(self, folder: Path, checkpoint: Checkpoint) -> None:
        write_tensors(folder / TENSORS, checkpoint.tensors)
        state = {"step": checkpoint.step, "sha256": file_sha256(folder / TENSORS), "state": checkpoint.state}
        write_atomically(folder / STATE, json.dumps({**state, CHECK: check_of(state)}, allow_nan=False).encode())
        sync_folder(folder)

    def _read(self, folder: Path) -> Checkpoint:
        content = read_checkpoint_state(folder)
        return Checkpoint(content["step"], StoredTensors(folder / TENSORS), content["state"])


def read_checkpoint_state(folder: Path) -> dict[str, Any]:
    """Read what the state file of a checkpoint holds, and make sure that both of its files are what was written.

    Raises:
        ValueError: they are not.
        KeyError, OSError: something is missing.
    """
    content: dict[str, Any] = json.loads((folder / STATE).read_text(encoding="utf-8"))
    # An older gdp wrote no hash of the state itself.
    if not isinstance(content, dict) or content.pop(CHECK, None) not in (None, check_of(content)):
        raise ValueError(f"{STATE} is not what was written")
    if content["sha256"] != file_sha256(folder / TENSORS):
        raise ValueError(f"{TENSORS} is not what was written")
    return content
