"""Teachers: the heavy models that a student learns from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from gdp.core.counters import counter_normal
from gdp.core.errors import PluginError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.datasets import Dataset, PictureKind, UnpairedDataset
from gdp.core.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor, nn

Domain = Literal["A", "B"]
"""A domain of an unpaired dataset."""


class Teacher(ABC):
    """A heavy generator, frozen and in evaluation mode.

    Subclass `LatentTeacher` or `TranslatorTeacher`; the constructor gets the validated settings and the context, and
    raises `MissingResourceError` or `CorruptFileError` where weights cannot be had.
    """

    weight_files: ClassVar[Callable[[Any], Sequence[Path]]] = staticmethod(lambda config: ())
    """From the settings, the files that hold the weights; by their hashes a run knows it again without loading it."""
    trains_on: ClassVar[type[Dataset] | type[UnpairedDataset]] = Dataset
    """What `train` needs: a dataset of one domain or of two."""
    trains_together: ClassVar[bool] = False
    """Whether several processes may call `train` at once, each for its part of every batch (`training_group`)."""

    def __init__(self, config: Any, context: BuildContext) -> None:
        self.config = config
        self.context = context

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """sha256 in hexadecimal of the weights: the provenance of every pair that this teacher makes."""

    @property
    @abstractmethod
    def resolution(self) -> int:
        """Height and width of its pictures in pixels."""

    @property
    @abstractmethod
    def module(self) -> nn.Module:
        """The network whose parameters are counted."""

    @property
    def weights_licence(self) -> str | None:
        """Licence of its weights, where the plugin knows it because they come with it; None for those of users."""
        return None

    @property
    def shows(self) -> PictureKind | None:
        """What the pictures that it makes show; None where nobody has said it, as of users' weights."""
        return None

    @property
    def discriminator(self) -> nn.Module | None:
        """The adversary of pictures like those that it makes; None where there is none.

        (N, 3, H, W) in [-1, 1] -> logits of any shape, higher for more real.
        """
        return None

    @abstractmethod
    def example_inputs(self) -> tuple[Any, ...]:
        """Arguments of one forward of `module` for one picture; its MACs are counted with them."""

    @classmethod
    def train(cls, config: Any, images: Any, folder: Path, progress: Progress) -> Path:
        """Train a teacher on pictures and return the file of its weights; resumes what `folder` holds.

        Args:
            config: the `training` settings model of the plugin's record.
            images: the training pictures, of the type `trains_on`.
            folder: where checkpoints, statistics and sample grids go.
            progress: where to report.
        """
        raise TypeError(f"{cls.__name__} registers no training settings and cannot be trained")

    @classmethod
    def require_dataset(cls, name: str, dataset: object) -> None:
        """Make sure that a teacher of this class can be trained on a dataset.

        Args:
            name: of the plugin, for the message.
            dataset: the dataset, or its class.

        Raises:
            PluginError: it has pictures of two domains where those of one are needed, or the other way round.
        """
        kind = dataset if isinstance(dataset, type) else type(dataset)
        if not issubclass(kind, cls.trains_on):
            needed = "two domains" if cls.trains_on is UnpairedDataset else "one domain"
            raise PluginError(
                f"the teacher {name} is trained on pictures of {needed}, and {kind.__name__} holds others; choose "
                f"another [dataset]"
            )

    @classmethod
    def trained_settings(cls, weights: Path) -> Mapping[str, Any]:
        """Return the settings that make a teacher of what `train` returned, to be merged with those of the recipe."""
        return {"weights": weights}

    @classmethod
    def untrained(cls, config: Any, training: Any, context: BuildContext) -> Teacher:
        """Return a teacher as `train` would make it, with random weights: for checking a recipe before the training.

        Args:
            config: the teacher's settings.
            training: the `training` settings.
            context: as of the constructor.
        """
        raise PluginError(f"{cls.__name__} cannot be built before it is trained, so nothing more can be checked")


@dataclass(frozen=True)
class Projection:
    """Latents found for given pictures by backpropagation (the slow route).

    Attributes:
        ws: (N, num_ws, w_dim).
        images: Their synthesis, (N, 3, R, R) in [-1, 1].
        steps: Steps of optimisation that were done.
        distance: What was minimised, in one line, for the protocol.
    """

    ws: Tensor
    images: Tensor
    steps: int
    distance: str


class LatentTeacher(Teacher):
    """A generator z -> w -> picture, with a mapping network before its synthesis."""

    @property
    @abstractmethod
    def z_dim(self) -> int:
        """Size of the normally distributed latent z."""

    @property
    @abstractmethod
    def w_dim(self) -> int:
        """Size of the intermediate latent w."""

    @property
    @abstractmethod
    def num_ws(self) -> int:
        """How many w's the synthesis takes, one for each style input."""

    @abstractmethod
    def map(self, z: Tensor, truncation: float = 1.0, truncation_cutoff: int | None = None) -> Tensor:
        """Map z (N, z_dim) to ws (N, num_ws, w_dim), pulled towards the mean w by `truncation` (psi)."""

    @abstractmethod
    def synthesize(self, ws: Tensor) -> Tensor:
        """Synthesize (N, 3, R, R) float32 in about [-1, 1] from ws (N, num_ws, w_dim) with fixed noise.

        Row i must not depend on the other rows, to the bit where the device allows it.
        """

    @abstractmethod
    def project(self, images: Tensor, steps: int | None, progress: Progress) -> Projection:
        """Find ws whose synthesis looks like `images` (N, 3, R, R) by backpropagation: the slow route.

        Args:
            images: pictures in [-1, 1].
            steps: optimisation steps; None for the teacher's published default.
            progress: reports one unit a step.
        """

    def style_weights(self) -> Sequence[Tensor]:
        """Return for each w that the synthesis takes what it is multiplied by: num_ws tensors (outputs, w_dim).

        The methods that need no labels read them (SeFa); a w that several layers take has all their rows.

        Raises:
            PluginError: the teacher does not show them.
        """
        raise PluginError(f"{type(self).__name__} does not show the weights that its w's are multiplied by")

    def sample_z(self, seed: int, indices: Sequence[int], stream: int = 0) -> Tensor:
        """Draw z (N, z_dim): row k depends on (seed, stream, indices[k]) alone, whatever the batch."""
        import torch

        return torch.stack([counter_normal(self.z_dim, seed, index, stream) for index in indices])


class TranslatorTeacher(Teacher):
    """A translator picture -> picture, from one domain into another."""

    @abstractmethod
    def translate(self, images: Tensor) -> Tensor:
        """Translate (N, 3, H, W) in [-1, 1] to (N, 3, H, W) in [-1, 1], without gradient.

        It must run `module`, whose hidden states losses may watch.
        """

    @property
    def source_domain(self) -> Domain:
        """Which domain of an unpaired dataset holds what it translates."""
        return "A"

    @property
    def opposite(self) -> nn.Module | None:
        """The generator of the way back, (N, 3, H, W) -> (N, 3, H, W) in [-1, 1]; None where there is none."""
        return None

    @property
    def discriminators(self) -> tuple[nn.Module | None, nn.Module | None]:
        """The adversaries that the teacher was trained with, of target-like and of source-like pictures.

        Each judges (N, 3, H, W) in [-1, 1] as a student's discriminator does: for each scale its feature maps, the
        logits last. None where there is none.
        """
        return None, None

    @property
    def discriminator(self) -> nn.Module | None:
        """The adversary of target-like pictures."""
        judge = self.discriminators[0]
        if judge is None:
            return None
        from gdp.core.interfaces.logits import Logits

        return Logits(judge)
