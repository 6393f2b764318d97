"""CycleGAN (Zhu et al., ICCV 2017): unpaired translation as the teacher, with its training.

Settings of the CycleGAN teacher and of its training; imports no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from gdp import Config, Progress, Register, RegisterConverter, hookimpl
from gdp.toolbox import DeviceName, TrainSection, WeightsAddress, check_weights, packaged_asset, weights_file

BuiltinWeights = Literal["builtin:scenes64"]
"""Weights that come with the package."""

PUBLISHED_EPOCHS = 200.0


def _weights(weights: str | Path) -> str | Path:
    if isinstance(weights, Path):
        if str(weights).startswith("builtin:"):
            raise ValueError("no such built-in weights; there is builtin:scenes64")
        return weights  # a folder or a state dict of any age too: `read_state` runs nothing of it
    return weights if weights.startswith("builtin:") else check_weights(weights)


Weights = Annotated[BuiltinWeights | WeightsAddress | Path, AfterValidator(_weights)]
"""What `CycleGANConfig.weights` takes."""


class CycleGANConfig(Config):
    """Settings of the teacher `cyclegan`."""

    weights: Weights = "builtin:scenes64"
    """`builtin:scenes64`; a .safetensors file that `gdp train-teacher` or `gdp convert` wrote, or its https address
    that ends in `#sha256=` and 64 hexadecimal digits; a folder of published checkpoints (`latest_net_G_A.pth`,
    `latest_net_G_B.pth`, ...); or one such file, which is the generator alone. Nothing of a .pth file is run."""
    epoch: str = "latest"
    """Which checkpoints of a folder: the first part of their names."""
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    """Which of the two generators teaches."""
    running_statistics: Literal["drop", "use"] = "drop"
    """InstanceNorm statistics that checkpoints of 2017 and 2018 carry: left out, as today's code does, or used."""


class CycleGANTraining(TrainSection):
    """Settings of `gdp train-teacher` for `cyclegan`; the defaults are the published recipe (Zhu et al. 2017)."""

    from_weights: Weights | None = Field(default=None, examples=["teacher.safetensors"])
    """Networks to go on from instead of random ones (`--from`): `builtin:scenes64`, or a file, folder or address as the
    teacher's `weights` take it, with both generators; discriminators where they are among them. The recipe's networks
    may be wider."""
    epochs: float | None = Field(default=None, gt=0)
    """Passes over domain A; left out together with steps: the published 200 (100, and 100 of falling rate)."""
    batch: int = Field(default=1, ge=1)
    """Pictures of each domain in a batch."""
    flip: bool = True
    """Mirror half of the pictures."""
    image_pool: int = Field(default=50, ge=0)
    """Earlier predictions from which a discriminator is shown one half of the time; 0 for none."""
    ema_half_life: float = Field(default=0.0, ge=0)
    """Half-life of the weights' moving average (of generator A to B) in pictures seen; 0 keeps the raw weights."""
    width: int = Field(default=64, ge=1)
    """Channels of the generators at full resolution."""
    blocks: int = Field(default=9, ge=1)
    """Residual blocks: 9 for 256 pixels, 6 for 128."""
    upsampling: Literal["deconvolution", "resize"] = "deconvolution"
    """How to upsample: `deconvolution` as published, or `resize` and convolve, which leaves no checkerboards."""
    predicts: Literal["image", "change"] = "image"
    """What the generators compute: the picture, as published, or the change added to their input. A change leaves
    shapes where they are, and is for domains of the same things in other colours and textures."""
    discriminator_width: int = Field(default=64, ge=1)
    """Channels of the discriminators' first layer."""
    discriminator_layers: int = Field(default=3, ge=1)
    """Layers of stride 2; 3 judge patches of 70x70 pixels."""
    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the least-squares adversarial losses."""
    cycle_weight: float = Field(default=10.0, ge=0)
    """Weight of both cycles' L1."""
    identity_weight: float = Field(default=5.0, ge=0)
    """Weight of the identity L1."""
    seed: int = Field(default=0, ge=0, lt=2**62)
    """Decides initial weights, batches and the pool."""
    device: DeviceName = "auto"
    """Where to train: auto (a GPU where there is one), cpu, cuda, cuda:1."""
    half: bool = False
    """Write the weights in float16, half the size."""

    @model_validator(mode="before")
    @classmethod
    def _published_length(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("steps") is None and data.get("epochs") is None:
            return {**data, "epochs": PUBLISHED_EPOCHS}
        return data


def weights_path(weights: str | Path, progress: Progress | None = None, *, setting: str = "teacher.weights") -> Path:
    """Return the file or folder that a setting names, downloaded where it is an address.

    Raises:
        MissingResourceError: it is not there.
        CorruptFileError: what the address gives has another hash.
    """
    if isinstance(weights, Path) and weights.is_dir():
        return weights
    if isinstance(weights, Path) or not weights.startswith("builtin:"):
        return weights_file(weights, progress, setting=setting)
    name = f"{weights.removeprefix('builtin:')}.safetensors"
    mend = "train them with `gdp train-teacher recipes/train_scenes64.toml`"
    return packaged_asset("gdp.plugins.cyclegan", name, mend)


@hookimpl
def gdp_register_teachers(register: Register) -> None:
    """Register the CycleGAN teacher."""
    register(
        "cyclegan",
        config=CycleGANConfig,
        implementation="gdp.plugins.cyclegan.teacher:CycleGANTeacher",
        summary="A CycleGAN generator of any width and number of blocks, built in or published; can be trained here",
        training=CycleGANTraining,
    )


@hookimpl
def gdp_register_converters(register: RegisterConverter) -> None:
    """Register CycleGAN's published checkpoints."""
    register(
        "cyclegan",
        implementation="gdp.plugins.cyclegan.conversion:CycleGANConverter",
        summary="CycleGAN as a .pth state dict of one generator or discriminator, of any age",
    )
