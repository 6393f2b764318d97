"""Losses: weighted terms of the student's objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from gdp.core.errors import TrainingError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.students import Discrimination
from gdp.core.interfaces.teachers import Teacher

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass
class TrainingStep:
    """What one step of training offers to the losses. Networks run only if a loss asks for what they make.

    With a way back (`Student.opposite`) there are two steps in one, each the other's `opposite`: source to target, and
    target to source, whose sources are real pictures of the target's domain.

    Attributes:
        source: (N, C, H, W) in [-1, 1].
        generate: Runs the generator of this way on any pictures (N, C, H, W), with gradient where the generator trains.
        discriminate_frozen: Runs the discriminator on a picture without gradient to its parameters.
        discriminate: Runs the discriminator on a picture with gradient to its parameters.
        make_prediction: Runs the generator on the source; losses use `prediction`.
        make_target: Gives what the teacher made or makes of the source; losses use `target`.
        unpaired: (N, 3, H, W), real pictures of the target's domain that belong to no pair; None where there are none.
        adversarial: Whether this way's generator trains and plays against a discriminator.
        generator_trains: Whether this step updates the generator.
        discriminator_trains: Whether this step updates the discriminator.
        conditional: Whether the discriminator judges a picture together with its source.
        detached: What the discriminator sees of a prediction: detached, possibly drawn from an image pool.
        kept_of_student: Filled when the prediction is made; losses use `student_hidden`.
        kept_of_teacher: Filled when the target is made; losses use `teacher_hidden`.
        opposite: The other way; None where the student has no way back or there are no unpaired pictures.
    """

    source: Tensor
    generate: Callable[[Tensor], Tensor]
    discriminate_frozen: Callable[[Tensor], Discrimination]
    discriminate: Callable[[Tensor], Discrimination]
    make_prediction: Callable[[], Tensor]
    make_target: Callable[[], Tensor] | None = None
    unpaired: Tensor | None = None
    adversarial: bool = True
    generator_trains: bool = True
    discriminator_trains: bool = True
    conditional: bool = True
    detached: Callable[[Tensor], Tensor] = field(default=lambda prediction: prediction.detach())
    kept_of_student: Mapping[str, Tensor] = field(default_factory=dict)
    kept_of_teacher: Mapping[str, Tensor] = field(default_factory=dict)
    opposite: TrainingStep | None = None

    @cached_property
    def prediction(self) -> Tensor:
        """(N, 3, H, W): what the generator makes of the source, with gradient."""
        return self.make_prediction()

    @cached_property
    def target(self) -> Tensor:
        """(N, 3, H, W) in [-1, 1]: what the teacher makes of the source."""
        if self.make_target is None:
            raise TrainingError("a loss asks for the teacher's picture, and nobody teaches in this training")
        return self.make_target()

    @cached_property
    def student_hidden(self) -> Mapping[str, Tensor]:
        """Outputs of the generator's modules that a loss watches, by path, for `prediction`."""
        _ = self.prediction  # the generator must have run
        return self.kept_of_student

    @cached_property
    def teacher_hidden(self) -> Mapping[str, Tensor]:
        """Outputs of the teacher's modules that a loss watches, by path, for `target`; without gradient."""
        _ = self.target  # the teacher must have run
        return self.kept_of_teacher

    @property
    def real_picture(self) -> Tensor:
        """(N, 3, H, W): the unpaired real pictures of the target's domain, or else what the teacher made."""
        return self.target if self.unpaired is None else self.unpaired

    @cached_property
    def fake(self) -> Discrimination:
        """The discriminator on the prediction, for the generator's losses."""
        return self.discriminate_frozen(self.prediction)

    @cached_property
    def real(self) -> Discrimination:
        """The discriminator on what it takes for real, for its own losses; detach it in generator losses.

        That is the target where the discriminator sees the source, too; else the real picture.
        """
        return self.discriminate(self.target if self.conditional else self.real_picture)

    @cached_property
    def fake_detached(self) -> Discrimination:
        """The discriminator on the detached prediction, for the discriminator's losses."""
        return self.discriminate(self.detached(self.prediction))

    @property
    def ways(self) -> Sequence[TrainingStep]:
        """This step and its opposite, where there is one."""
        return (self,) if self.opposite is None else (self, self.opposite)

    @property
    def players(self) -> Sequence[TrainingStep]:
        """The ways whose generator trains and plays against a discriminator."""
        return [way for way in self.ways if way.adversarial]


@dataclass(frozen=True)
class Watched:
    """Modules whose outputs a loss wants to see, by their path in the generator and in the teacher's module.

    Attributes:
        student: Paths of the student's modules, as `generator.named_modules()` names them.
        teacher: Paths of the teacher's modules, one for each of the student's.
    """

    student: Sequence[str] = ()
    teacher: Sequence[str] = ()


class Loss(ABC):
    """One term. The recipe's `weight` is applied by the trainer, not here."""

    adversarial: ClassVar[bool] = False
    """True if the term needs a discriminator."""
    needs_opposite: ClassVar[bool] = False
    """True if the term needs the student's way back and unpaired pictures."""

    def __init__(self, config: Any, context: BuildContext) -> None:
        self.config = config
        self.context = context

    def watch(self, generator: nn.Module, teacher: Teacher | None) -> Watched:
        """Choose the modules whose outputs this loss wants to see; called once, before the training.

        Args:
            generator: the student's.
            teacher: None where the recipe has none.

        Raises:
            GdpError: this loss does not fit these networks.
        """
        return Watched()

    def fit(self, student_hidden: Mapping[str, Tensor], teacher_hidden: Mapping[str, Tensor]) -> nn.Module | None:
        """Look at the hidden states of a dry forward of one picture, by path, and check them.

        Returns:
            A network of this loss's own that is trained beside the generator (adapters); None where it needs none.

        Raises:
            ShapeError: they do not fit together.
        """
        return None

    @abstractmethod
    def generator(self, step: TrainingStep) -> Tensor:
        """Return the generators' term, a scalar."""

    def discriminator(self, step: TrainingStep) -> Tensor | None:
        """Return the discriminators' term, a scalar; None where this loss trains none."""
        return None
