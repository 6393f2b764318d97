"""Settings of the StyleGAN2 teacher; imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gdp.core.config import Config
from gdp.core.progress import Progress
from gdp.support.assets import packaged_asset
from gdp.support.weights import WeightsAddress, check_weights, weights_file

BuiltinWeights = Literal["builtin:faces64"]
"""Weights that come with the package."""


def _weights_file(weights: str | Path) -> str | Path:
    if isinstance(weights, Path) and str(weights).startswith("builtin:"):
        raise ValueError("no such built-in weights; there is builtin:faces64")
    return weights if isinstance(weights, str) and weights.startswith("builtin:") else check_weights(weights)


Weights = Annotated[BuiltinWeights | WeightsAddress | Path, AfterValidator(_weights_file)]
"""`builtin:faces64`, or the path of a .safetensors file with the state-dict names of stylegan2-ada-pytorch, or its
https address that ends in `#sha256=` and 64 hexadecimal digits."""


class StyleGAN2Config(Config):
    """Settings of the teacher `stylegan2`."""

    weights: Weights = "builtin:faces64"
    """`builtin:faces64`; the path of a .safetensors file, such as `gdp convert` writes of NVIDIA's and rosinality's; or
    its https address that ends in `#sha256=` and 64 hexadecimal digits."""
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    """What the weights' file must hash to, 64 hexadecimal digits; left out, any file will do."""
    discriminator: Weights | None = None
    """The discriminator that the weights were trained with, for judging pictures: `builtin:faces64`, or the path of a
    .safetensors file in the same layout. Left out, the built-in one for built-in weights, else the file
    NAME.discriminator.safetensors or discriminator.safetensors beside the weights NAME.safetensors, if it is there."""
    projection_vgg19: Path | None = None
    """VGG19's ImageNet weights (.safetensors, or torchvision's .pth) for the feature distance of projections; left out,
    a multi-scale distance that needs no weights."""

    @property
    def weights_are_builtin(self) -> bool:
        """Whether the weights come with the package."""
        return isinstance(self.weights, str) and self.weights.startswith("builtin:")


DISCRIMINATOR_FILE = "discriminator.safetensors"
"""What a training writes beside the generator's weights; behind their name and a dot, what `gdp convert` writes."""


def weights_path(weights: str | Path, progress: Progress | None = None) -> Path:
    """Return the file that a setting names, downloaded where it is an address.

    Raises:
        MissingResourceError: it is not there.
        CorruptFileError: what the address gives has another hash.
    """
    if isinstance(weights, str) and weights.startswith("builtin:"):
        return _asset(f"{weights.removeprefix('builtin:')}.safetensors")
    return weights_file(weights, progress, setting="teacher.weights")


def discriminator_path(config: StyleGAN2Config, progress: Progress | None = None) -> Path | None:
    """Return the file of the discriminator that belongs to the weights; None where there is none.

    Raises:
        MissingResourceError: the settings name a file that is not there.
        CorruptFileError: what the address gives has another hash.
    """
    given = config.discriminator
    if given is None and isinstance(config.weights, Path):
        own = config.weights.with_name(f"{config.weights.stem}.{DISCRIMINATOR_FILE}")
        return next((file for file in (own, config.weights.with_name(DISCRIMINATOR_FILE)) if file.is_file()), None)
    if given is None and not config.weights_are_builtin:
        return None
    if given is None or (isinstance(given, str) and given.startswith("builtin:")):
        return _asset("faces64-discriminator.safetensors")
    return weights_file(given, progress, setting="teacher.discriminator")


def _asset(name: str) -> Path:
    mend = "train them with `gdp train-teacher recipes/train_faces64.toml`"
    return packaged_asset("gdp.plugins.stylegan2", name, mend)
