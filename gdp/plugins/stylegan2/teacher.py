"""`stylegan2`: a StyleGAN2 generator as the teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from gdp import (
    BuildContext,
    CorruptFileError,
    Dataset,
    LatentTeacher,
    PictureKind,
    Progress,
    Projection,
    ShapeError,
)
from gdp.plugins.stylegan2 import StyleGAN2Config, TrainingSettings, discriminator_path, weights_path
from gdp.plugins.stylegan2.layers import SynthesisLayer, ToRgbLayer
from gdp.plugins.stylegan2.loading import load_discriminator, load_generator
from gdp.plugins.stylegan2.networks import Discriminator, Generator, SynthesisBlock, judge_alone
from gdp.toolbox import file_sha256, in_fixed_chunks

_MAPPING_CHUNK = 64
"""Rows that go through the network at once, never more nor fewer, so that pictures do not depend on the batch."""
_SYNTHESIS_CHUNK, _SYNTHESIS_PIXELS = 4, 4 * 256 * 256
"""Pictures, and pixels in them, that are synthesized together: by their size alone, for their bits depend on it."""

_DEVIATION_SAMPLES = 16
"""Samples over which the discriminator's standard deviation is taken once and for all; four groups of four."""

FACES64 = PictureKind(
    "faces as gdp's renderer draws them, upright in the middle", "face", "faces64", "landmarks:builtin:faces64"
)
"""What the built-in weights make."""


def _weight_files(config: StyleGAN2Config) -> Sequence[Path]:
    return (weights_path(config.weights),)


class StyleGAN2Teacher(LatentTeacher):
    """A frozen StyleGAN2 generator of any power-of-two size and width; no class labels.

    Pictures have the stored ("const") noise. A row's bits are the same whatever the batch: the networks always see
    chunks of one size (see `in_fixed_chunks`), in float32.

    Raises:
        MissingResourceError: the weights are not there.
        CorruptFileError: they are no such generator, or their sha256 is not the one that the settings ask for.
    """

    weight_files: ClassVar[Callable[[Any], Sequence[Path]]] = staticmethod(_weight_files)
    trains_together = True

    def __init__(self, config: StyleGAN2Config, context: BuildContext) -> None:
        super().__init__(config, context)
        path = weights_path(config.weights, context.progress)
        self._fingerprint = file_sha256(path)
        if config.sha256 not in (None, self._fingerprint):
            raise CorruptFileError(
                f"{path}: its sha256 is {self._fingerprint}, and the recipe asks for {config.sha256}. "
                "Get the right file, or mend teacher.sha256."
            )
        self._generator = load_generator(path).to(context.device)

    @property
    def fingerprint(self) -> str:
        """sha256 of the weights' file."""
        return self._fingerprint

    @property
    def resolution(self) -> int:
        """Height and width of the pictures in pixels."""
        return self._generator.resolution

    @property
    def weights_licence(self) -> str | None:
        """Of built-in weights; others are the user's."""
        return "Apache-2.0" if self.config.weights_are_builtin else None

    @property
    def shows(self) -> PictureKind | None:
        """What the built-in weights make; others may make anything."""
        return FACES64 if self.config.weights_are_builtin else None

    @property
    def z_dim(self) -> int:
        """Size of z."""
        return self._generator.z_dim

    @property
    def w_dim(self) -> int:
        """Size of w."""
        return self._generator.w_dim

    @property
    def num_ws(self) -> int:
        """How many w's the synthesis takes."""
        return self._generator.num_ws

    @property
    def module(self) -> Generator:
        """The generator, mapping and synthesis."""
        return self._generator

    @cached_property
    def discriminator(self) -> Discriminator | None:
        """The adversary it was trained with, (N, 3, R, R) -> (N, 1); every picture is judged by itself.

        Raises:
            MissingResourceError: the settings name a file that is not there.
            CorruptFileError: the file holds no such discriminator.
            ShapeError: it judges pictures of another size than the generator's.
        """
        path = discriminator_path(self.config, self.context.progress)
        if path is None:
            return None
        found = load_discriminator(path).to(self.context.device)
        if found.resolution != self.resolution:
            raise ShapeError(
                f"{path}: this discriminator judges pictures of {found.resolution} px and the teacher makes "
                f"{self.resolution} px. Name the one that the weights were trained with as teacher.discriminator."
            )
        judge_alone(found, self.synthesize(self.map(self.sample_z(0, range(_DEVIATION_SAMPLES)))))
        return found

    def example_inputs(self) -> tuple[Any, ...]:
        """One z, (1, z_dim)."""
        return (torch.zeros(1, self.z_dim, device=self.context.device),)

    @torch.no_grad()
    def map(self, z: Tensor, truncation: float = 1.0, truncation_cutoff: int | None = None) -> Tensor:
        """Map z (N, z_dim) to ws (N, num_ws, w_dim), pulled towards the mean w by `truncation` (psi)."""
        run = partial(self._generator.mapping, truncation_psi=truncation, truncation_cutoff=truncation_cutoff)
        return in_fixed_chunks(run, z.to(self.context.device), _MAPPING_CHUNK)

    @torch.no_grad()
    def synthesize(self, ws: Tensor) -> Tensor:
        """Synthesize (N, 3, R, R) float32 in about [-1, 1] from ws (N, num_ws, w_dim) with the stored noise."""
        run = partial(self._generator.synthesis, noise_mode="const")
        chunk = max(1, min(_SYNTHESIS_CHUNK, _SYNTHESIS_PIXELS // self.resolution**2))
        return in_fixed_chunks(run, ws.to(self.context.device), chunk)

    def style_weights(self) -> Sequence[Tensor]:
        """Return each w's style weights (in_channels, w_dim): those of its convolution, of the last w its picture's.

        The other pictures' weights are left out, as in SeFa: they follow the same w's as a convolution.
        """
        layers: list[SynthesisLayer | ToRgbLayer] = []
        pictures: list[ToRgbLayer] = []
        for size in self._generator.synthesis.resolutions:
            block = self._generator.synthesis.get_submodule(f"b{size}")
            assert isinstance(block, SynthesisBlock)
            layers += [block.conv1] if block.is_first else [block.conv0, block.conv1]
            pictures.append(block.torgb)
        layers.append(pictures[-1])
        return [layer.affine.weight.detach() * layer.affine.weight_gain for layer in layers]

    def project(self, images: Tensor, steps: int | None, progress: Progress) -> Projection:
        """Find ws by the official projector's backpropagation; `steps` None is its 1000."""
        from gdp.plugins.stylegan2.projection import VGG_DISTANCE, project, vgg_features

        images = images.to(self.context.device)
        if self.config.projection_vgg19 is None:
            return project(self._generator, images, steps, progress)
        features = vgg_features(self.config.projection_vgg19, self.context.device)
        return project(self._generator, images, steps, progress, features, VGG_DISTANCE)

    @classmethod
    def train(cls, config: TrainingSettings, images: Dataset, folder: Path, progress: Progress) -> Path:
        """Train a generator on pictures; returns the file of its averaged weights, goes on from what `folder` holds."""
        from gdp.plugins.stylegan2.training import train

        return train(images, config, folder, progress)
