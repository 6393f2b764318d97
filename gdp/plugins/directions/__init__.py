"""Directions in a teacher's latent space w: how settings name them, and the methods that find them.

How settings name a direction, and the settings of the methods that find one; imports no torch.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer

from gdp import Config, MissingResourceError, Needs, Register, RegisterConverter, hookimpl
from gdp.toolbox import names_direction, packaged_asset, split_component

BuiltinDirection = Literal["builtin:age", "builtin:smile", "builtin:glasses"]
"""Directions of the embedded teacher `builtin:faces64` that come with the package."""


def _direction_file(spec: BuiltinDirection | Path) -> BuiltinDirection | Path:
    if isinstance(spec, str):
        return spec
    if str(spec).startswith("builtin:"):
        raise ValueError("no such built-in direction; there are builtin:age, builtin:smile and builtin:glasses")
    if not names_direction(spec):
        raise ValueError(
            "a direction is builtin:age, or a .safetensors, .npy, .npz or .pt file; of GANSpace's components name one, "
            "such as ffhq_pca.pt#3"
        )
    return spec


DirectionFile = Annotated[BuiltinDirection | Path, AfterValidator(_direction_file)]
"""`builtin:age`, or the path of a `.safetensors` file made by gdp or of a public `.npy`, `.npz` or `.pt` file."""


def _first_to_last(layers: object) -> object:
    """Read `3-5` as 3, 4 and 5."""
    if not isinstance(layers, str) or layers == "all":
        return layers
    found = re.fullmatch(r"(\d{1,3})-(\d{1,3})", layers)
    if found is None or int(found[1]) > int(found[2]):
        raise ValueError('write layers as [3, 4, 5], as "3-5" with the first one first, or as "all"')
    return tuple(range(int(found[1]), int(found[2]) + 1))


_Numbers = tuple[Annotated[int, Field(ge=0)], ...]
_Written = _Numbers | Literal["all"] | Annotated[str, Field(pattern=r"^\d{1,3}-\d{1,3}$")] | None

Layers = Annotated[_Numbers | Literal["all"] | None, BeforeValidator(_first_to_last, json_schema_input_type=_Written)]
"""Numbers of w's counted from 0 (the coarsest), "3-5", "all", or None for those that the direction's file names."""


class PublishedStrength(Config):
    """How far, as publications say it: `{ published = 3 }`."""

    published: float
    """The direction's file is added this many times, as it is; of GANSpace's components, this many sigma."""


Strength = float | PublishedStrength
"""A number of standard deviations of the direction's score over the teacher's samples, or a published factor."""


Space = Literal["w"] | None
"""Said of a direction whose file does not say it."""


class StepConfig(Config):
    """Base of settings with a `space`: one that nobody gave is not written down, so keys of older runs stay theirs."""

    @model_serializer(mode="wrap")
    def _leave_unsaid_space_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        if written.get("space") is None:
            written.pop("space", None)
        return written


class DirectionStep(StepConfig):
    """One direction and how far to go along it."""

    direction: DirectionFile
    """`builtin:age`, or the path of a .safetensors file made by gdp or of a public .npy, .npz or .pt file; of
    GANSpace's or SeFa's components one, such as `ffhq_pca.pt#3`."""
    strength: Strength
    """How far, in standard deviations of the direction's score over the teacher's samples, or as publications say it,
    `{ published = 3 }`: 3 times the file's vector, of GANSpace's components 3 sigma. Negative goes back."""
    layers: Layers = None
    """Numbers of the w's that are moved, from 0 (coarsest), such as [3, 4, 5] or "3-5", or "all"; left out, those that
    the file names."""
    space: Space = None
    """"w" where you know that the file is a direction in the w of this teacher, or of one that it was fine-tuned from,
    and gdp cannot know it: a row of numbers tells neither. A direction in z cannot be added to w."""


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
            f"{path}: there is no such direction file. Give the path of a .safetensors, .npy, .npz or .pt file, "
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
