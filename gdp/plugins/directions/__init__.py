"""Directions in a teacher's latent space w: how settings name them, and the methods that find them.

How settings name a direction, and the settings of the methods that find one; imports no torch.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gdp import Config, MissingResourceError, Needs, Register, RegisterConverter, hookimpl
from gdp.toolbox import packaged_asset

BuiltinDirection = Literal["builtin:age", "builtin:smile", "builtin:glasses"]
"""Directions of the embedded teacher `builtin:faces64` that come with the package."""

_FILE = re.compile(r"(?P<path>.+\.(?:safetensors|npy|pt))(?:#(?P<component>\d{1,6}))?")


def _direction_file(spec: BuiltinDirection | Path) -> BuiltinDirection | Path:
    if isinstance(spec, str):
        return spec
    if str(spec).startswith("builtin:"):
        raise ValueError("no such built-in direction; there are builtin:age, builtin:smile and builtin:glasses")
    if not _FILE.fullmatch(str(spec)):
        raise ValueError(
            "a direction is builtin:age, a .safetensors file made by gdp, a .npy or a .pt file; "
            "of GANSpace's components name one, such as ffhq_pca.pt#3"
        )
    return spec


DirectionFile = Annotated[BuiltinDirection | Path, AfterValidator(_direction_file)]
"""`builtin:age`, or the path of a `.safetensors` file made by gdp or of a public `.npy` or `.pt` file."""

Layers = tuple[Annotated[int, Field(ge=0)], ...] | Literal["all"] | None
"""Numbers of w's counted from 0 (the coarsest), `all`, or None for those that the direction's file names."""


class DirectionStep(Config):
    """One direction and how far to go along it."""

    direction: DirectionFile
    """`builtin:age`, or the path of a .safetensors file made by gdp or of a public .npy or .pt file; of GANSpace's
    components one, such as `ffhq_pca.pt#3`."""
    strength: float
    """How far, in standard deviations of the direction's score over the teacher's samples; negative goes back."""
    layers: Layers = None
    """Numbers of the w's that are moved, from 0 (coarsest), or "all"; left out, those that the file names."""


class ClassMeansConfig(Config):
    """Settings of `class-means`."""

    share: float = Field(default=0.2, gt=0.0, le=0.5)
    """Share of the samples in each class: those with the highest, and those with the lowest scores."""


class LogisticRegressionConfig(Config):
    """Settings of `logistic-regression`."""

    share: float = Field(default=0.2, gt=0.0, le=0.5)
    """Share of the samples in each class: those with the highest, and those with the lowest scores."""
    inverse_regularisation: float = Field(default=0.01, gt=0.0)
    """scikit-learn's C, for w's divided by their root mean square deviation: small keeps to where w varies."""


class LinearSvmConfig(Config):
    """Settings of `linear-svm`."""

    share: float = Field(default=0.1, gt=0.0, le=0.5)
    """Share of the samples in each class: those with the highest, and those with the lowest scores. InterFaceGAN takes
    0.02 of 500,000; of few samples take more."""
    inverse_regularisation: float = Field(default=0.01, gt=0.0)
    """scikit-learn's C, for w's divided by their root mean square deviation: small keeps to where w varies."""


class RidgeConfig(Config):
    """Settings of `ridge`."""

    penalty: float = Field(default=0.3, gt=0.0)
    """Penalty on the squared norm, as a multiple of the mean variance of w's numbers: large keeps to where w varies."""


class PrincipalComponentsConfig(Config):
    """Settings of `pca`."""


class SefaConfig(Config):
    """Settings of `sefa`."""


def split_component(spec: Path) -> tuple[Path, int | None]:
    """Part `ffhq_pca.pt#3` into the file and the number of the component; None where there is none."""
    parts = _FILE.fullmatch(str(spec))
    if parts is None or parts["component"] is None:
        return spec, None
    return Path(parts["path"]), int(parts["component"])


def direction_path(spec: BuiltinDirection | Path) -> Path:
    """Return the file that a setting names.

    Raises:
        MissingResourceError: it is not there.
    """
    if not isinstance(spec, Path):
        name = f"faces64-{spec.removeprefix('builtin:')}.safetensors"
        return packaged_asset("gdp.plugins.directions", name, "find a direction with `gdp find-direction`")
    path, _ = split_component(spec)
    if not path.is_file():
        raise MissingResourceError(
            f"{path}: there is no such direction file. Give the path of a .safetensors, .npy or .pt file, "
            "or find a direction with `gdp find-direction`."
        )
    return path


@hookimpl
def gdp_register_direction_methods(register: Register) -> None:
    """Register the built-in methods."""
    register(
        "class-means",
        config=ClassMeansConfig,
        implementation="gdp.plugins.directions.methods:ClassMeans",
        summary="Mean w of the samples with the highest scores less that of the lowest",
    )
    register(
        "logistic-regression",
        config=LogisticRegressionConfig,
        implementation="gdp.plugins.directions.methods:LogisticRegressionNormal",
        summary="Normal of the logistic regression that parts high scores from low ones",
        needs=Needs(modules=("sklearn",), install="gdp-distill[directions]"),
    )
    register(
        "linear-svm",
        config=LinearSvmConfig,
        implementation="gdp.plugins.directions.methods:LinearSvmNormal",
        summary="Normal of the linear SVM that parts high scores from low ones (InterFaceGAN)",
        needs=Needs(modules=("sklearn",), install="gdp-distill[directions]"),
    )
    register(
        "ridge",
        config=RidgeConfig,
        implementation="gdp.plugins.directions.methods:RidgeNormal",
        summary="Ridge regression of the score on w: uses every sample, not classes alone",
    )
    register(
        "pca",
        config=PrincipalComponentsConfig,
        implementation="gdp.plugins.directions.methods:PrincipalComponents",
        summary="Principal components of w, the widest first; needs no labels (GANSpace)",
    )
    register(
        "sefa",
        config=SefaConfig,
        implementation="gdp.plugins.directions.methods:ClosedForm",
        summary="Directions to which the teacher's style weights respond most; needs no labels, no samples (SeFa)",
    )


@hookimpl
def gdp_register_converters(register: RegisterConverter) -> None:
    """Register direction files of other programs."""
    register(
        "direction",
        implementation="gdp.plugins.directions.conversion:DirectionConverter",
        summary="A direction in w as one array in .npy or .pt (InterFaceGAN, W+)",
    )
