"""Students: the small feed-forward networks and how they are trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from gdp.core.interfaces.context import BuildContext

Discrimination = Sequence[Sequence[Tensor]]
"""What a discriminator returns: for each scale, its feature maps, the logits last."""


@dataclass(frozen=True)
class TrainingPhase:
    """A part of the training in which a fixed set of generator parameters is trained."""

    name: str
    fraction: float
    """Share of all steps, in (0, 1]; the phases' shares sum to 1."""
    trainable: frozenset[str] | None = None
    """Names of generator parameters that are trained; None for all. The optimizer is made anew at each phase."""


class Student(ABC):
    """A generator that maps the source to the target in one forward, and what trains it."""

    def __init__(self, config: Any, context: BuildContext) -> None:
        self.config = config
        self.context = context

    @property
    @abstractmethod
    def generator(self) -> nn.Module:
        """The network that is shipped: (N, C, H, W) in [-1, 1] -> (N, 3, H, W) in [-1, 1]."""

    @property
    def discriminator(self) -> nn.Module | None:
        """The adversary, trained beside the generator; None where there is none."""
        return None

    def discriminate(self, source: Tensor, image: Tensor) -> Discrimination:
        """Run the discriminator on a picture (N, 3, H, W) given its source (N, C, H, W)."""
        raise TypeError(f"{type(self).__name__} has no discriminator: take the adversarial losses out of the recipe")

    @property
    def phases(self) -> Sequence[TrainingPhase]:
        """The training's phases in order."""
        return (TrainingPhase("all", 1.0),)

    def generate_in_phase(self, phase: TrainingPhase, source: Tensor) -> Tensor:
        """Run the generator as `phase` trains it (a part of it, say)."""
        prediction: Tensor = self.generator(source)
        return prediction

    def phase_downscale(self, phase: TrainingPhase) -> int:
        """How many times smaller pictures are in this phase (an enhancer's global part trains at half size)."""
        return 1
