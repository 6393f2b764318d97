"""Loss terms of a student's objective.

Settings of the losses; imports no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, model_validator

from gdp import Config, Needs, Register, hookimpl

STNetwork = Literal["alex", "vgg"]
"""The image networks of ST-LPIPS: AlexNet and VGG16, both anti-aliased."""

PERCEPTUAL = Needs(modules=("stlpips_pytorch",), install="gdp-distill[perceptual]")
"""The weights of ST-LPIPS; of the module that brings them only files are read."""

ST_LPIPS_LICENCE = "Apache-2.0; the weights of ST-LPIPS are BSD-2-Clause, their networks trained on ImageNet before"


class NoSettings(Config):
    """A loss without settings of its own; its `weight` is core's."""


class PerceptualVGGConfig(Config):
    """Settings of `perceptual-vgg`."""

    weights: Path | None = None
    """VGG19's ImageNet weights as torchvision has them (.pth or .safetensors); left out, torchvision's cached file."""
    imagenet_normalisation: bool = False
    """Normalise pictures as VGG19 was trained on; the published pix2pixHD does not."""


class STLPIPSConfig(Config):
    """Settings of `st-lpips`."""

    network: STNetwork = "vgg"
    """The network whose activations are compared: `vgg` (VGG16), or `alex`, which takes a quarter of its time."""
    resolution: int | None = Field(default=None, ge=32)
    """Pixels of the shorter side to which larger pictures are reduced (bicubic, antialiased) before they are compared:
    saves time and memory, and leaves finer detail to the other losses. Left out, they are compared as they are."""


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


@hookimpl
def gdp_register_losses(register: Register) -> None:
    """Register the built-in losses."""
    register(
        "lsgan",
        config=NoSettings,
        implementation="gdp.plugins.losses.terms:LSGANLoss",
        summary="Adversarial, least squares (pix2pixHD's and CycleGAN's)",
    )
    register(
        "hinge",
        config=NoSettings,
        implementation="gdp.plugins.losses.terms:HingeLoss",
        summary="Adversarial, hinge",
    )
    register(
        "non-saturating",
        config=NoSettings,
        implementation="gdp.plugins.losses.terms:NonSaturatingLoss",
        summary="Adversarial, logistic non-saturating",
    )
    register(
        "feature-matching",
        config=NoSettings,
        implementation="gdp.plugins.losses.terms:FeatureMatchingLoss",
        summary="L1 between the discriminator's features of prediction and target; beside an adversarial loss",
    )
    register(
        "perceptual-vgg",
        config=PerceptualVGGConfig,
        implementation="gdp.plugins.losses.terms:PerceptualVGGLoss",
        summary="L1 between VGG19's activations of prediction and target",
        licence="Apache-2.0; VGG19's ImageNet weights are the user's own copy of torchvision's",
    )
    register(
        "st-lpips",
        config=STLPIPSConfig,
        implementation="gdp.plugins.losses.terms:STLPIPSLoss",
        summary="Shift-tolerant perceptual distance (ST-LPIPS, not LPIPS) of prediction and target",
        licence=ST_LPIPS_LICENCE,
        needs=PERCEPTUAL,
    )
    register(
        "l1",
        config=NoSettings,
        implementation="gdp.plugins.losses.terms:L1Loss",
        summary="Mean absolute difference of prediction and target",
    )
    register(
        "rmse",
        config=NoSettings,
        implementation="gdp.plugins.losses.terms:RMSELoss",
        summary="Root of the mean squared difference of prediction and target, over the batch",
    )
    register(
        "feature-l2",
        config=FeatureL2Config,
        implementation="gdp.plugins.losses.translation:FeatureL2Loss",
        summary="Mean squared difference of hidden states of student and teacher, 1x1 adapters where channels differ",
    )
    register(
        "output-l1",
        config=NoSettings,
        implementation="gdp.plugins.losses.translation:OutputL1Loss",
        summary="L1 between the student's picture and the teacher's",
    )
    register(
        "cycle-l1",
        config=NoSettings,
        implementation="gdp.plugins.losses.translation:CycleL1Loss",
        summary="L1 between a picture and itself after the way there and back",
    )
    register(
        "identity-l1",
        config=NoSettings,
        implementation="gdp.plugins.losses.translation:IdentityL1Loss",
        summary="L1 between real pictures of the target's domain and what the generator makes of them",
    )
