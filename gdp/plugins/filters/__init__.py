"""Filters that need nothing from outside: the built-in judge of faces, sharpness, near-duplicates.

Settings of the filters; imports no torch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from gdp import Config, GdpError, Register, hookimpl
from gdp.plugins.onnx_filters.config import EmbeddingModel

NumberAttribute = Literal["age", "glasses", "smile"]
"""What the judge says in one number: years, or a probability in [0, 1]."""

ClassAttribute = Literal["glasses", "smile", "hair_length", "skin"]
"""What the judge sorts into classes."""


class OppositeClasses(Config):
    """Source and target must lie on opposite sides of a threshold."""

    attribute: NumberAttribute
    """age (years), glasses or smile (probabilities)."""
    threshold: float
    """What parts the two classes: years for age, else a probability in [0, 1]."""
    margin: float = Field(default=0.0, ge=0.0)
    """How far, in the same unit, each must lie from the threshold: certainty, as the paper asks for."""


class FaceAttributesConfig(Config):
    """Settings of `face-attributes`."""

    min_face: float = Field(default=0.5, ge=0.0, le=1.0)
    """Smallest probability, in [0, 1], that a picture is a whole face; asked of every picture of a pair."""
    min_age: float | None = None
    """Smallest judged age in years."""
    max_age: float | None = None
    """Largest judged age in years."""
    age_of: Literal["source", "both"] = "source"
    """Whose age `min_age` and `max_age` limit: the source's (who is edited) or the target's, too."""
    min_age_shift: float | None = None
    """Smallest judged age of the target less that of the source, in years; -40 allows 40 years younger."""
    max_age_shift: float | None = None
    """Largest judged age of the target less that of the source, in years; -5 asks for 5 years younger."""
    opposite: OppositeClasses | None = None
    """Keep only pairs whose source and target are in opposite classes, whichever way round; a table such as
    { attribute = "age", threshold = 45, margin = 5 }."""
    unchanged: tuple[ClassAttribute, ...] = ()
    """Attributes whose judged class must be the same in source and target: glasses, smile, hair_length, skin."""

    @model_validator(mode="after")
    def _ordered(self) -> FaceAttributesConfig:
        for low, high, names in (
            (self.min_age, self.max_age, "min_age and max_age"),
            (self.min_age_shift, self.max_age_shift, "min_age_shift and max_age_shift"),
        ):
            if low is not None and high is not None and low > high:
                raise ValueError(f"no pair can pass {names}: {low:g} is above {high:g}")
        return self


class MeasuredSize(Config):
    """What measures of sharpness and blur have in common: they mean something at one size alone."""

    measured_at: int = Field(default=256, ge=16)
    """Pixels of the shorter side at which pictures are measured: larger ones are reduced to it (bicubic,
    antialiased), so that the same picture gets the same verdict at 1024, 512 and 256 pixels. Smaller ones are measured
    as they are."""


class SharpnessConfig(MeasuredSize):
    """Settings of `sharpness`."""

    min_sharpness: float = Field(default=100.0, ge=0.0)
    """Smallest variance of the Laplacian of the luminance in 8-bit levels, of every picture of a pair. The built-in
    64 px faces have 1000 to 4000; blurred by a Gaussian of 0.7 pixels 100 to 500, of 1 pixel 30 to 150. Photographed
    faces at 256 px have 60 to 1300, half of them more than 340."""


class DuplicateConfig(Config):
    """Settings of `duplicate`."""

    max_distance: int = Field(default=2, ge=0, le=32)
    """Largest number of differing bits, of 64, at which two sources count as the same picture. A slightly blurred or
    noisy copy differs by 0 to 2 bits; of different built-in faces 2 couples in 100,000 differ by so few."""


class DiscriminatorScoreConfig(Config):
    """Settings of `discriminator-score`."""

    min_realism: float | None = None
    """Smallest mean logit of the discriminator; its scale is each discriminator's own. Left out, any."""
    drop_lowest: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share, in [0, 1), of the pairs that reach this filter which is dropped: those with the lowest logits. Which they
    are is decided over all of them."""
    of: Literal["source", "target", "both"] = "both"
    """Whose logit counts; of both, the lower one."""


class ExpressionConfig(Config):
    """Settings of `expression`."""

    keep: str = Field(examples=["source_age >= 18 and target_age - source_age > 5"])
    """Condition that a pair has to meet, over the scores of the filters before this one in the recipe. `age` without
    source_ or target_ means each picture of the pair; where two filters have the score, face_attributes.age."""
    reason: str | None = None
    """What the funnel calls the pairs that do not meet it; left out, the part that they fail."""

    @field_validator("keep")
    @classmethod
    def _readable(cls, text: str) -> str:
        from gdp.toolbox import parse_condition  # every command imports this module

        try:
            parse_condition(text)
        except GdpError as error:
            raise ValueError(str(error)) from None
        return text


class ArtifactConfig(MeasuredSize):
    """Settings of `artifact`: the limits of every picture of a pair. `measured_at` is the size of blur alone: blocks
    and checkerboards belong to the pixels, and are looked for at the picture's own size."""

    max_blur: float | None = Field(default=0.45, ge=0.0, le=1.0)
    """Largest blur, from 0 to 1, of the sharpest eighth of the picture. Rendered faces have 0.19 to 0.32, the embedded
    teacher's samples 0.23 to 0.40, photographed faces at 256 px 0.17 to 0.45; blurred by a Gaussian of 1 pixel, 0.40
    to 0.70."""
    max_blockiness: float | None = Field(default=1.8, ge=0.0)
    """Largest jump at the borders of JPEG's blocks, over the mean difference inside them. Clean faces of 64 px have 0.8
    to 1.6, photographs of 256 px 1.0 to 1.1; JPEG of quality 30 1.2 to 2.1, of quality 10 1.9 to 3.6."""
    max_checkerboard: float | None = 20.0
    """Largest peak of the spectrum at half the sampling rate, in decibels over its surroundings, in windows of 64
    pixels. Clean faces of any size have at most 12; with a checkerboard of 8 levels of 255, 22 and more."""


class IdentityConfig(Config):
    """Settings of `identity`."""

    min_similarity: float = Field(default=0.8, ge=-1.0, le=1.0)
    """Smallest cosine of the angle between the features of source and target. With the built-in judge 99 % of rendered
    faces reach 0.80 when 15 to 35 years older or younger, and 5 % of other faces do; another embedding has other
    numbers."""
    embedding: EmbeddingModel | None = None
    """A model in an ONNX file that gives the features (extra: onnx); left out, the built-in judge of drawn faces."""


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
        implementation="gdp.plugins.filters.quality:ArtifactFilter",
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
