"""Settings of the losses; imports no torch."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, NonNegativeInt, model_validator

from gdp.core.config import Config


class NoSettings(Config):
    """A loss without settings of its own; its `weight` is core's."""


class PerceptualVGGConfig(Config):
    """Settings of `perceptual-vgg`."""

    weights: Path | None = None
    """VGG19's ImageNet weights as torchvision has them (.pth or .safetensors); left out, torchvision's cached file."""
    imagenet_normalisation: bool = False
    """Normalise pictures as VGG19 was trained on; the published pix2pixHD does not."""


class FeatureL2Config(Config):
    """Settings of `feature-l2`."""

    blocks: tuple[tuple[NonNegativeInt, NonNegativeInt], ...] | None = Field(
        default=None, min_length=1, examples=[[[1, 0], [4, 1], [8, 2]]]
    )
    """Residual blocks to compare as (teacher's, student's) numbers from 0; left out, all blocks of the student with
    evenly spread ones of the teacher, which for 9 and 3 blocks is the published (1, 0), (4, 1), (8, 2)."""
    modules: dict[str, str] | None = Field(default=None, min_length=1, examples=[{"model.11": "model.10"}])
    """Instead of blocks, any modules: path in the teacher = path in the student."""

    @model_validator(mode="after")
    def _one_choice(self) -> FeatureL2Config:
        if self.blocks is not None and self.modules is not None:
            raise ValueError("give blocks or modules, not both")
        return self
