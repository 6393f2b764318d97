"""`cyclegan`: a generator of unpaired translation as the teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gdp import BuildContext, Dataset, Domain, Progress, TranslatorTeacher, UnpairedDataset
from gdp.plugins.cyclegan import CycleGANConfig, CycleGANTraining, weights_path
from gdp.plugins.cyclegan.bundle import Networks, files, fingerprint, load_networks, untrained_networks

DEFAULT_RESOLUTION = 256


class CycleGANTeacher(TranslatorTeacher):
    """A frozen CycleGAN generator of any width, number of blocks and upsampling, which its tensors tell.

    Raises:
        MissingResourceError: the weights are not there.
        CorruptFileError: they are damaged, or no CycleGAN's.
    """

    config: CycleGANConfig
    weight_files: ClassVar[Callable[[Any], Sequence[Path]]] = staticmethod(files)
    trains_on: ClassVar[type[Dataset] | type[UnpairedDataset]] = UnpairedDataset
    trains_together = True

    def __init__(self, config: CycleGANConfig, context: BuildContext, networks: Networks | None = None) -> None:
        super().__init__(config, context)
        if networks is None:
            weights_path(config.weights, context.progress)  # shows a download, which all later calls find done
        self._networks = networks or load_networks(config)
        self._fingerprint = fingerprint(config) if networks is None else "untrained"
        self._resolution = DEFAULT_RESOLUTION if context.dataset is None else context.dataset.resolution
        for network in (self._networks.generator, self._networks.opposite):
            if network is not None:
                network.to(context.device).to(memory_format=torch.channels_last)

    @property
    def fingerprint(self) -> str:
        """sha256 over the weights' files, the direction and the treatment of running statistics."""
        return self._fingerprint

    @property
    def weights_licence(self) -> str | None:
        """Of built-in weights; others are the user's."""
        return "Apache-2.0" if str(self.config.weights).startswith("builtin:") else None

    @property
    def resolution(self) -> int:
        """Height and width of the recipe's pictures; the network takes any multiple of 4."""
        return self._resolution

    @property
    def module(self) -> nn.Module:
        """The generator that teaches."""
        return self._networks.generator

    def example_inputs(self) -> tuple[Tensor]:
        """Return one grey picture."""
        picture = torch.zeros(1, 3, self._resolution, self._resolution, device=self.context.device)
        return (picture.contiguous(memory_format=torch.channels_last),)

    @property
    def source_domain(self) -> Domain:
        """A, or B where the generator of the way back teaches."""
        return "A" if self.config.direction == "AtoB" else "B"

    @torch.no_grad()
    def translate(self, images: Tensor) -> Tensor:
        """Translate (N, 3, H, W) in [-1, 1] to (N, 3, H, W) in [-1, 1].

        Raises:
            ShapeError: H or W is no multiple of 4.
        """
        images = images.to(self.context.device).contiguous(memory_format=torch.channels_last)
        translated: Tensor = self._networks.generator(images)
        return translated

    @property
    def opposite(self) -> nn.Module | None:
        """The generator of the other direction, where the weights hold it."""
        return self._networks.opposite

    @property
    def discriminators(self) -> tuple[nn.Module | None, nn.Module | None]:
        """The discriminators of target-like and of source-like pictures, where the weights hold them."""
        return self._networks.discriminator, self._networks.opposite_discriminator

    @classmethod
    def train(cls, config: CycleGANTraining, images: UnpairedDataset, folder: Path, progress: Progress) -> Path:
        """Train both generators and both discriminators; see `gdp.plugins.cyclegan.training`."""
        from gdp.plugins.cyclegan.training import train

        return train(config, images, folder, progress)

    @classmethod
    def untrained(cls, config: CycleGANConfig, training: CycleGANTraining, context: BuildContext) -> CycleGANTeacher:
        """Return a teacher of the architecture that the training will give."""
        return cls(config, context, untrained_networks(training))
