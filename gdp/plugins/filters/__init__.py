"""Filters that need nothing from outside: the built-in judge of faces, sharpness, near-duplicates."""

from __future__ import annotations

from gdp.core.hookspecs import hookimpl
from gdp.core.records import Register
from gdp.plugins.filters.config import (
    ArtifactConfig,
    DiscriminatorScoreConfig,
    DuplicateConfig,
    ExpressionConfig,
    FaceAttributesConfig,
    IdentityConfig,
    SharpnessConfig,
)


@hookimpl
def gdp_register_filters(register: Register) -> None:
    """Register the built-in filters."""
    register(
        "face-attributes",
        config=FaceAttributesConfig,
        implementation="gdp.plugins.filters.face_attributes:FaceAttributesFilter",
        summary="Asks the built-in judge: is it a face, how old, did the edit change what it should and nothing else",
    )
    register(
        "sharpness",
        config=SharpnessConfig,
        implementation="gdp.plugins.filters.quality:SharpnessFilter",
        summary="Drops blurred pictures by the variance of the Laplacian",
    )
    register(
        "duplicate",
        config=DuplicateConfig,
        implementation="gdp.plugins.filters.likeness:DuplicateFilter",
        summary="Drops pairs whose source looks like an earlier one's, by perceptual hash",
    )
    register(
        "expression",
        config=ExpressionConfig,
        implementation="gdp.plugins.filters.expression:ExpressionFilter",
        summary="Combines what the filters before it measured: keep = 'age >= 18 and sharpness.target > 100'",
    )
    register(
        "artifact",
        config=ArtifactConfig,
        implementation="gdp.plugins.filters.artifact:ArtifactFilter",
        summary="Drops blurred pictures, blocks of JPEG, and the checkerboards of transposed convolutions",
    )
    register(
        "identity",
        config=IdentityConfig,
        implementation="gdp.plugins.filters.likeness:IdentityFilter",
        summary="Drops pairs whose target is another face, by the built-in judge's features or an ONNX embedding",
    )
    register(
        "discriminator-score",
        config=DiscriminatorScoreConfig,
        implementation="gdp.plugins.filters.quality:DiscriminatorScoreFilter",
        summary="Drops the pictures that the teacher's own discriminator finds least real",
    )
