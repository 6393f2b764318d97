"""Everything that changes while a student is trained, and how it goes into a checkpoint and comes back."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gdp.core.errors import TrainingError
from gdp.core.interfaces.students import Student, TrainingPhase
from gdp.core.settings import TrainSection
from gdp.core.training.checkpoint import Checkpoint
from gdp.core.training.ema import WeightAverage
from gdp.core.training.image_pool import ImagePool
from gdp.core.training.objective import Descent
from gdp.core.training.statistics import Window


class TrainingState:
    """Networks, their average, optimizers, image pool, statistics window, random state, steps and time.

    Args:
        student: its networks are on the device already.
        adversarial: whether the discriminator is trained.
        settings: the recipe's `[train]`.
        device: where the networks are.
    """

    def __init__(self, student: Student, adversarial: bool, settings: TrainSection, device: torch.device) -> None:
        self._student = student
        self._settings = settings
        self._device = device
        self._discriminator = student.discriminator if adversarial else None
        self.average = WeightAverage(student.generator, settings.ema_half_life)
        self.step = 0
        self.phase = -1
        """Number of the phase that the optimizers belong to."""
        self.window = Window()
        self.pool: ImagePool | None = None
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
        trained = {name: weight for name, weight in named.items() if weight.requires_grad}
        self.generator_descent = Descent(trained, settings.learning_rate, settings.betas, settings.gradient_clip)
        self.discriminator_descent = None if self._discriminator is None else self._adversary(self._discriminator)
        self.pool = ImagePool(settings.image_pool) if settings.image_pool and self._discriminator else None
        self.phase = number

    def _adversary(self, discriminator: nn.Module) -> Descent:
        rate = self._settings.discriminator_learning_rate or self._settings.learning_rate
        trained = {name: weight for name, weight in discriminator.named_parameters() if weight.requires_grad}
        return Descent(trained, rate, self._settings.betas)

    def checkpoint(self, fingerprint: Mapping[str, Any]) -> Checkpoint:
        """Gather everything.

        Args:
            fingerprint: JSON data that a training must share in order to go on from here.
        """
        parts: dict[str, Mapping[str, Tensor]] = {
            "generator": self._student.generator.state_dict(),
            "average": self.average.tensors,
            "generator_optimizer": self.generator_descent.state(),
            "random": {"cpu": torch.get_rng_state()},
        }
        if self._discriminator is not None and self.discriminator_descent is not None:
            parts["discriminator"] = self._discriminator.state_dict()
            parts["discriminator_optimizer"] = self.discriminator_descent.state()
        if self._device.type == "cuda":
            parts["random"] = {**parts["random"], "cuda": torch.cuda.get_rng_state(self._device)}
        if self.pool is not None and self.pool.images is not None:
            parts["pool"] = {"images": self.pool.images}
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
        parts: dict[str, dict[str, Tensor]] = {}
        for key, tensor in checkpoint.tensors.items():
            part, name = key.split("/", 1)
            parts.setdefault(part, {})[name] = tensor
        self.enter_phase(checkpoint.state["phase"], phases[checkpoint.state["phase"]])
        self._student.generator.load_state_dict(parts["generator"])
        for name, tensor in parts["average"].items():
            self.average.tensors[name].copy_(tensor)
        self.generator_descent.load_state(parts["generator_optimizer"])
        if self._discriminator is not None and self.discriminator_descent is not None:
            self._discriminator.load_state_dict(parts["discriminator"])
            self.discriminator_descent.load_state(parts["discriminator_optimizer"])
        torch.set_rng_state(parts["random"]["cpu"])
        if self._device.type == "cuda" and "cuda" in parts["random"]:
            torch.cuda.set_rng_state(parts["random"]["cuda"], self._device)
        if self.pool is not None and "pool" in parts:
            self.pool.images = parts["pool"]["images"].to(self._device)
        self.window.names = checkpoint.state["window"]
        self.window.rows = list(parts["window"]["rows"].to(self._device)) if "window" in parts else []
        self.step = checkpoint.step
        self.clock = Clock(checkpoint.state["seconds"])


class Clock:
    """Seconds of training, over all processes that took part.

    Args:
        before: seconds that were spent before this process.
    """

    def __init__(self, before: float = 0.0) -> None:
        self._before = before
        self._start = time.perf_counter()

    def seconds(self) -> float:
        """Return the seconds so far."""
        return self._before + time.perf_counter() - self._start
