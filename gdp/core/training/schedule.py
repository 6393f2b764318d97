"""How many steps there are, which phase a step belongs to, and the learning rate of each step."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gdp.core.errors import TrainingError
from gdp.core.interfaces.students import TrainingPhase
from gdp.core.recipe.sections import TrainSection


def total_steps(settings: TrainSection, pairs: int) -> int:
    """Return the number of training steps for so many training pairs."""
    if settings.steps is not None:
        return settings.steps
    assert settings.epochs is not None
    return max(1, math.ceil(settings.epochs * pairs / settings.batch))


def learning_rate_factor(settings: TrainSection, step: int, steps: int) -> float:
    """Return the factor of the learning rate in step number `step` (from 0) of `steps`, in (0, 1].

    The linear fall is CycleGAN's and pix2pixHD's, 1 - max(0, t + 1 - n) / (n_decay + 1), with steps for epochs: it
    would reach 0 one step after the last.
    """
    warmup = min(1.0, (step + 1) / (settings.warmup_steps + 1))
    start = settings.decay_from * steps
    progress = max(0.0, step + 1 - start) / (steps - start + 1)
    match settings.schedule:
        case "constant":
            return warmup
        case "linear":
            return warmup * (1 - progress)
        case "cosine":
            return warmup * (1 + math.cos(math.pi * progress)) / 2


def phase_ends(phases: Sequence[TrainingPhase], steps: int) -> list[int]:
    """Return for each phase the step that it ends before; the last is `steps`.

    Raises:
        TrainingError: the phases' shares do not sum to 1.
    """
    shares = [sum(phase.fraction for phase in phases[: number + 1]) for number in range(len(phases))]
    if not shares or not math.isclose(shares[-1], 1.0, abs_tol=1e-6):
        named = ", ".join(f"{phase.name} {phase.fraction:g}" for phase in phases) or "none"
        raise TrainingError(f"the shares of the student's training phases ({named}) do not sum to 1")
    return [round(share * steps) for share in shares[:-1]] + [steps]
