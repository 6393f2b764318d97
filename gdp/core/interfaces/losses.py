"""Losses: weighted terms of the student's objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from torch import Tensor

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.students import Discrimination


@dataclass
class TrainingStep:
    """What one step of training offers to the losses; the discriminator runs only if a loss asks for it."""

    source: Tensor
    """(N, C, H, W) in [-1, 1]."""
    target: Tensor
    """(N, 3, H, W) in [-1, 1]: what the teacher made."""
    prediction: Tensor
    """(N, 3, H, W): what the student makes, with gradient."""
    discriminate_frozen: Callable[[Tensor], Discrimination]
    """Runs the discriminator on a picture without gradient to its parameters."""
    discriminate: Callable[[Tensor], Discrimination]
    """Runs the discriminator on a picture with gradient to its parameters."""
    detached: Callable[[Tensor], Tensor] = field(default=Tensor.detach)
    """What the discriminator sees of a prediction: detached, possibly drawn from an image pool."""

    @cached_property
    def fake(self) -> Discrimination:
        """The discriminator on the prediction, for the generator's losses."""
        return self.discriminate_frozen(self.prediction)

    @cached_property
    def real(self) -> Discrimination:
        """The discriminator on the target, for the discriminator's losses; detach it in generator losses."""
        return self.discriminate(self.target)

    @cached_property
    def fake_detached(self) -> Discrimination:
        """The discriminator on the detached prediction, for the discriminator's losses."""
        return self.discriminate(self.detached(self.prediction))


class Loss(ABC):
    """One term. The recipe's `weight` is applied by the trainer, not here."""

    adversarial: ClassVar[bool] = False
    """True if the term needs a discriminator."""

    def __init__(self, config: Any, context: BuildContext) -> None:
        self.config = config
        self.context = context

    @abstractmethod
    def generator(self, step: TrainingStep) -> Tensor:
        """Return the generator's term, a scalar."""

    def discriminator(self, step: TrainingStep) -> Tensor | None:
        """Return the discriminator's term, a scalar; None where this loss trains none."""
        return None
