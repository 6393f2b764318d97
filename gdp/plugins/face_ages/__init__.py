"""Ages and genders of photographed faces, by a network of others that a user fetches: face-api.js's.

Settings; imports no torch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gdp import Config, Register, hookimpl
from gdp.toolbox import ConvertedWeights

LICENCE = "Apache-2.0 (the network that it reads: MIT, trained on pictures that are partly for research only)"
HOW = "npm pack @vladmandic/face-api@1.7.15 && gdp make-judge face-api vladmandic-face-api-1.7.15.tgz"
"""Fetches the network's package, of which nothing is run, and writes what filter and evaluator read."""
Part = tuple[float, float, float, float]
FFHQ_FACE: Part = (38 / 256, 46 / 256, 218 / 256, 226 / 256)
"""Left, top, right and bottom of the face in a picture cut as FFHQ's, as shares: what the network is shown."""


class JudgeModel(Config):
    """The network and what of a picture it is shown."""

    weights: ConvertedWeights = Field(examples=["face-api.safetensors"])
    """What `gdp make-judge face-api` wrote: npm pack @vladmandic/face-api@1.7.15, then
    gdp make-judge face-api vladmandic-face-api-1.7.15.tgz."""
    crop: Part = FFHQ_FACE
    """Left, top, right and bottom of the face in a picture, as shares; left out, where it is in pictures cut as
    FFHQ's."""

    @model_validator(mode="after")
    def _ordered(self) -> JudgeModel:
        left, top, right, bottom = self.crop
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError(
                "crop is [left, top, right, bottom] with 0 <= left < right <= 1 and 0 <= top < bottom <= 1"
            )
        return self


class PhotographedFacesConfig(JudgeModel):
    """Settings of the filter `photo-attributes`."""

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
    same_gender: bool = False
    """Whether pairs are dropped whose target is judged to be of another gender than the source."""

    @model_validator(mode="after")
    def _possible(self) -> PhotographedFacesConfig:
        for low, high, names in (
            (self.min_age, self.max_age, "min_age and max_age"),
            (self.min_age_shift, self.max_age_shift, "min_age_shift and max_age_shift"),
        ):
            if low is not None and high is not None and low > high:
                raise ValueError(f"no pair can pass {names}: {low:g} is above {high:g}")
        return self


class PhotographedAgesConfig(JudgeModel):
    """Settings of the evaluator `photo-ages`."""

    count: int | None = Field(default=None, ge=1)
    """Largest number of held-out pairs to judge; left out, all of them."""
    batch: int = Field(default=16, ge=1)
    """Pairs that go through student and judge at once."""
    min_shift_years: float = Field(default=1.0, gt=0)
    """Mean age shift of the teacher below which no ratio is stated, in years."""


@hookimpl
def gdp_register_filters(register: Register) -> None:
    """Register the filter."""
    register(
        "photo-attributes",
        config=PhotographedFacesConfig,
        implementation="gdp.plugins.face_ages.filter:PhotographedFacesFilter",
        summary="Ages and genders of photographed faces, by face-api.js's network (gdp make-judge face-api)",
        licence=LICENCE,
    )


@hookimpl
def gdp_register_evaluators(register: Register) -> None:
    """Register the evaluator."""
    register(
        "photo-ages",
        config=PhotographedAgesConfig,
        implementation="gdp.plugins.face_ages.evaluator:PhotographedAgesEvaluator",
        summary="Judged age shift of student and teacher on photographed faces, by face-api.js's network",
        licence=LICENCE,
    )
