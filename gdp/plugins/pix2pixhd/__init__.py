"""pix2pixHD (Wang et al., CVPR 2018): a feed-forward image-to-image student.

Settings of the pix2pixHD student; imports no torch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gdp import Config, Register, RegisterConverter, hookimpl
from gdp.toolbox import ConvertedWeights


class Pix2PixHDConfig(Config):
    """Settings of `pix2pixhd`; the published network has width 64, 4 downsamplings, 9 blocks and predicts the image."""

    width: int = Field(default=32, ge=1, le=16_384)
    """Channels at full resolution (the published ngf), doubled by each downsampling."""
    downsamplings: int = Field(default=2, ge=0, le=8)
    """How often the global part halves the resolution."""
    blocks: int = Field(default=6, ge=0, le=1000)
    """Residual blocks at the lowest resolution."""
    local_enhancers: int = Field(default=0, ge=0, le=2)
    """Networks around the global one, each doubling the resolution; trained coarse to fine."""
    enhancer_blocks: int = Field(default=3, ge=0, le=1000)
    """Residual blocks of each local enhancer."""
    global_fraction: float = Field(default=0.5, ge=0.0, lt=1.0)
    """With local enhancers: share of the steps that train the global part alone, at its lower resolution."""
    enhancer_fraction: float = Field(default=0.05, ge=0.0, lt=1.0)
    """With local enhancers: share of the steps that then train the enhancers with the global part frozen."""
    norm: Literal["instance", "batch"] = "instance"
    """Normalisation of generator and discriminator; instance has no parameters."""
    padding: Literal["reflect", "replicate", "zero"] = "reflect"
    """Padding of the residual blocks."""
    upsampling: Literal["deconvolution", "resize"] = "deconvolution"
    """Published transposed convolutions, or nearest neighbours and a convolution: no checkerboards, 4 times as dear."""
    predicts: Literal["change", "image"] = "change"
    """What the generator computes: the change added to its (first) input, best for edits, or the whole image."""
    discriminator_width: int = Field(default=64, ge=1, le=16_384)
    """Channels after the discriminator's first layer (the published ndf), doubled by each layer up to 512."""
    weights: ConvertedWeights | None = None
    """Weights of the generator to begin with: a .safetensors file, such as `gdp convert` writes, or its https address
    that ends in `#sha256=` and 64 hexadecimal digits. Published ones want predicts = "image"."""
    num_discriminators: int = Field(default=2, ge=1, le=5)
    """Discriminators, each at half the resolution of the one before."""
    discriminator_layers: int = Field(default=3, ge=1, le=6)
    """Layers of stride 2 in each discriminator."""

    @model_validator(mode="after")
    def _phases_leave_steps(self) -> Pix2PixHDConfig:
        if self.global_fraction + self.enhancer_fraction >= 1:
            raise ValueError(
                "global_fraction and enhancer_fraction must leave a share of the steps to train both parts"
            )
        return self


@hookimpl
def gdp_register_students(register: Register) -> None:
    """Register the student."""
    register(
        "pix2pixhd",
        config=Pix2PixHDConfig,
        implementation="gdp.plugins.pix2pixhd.student:Pix2PixHDStudent",
        summary="pix2pixHD's coarse-to-fine generator with a multi-scale patch discriminator",
    )


@hookimpl
def gdp_register_converters(register: RegisterConverter) -> None:
    """Register pix2pixHD's published checkpoints."""
    register(
        "pix2pixhd",
        implementation="gdp.plugins.pix2pixhd.conversion:Pix2PixHDConverter",
        summary="pix2pixHD as a .pth state dict: global generator, local enhancer or discriminator",
    )
