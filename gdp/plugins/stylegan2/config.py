"""Settings of the StyleGAN2 teacher; imports no torch."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gdp.core.config import Config
from gdp.core.errors import MissingResourceError

BuiltinWeights = Literal["builtin:faces64"]
"""Weights that come with the package."""


def _weights_file(weights: BuiltinWeights | Path) -> BuiltinWeights | Path:
    if isinstance(weights, str) or weights.suffix == ".safetensors":
        return weights
    if str(weights).startswith("builtin:"):
        raise ValueError("no such built-in weights; there is builtin:faces64")
    if str(weights).startswith(("http:", "https:")):
        raise ValueError("give the path of a .safetensors file on this machine: download it first")
    if weights.suffix in (".pkl", ".pt", ".pth", ".ckpt"):
        raise ValueError(
            f"only converted .safetensors files are accepted: to read a {weights.suffix} file can run code in it"
        )
    raise ValueError("weights are builtin:faces64 or the path of a .safetensors file")


Weights = Annotated[BuiltinWeights | Path, AfterValidator(_weights_file)]
"""`builtin:faces64`, or the path of a .safetensors file with the state-dict names of stylegan2-ada-pytorch."""


class StyleGAN2Config(Config):
    """Settings of the teacher `stylegan2`."""

    weights: Weights = "builtin:faces64"
    """`builtin:faces64`, or the path of a .safetensors file with the state-dict names of stylegan2-ada-pytorch."""
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    """What the weights' file must hash to, 64 hexadecimal digits; left out, any file will do."""
    discriminator: Weights | None = None
    """The discriminator that the weights were trained with, for judging pictures: `builtin:faces64`, or the path of a
    .safetensors file in the same layout. Left out, the built-in one for built-in weights, else the file
    discriminator.safetensors beside the weights, if it is there."""
    projection_vgg19: Path | None = None
    """VGG19's ImageNet weights (.safetensors, or torchvision's .pth) for the feature distance of projections; left out,
    a multi-scale distance that needs no weights."""


DISCRIMINATOR_FILE = "discriminator.safetensors"
"""What a training writes beside the generator's weights."""


def weights_path(weights: BuiltinWeights | Path) -> Path:
    """Return the file that a setting names.

    Raises:
        MissingResourceError: it is not there.
    """
    if isinstance(weights, Path):
        if not weights.is_file():
            raise MissingResourceError(f"{weights}: there are no such weights. Mend teacher.weights in the recipe.")
        return weights
    return _asset(f"{weights.removeprefix('builtin:')}.safetensors")


def discriminator_path(config: StyleGAN2Config) -> Path | None:
    """Return the file of the discriminator that belongs to the weights; None where there is none.

    Raises:
        MissingResourceError: the settings name a file that is not there.
    """
    given = config.discriminator
    if isinstance(given, Path):
        if not given.is_file():
            raise MissingResourceError(
                f"{given}: there is no such discriminator. Mend teacher.discriminator in the recipe."
            )
        return given
    if given is None and isinstance(config.weights, Path):
        beside = config.weights.with_name(DISCRIMINATOR_FILE)
        return beside if beside.is_file() else None
    return _asset("faces64-discriminator.safetensors")


def _asset(name: str) -> Path:
    path = Path(str(resources.files("gdp.plugins.stylegan2") / "assets" / name))
    if not path.is_file():
        raise MissingResourceError(
            f"{path}: the built-in weights are not there. Install gdp again, or train them with "
            "`gdp train-teacher recipes/train_faces64.toml`."
        )
    return path
