"""The ResNet student: CycleGAN's generator with fewer residual blocks, and what distils a translator into it.

Settings of the student `resnet`; imports no torch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gdp import Config, Register, hookimpl
from gdp.toolbox import ConvertedWeights


class ChannelsConfig(Config):
    """Channels of every part of the network, where they are not a plain doubling of one width (after pruning)."""

    stem: int = Field(ge=1, le=65_536)
    """After the first 7x7 convolution."""
    down: int = Field(ge=1, le=65_536)
    """After the first downsampling."""
    hidden: int = Field(ge=1, le=65_536)
    """After the second downsampling and every residual block."""
    middle: tuple[int, ...] = Field(min_length=1, max_length=1000)
    """Between the two convolutions of each residual block, one number a block."""
    up: int = Field(ge=1, le=65_536)
    """After the first upsampling."""
    head: int = Field(ge=1, le=65_536)
    """After the second upsampling."""


class ResnetConfig(Config):
    """Settings of the student `resnet`."""

    blocks: int = Field(default=3, ge=1, le=1000)
    """Residual blocks; CycleGAN's teacher has 9."""
    width: int = Field(default=64, ge=1, le=16_384)
    """Channels at full resolution, doubled by each of the two downsamplings."""
    upsampling: Literal["deconvolution", "resize"] = "deconvolution"
    """How to upsample: `deconvolution` as published, or `resize` and convolve, which leaves no checkerboards."""
    predicts: Literal["image", "change"] = "image"
    """What the generator computes: the picture, as published, or the change added to its (first) input; best as its
    teacher does."""
    separable: bool = False
    """Depthwise-separable convolutions in the residual blocks: about a ninth of their arithmetic."""
    channels: ChannelsConfig | None = None
    """Channels of every part; left out, `width` and `blocks` decide. `gdp prune` writes them."""
    weights: ConvertedWeights | None = None
    """Weights to begin with: a .safetensors file, such as `gdp prune` and `gdp convert` write, or its https address
    that ends in `#sha256=` and 64 hexadecimal digits; nothing is copied from the teacher then."""
    transfer: Literal["resampling", "everything", "none"] = "resampling"
    """What is copied from the teacher where shapes allow: the down- and upsampling layers, as published; everything,
    which is stem, head and evenly spread residual blocks as well; or nothing."""
    opposite: Literal["trained", "frozen", "none"] = "frozen"
    """The generator of the way back, from the teacher: it keeps training, stays as it is, or is left out (with
    `cycle-l1`). Without a teacher that has one, `trained` begins with a fresh one."""
    discriminators: Literal["trained", "frozen"] = "trained"
    """The discriminators, from the teacher where it has them, else fresh: they keep training or stay as they are."""
    discriminator_width: int = Field(default=64, ge=1, le=16_384)
    """Channels of a fresh discriminator's first layer."""
    discriminator_layers: int = Field(default=3, ge=1, le=20)
    """Layers of stride 2 of a fresh discriminator; 3 judge patches of 70x70 pixels."""


@hookimpl
def gdp_register_students(register: Register) -> None:
    """Register the student."""
    register(
        "resnet",
        config=ResnetConfig,
        implementation="gdp.plugins.resnet.student:ResnetStudent",
        summary="CycleGAN's generator with 3 residual blocks by default, layers copied from its teacher",
    )
