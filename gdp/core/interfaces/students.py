"""Students: the small feed-forward networks and how they are trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from gdp.core.errors import PluginError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.teachers import Teacher

if TYPE_CHECKING:
    from torch import Tensor, nn

Discrimination: TypeAlias = "Sequence[Sequence[Tensor]]"
"""What a discriminator returns: for each scale, its feature maps, the logits last."""


@dataclass(frozen=True)
class TrainingPhase:
    """A part of the training in which a fixed set of generator parameters is trained.

    Attributes:
        name: What statistics call it.
        fraction: Share of all steps, in (0, 1]; the phases' shares sum to 1.
        trainable: Names of generator parameters that are trained; None for all. The optimizer is made anew at each
            phase.
    """

    name: str
    fraction: float
    trainable: frozenset[str] | None = None


@dataclass(frozen=True)
class Opposite:
    """The way back, from the target's domain to the source's: it makes cycle consistency possible.

    It takes part in the student's training, where it learns itself or stays as it is, and is not shipped.

    Attributes:
        generator: (N, 3, H, W) of the target's domain -> (N, 3, H, W) of the source's domain, in [-1, 1].
        discriminator: Judges pictures of the source's domain, alone; None where the generator has no adversary.
        trains: Whether the generator keeps training; a frozen one only serves the student's cycle.
    """

    generator: nn.Module
    discriminator: nn.Module | None = None
    trains: bool = True


@dataclass(frozen=True)
class PrunedStudent:
    """What is left of a student after pruning, or what it becomes when it adopts its teacher's network.

    The plugin's settings need a `weights: Path | None`, a .safetensors file of the generator to begin training with:
    `gdp prune` writes the weights there.

    Attributes:
        settings: Settings of the student's plugin that change, such as its widths, as JSON data.
        weights: State dict of the generator that the changed settings build.
        channels: Part of the network to its channels before and after, for people to look at.
    """

    settings: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    channels: Mapping[str, tuple[int, int]] = field(default_factory=dict)


class Student(ABC):
    """A generator that maps the source to the target in one forward, and what trains it."""

    conditional: ClassVar[bool] = True
    """Whether the discriminator judges a picture together with its source; if not, it is shown real pictures of the
    target's domain where the pair source has some, instead of what the teacher made."""

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

    @property
    def discriminator_trains(self) -> bool:
        """Whether the discriminators keep training; frozen ones still judge."""
        return True

    def discriminate(self, source: Tensor, image: Tensor) -> Discrimination:
        """Run the discriminator on a picture (N, 3, H, W) given its source (N, C, H, W)."""
        raise TypeError(f"{type(self).__name__} has no discriminator: take the adversarial losses out of the recipe")

    @property
    def opposite(self) -> Opposite | None:
        """The way back from target to source; None where no loss is to need it."""
        return None

    def discriminate_opposite(self, image: Tensor) -> Discrimination:
        """Run the opposite's discriminator on a picture (N, 3, H, W) of the source's domain."""
        raise TypeError(f"{type(self).__name__} has no way back: take the losses that need one out of the recipe")

    def initialise(self, teacher: Teacher | None) -> Mapping[str, Any]:
        """Get ready to be trained: take over weights of the teacher, say. Called once, before the first step.

        A trained student is built without this call, and without a teacher.

        Returns:
            What was done, as JSON data for the stage's summary and the report. A text called `warning` is told to the
            user before the training begins, and by a dry run.

        Raises:
            GdpError: the settings ask for something that this teacher has not.
        """
        return {}

    def pruned(self, macs: float, example: Tensor) -> PrunedStudent:
        """Return a smaller network of the same kind: whole channels, the least important, are taken out.

        Args:
            macs: share of the multiply-accumulates to keep, in (0, 1).
            example: a source (1, C, H, W) at which multiply-accumulates are counted.

        Raises:
            PluginError: this kind of student cannot be pruned.
            ShapeError: so small a network cannot be made.
        """
        raise PluginError(
            f"{type(self).__name__} cannot be pruned: it does not say which of its channels depend on each "
            f"other. Train a narrower one (student.width), or one that can (the built-in resnet)"
        )

    def adopt(self, teacher: Teacher) -> PrunedStudent:
        """Return what makes a student of this kind the teacher's own network, whole, so that it can be pruned.

        Args:
            teacher: the run's; its network is left as it is.

        Raises:
            PluginError: this kind of student cannot hold that network.
        """
        raise PluginError(
            f"{type(self).__name__} cannot hold its teacher's network: choose a student that can, or prune the student"
        )

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
