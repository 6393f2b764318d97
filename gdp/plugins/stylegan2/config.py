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
    projection_vgg19: Path | None = None
    """VGG19's ImageNet weights (.safetensors, or torchvision's .pth) for the feature distance of projections; left out,
    a multi-scale distance that needs no weights."""


def weights_path(weights: BuiltinWeights | Path) -> Path:
    """Return the file that a setting names.

    Raises:
        MissingResourceError: it is not there.
    """
    if isinstance(weights, Path):
        if not weights.is_file():
            raise MissingResourceError(f"{weights}: there are no such weights. Mend teacher.weights in the recipe.")
        return weights
    name = f"{weights.removeprefix('builtin:')}.safetensors"
    path = Path(str(resources.files("gdp.plugins.stylegan2") / "assets" / name))
    if not path.is_file():
        raise MissingResourceError(
            f"{path}: the built-in weights are not there. Install gdp again, or train them with "
            "`gdp train-teacher recipes/train_faces64.toml`."
        )
    return path
