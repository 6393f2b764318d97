"""Directions in a teacher's latent space w: how settings name them, and the methods that find them."""

from __future__ import annotations

from gdp.core.hookspecs import hookimpl
from gdp.core.records import Needs, Register, RegisterConverter
from gdp.plugins.directions.config import (
    ClassMeansConfig,
    LinearSvmConfig,
    LogisticRegressionConfig,
    PrincipalComponentsConfig,
    RidgeConfig,
    SefaConfig,
)


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
