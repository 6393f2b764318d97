"""StyleGAN2: networks, losses, training and projection, and the teacher that they make.

Settings of the StyleGAN2 teacher; imports no torch.

Settings of a StyleGAN2 training; imports no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from gdp import Config, Progress, Register, RegisterConverter, hookimpl
from gdp.toolbox import DeviceName, WeightsAddress, check_weights, packaged_asset, weights_file

BuiltinWeights = Literal["builtin:faces64"]
"""Weights that come with the package."""


def _weights_file(weights: str | Path) -> str | Path:
    if isinstance(weights, Path) and str(weights).startswith("builtin:"):
        raise ValueError("no such built-in weights; there is builtin:faces64")
    return weights if isinstance(weights, str) and weights.startswith("builtin:") else check_weights(weights)


Weights = Annotated[BuiltinWeights | WeightsAddress | Path, AfterValidator(_weights_file)]
"""`builtin:faces64`, or the path of a .safetensors file with the state-dict names of stylegan2-ada-pytorch, or its
https address that ends in `#sha256=` and 64 hexadecimal digits."""


class StyleGAN2Config(Config):
    """Settings of the teacher `stylegan2`."""

    weights: Weights = "builtin:faces64"
    """`builtin:faces64`; the path of a .safetensors file, such as `gdp convert` writes of NVIDIA's and rosinality's; or
    its https address that ends in `#sha256=` and 64 hexadecimal digits."""
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    """What the weights' file must hash to, 64 hexadecimal digits; left out, any file will do."""
    discriminator: Weights | None = None
    """The discriminator that the weights were trained with, for judging pictures: `builtin:faces64`, or the path of a
    .safetensors file in the same layout. Left out, the built-in one for built-in weights, else the file
    NAME.discriminator.safetensors or discriminator.safetensors beside the weights NAME.safetensors, if it is there."""
    projection_vgg19: Path | None = None
    """VGG19's ImageNet weights (.safetensors, or torchvision's .pth) for the feature distance of projections; left out,
    a multi-scale distance that needs no weights."""

    @property
    def weights_are_builtin(self) -> bool:
        """Whether the weights come with the package."""
        return isinstance(self.weights, str) and self.weights.startswith("builtin:")


DISCRIMINATOR_FILE = "discriminator.safetensors"
"""What a training writes beside the generator's weights; behind their name and a dot, what `gdp convert` writes."""


def weights_path(weights: str | Path, progress: Progress | None = None, *, setting: str = "teacher.weights") -> Path:
    """Return the file that a setting names, downloaded where it is an address.

    Raises:
        MissingResourceError: it is not there.
        CorruptFileError: what the address gives has another hash.
    """
    if isinstance(weights, str) and weights.startswith("builtin:"):
        return _asset(f"{weights.removeprefix('builtin:')}.safetensors")
    return weights_file(weights, progress, setting=setting)


def discriminator_path(config: StyleGAN2Config, progress: Progress | None = None) -> Path | None:
    """Return the file of the discriminator that belongs to the weights; None where there is none.

    Raises:
        MissingResourceError: the settings name a file that is not there.
        CorruptFileError: what the address gives has another hash.
    """
    given = config.discriminator
    if given is None and isinstance(config.weights, Path):
        own = config.weights.with_name(f"{config.weights.stem}.{DISCRIMINATOR_FILE}")
        return next((file for file in (own, config.weights.with_name(DISCRIMINATOR_FILE)) if file.is_file()), None)
    if given is None and not config.weights_are_builtin:
        return None
    if given is None or (isinstance(given, str) and given.startswith("builtin:")):
        return _asset("faces64-discriminator.safetensors")
    return weights_file(given, progress, setting="teacher.discriminator")


def _asset(name: str) -> Path:
    mend = "train them with `gdp train-teacher recipes/train_faces64.toml`"
    return packaged_asset("gdp.plugins.stylegan2", name, mend)


class TrainingSettings(Config):
    """How a StyleGAN2 is trained. The defaults are the paper's (config-f), narrowed for 64 px pictures."""

    images: int = Field(default=300_000, gt=0)
    """Real pictures shown to the discriminator in all, repetitions counted."""
    batch: int = Field(default=32, gt=0)
    """Pictures in a step."""
    from_weights: Weights | None = Field(default=None, examples=["ffhq256.safetensors"])
    """Networks to go on from instead of random ones (`--from`): `builtin:faces64`; a generator's .safetensors file as
    gdp train-teacher and gdp convert write it, with its discriminator as NAME.discriminator.safetensors or
    discriminator.safetensors beside it where there is one; the tensors.safetensors of a checkpoint; or a file's https
    address that ends in `#sha256=` and 64 hexadecimal digits. The recipe's networks may have more feature maps."""
    shards: int = Field(default=2, gt=0)
    """Equal parts of a batch that a processor computes at the same time, each on threads of its own; on a GPU the batch
    stays whole."""
    seed: int = 0
    """Seed of the initial weights, the order of the pictures and all noise."""
    device: DeviceName = "auto"
    """Where to train: auto (a GPU where there is one), cpu, cuda, cuda:1."""
    precision: Literal["auto", "float32", "bf16"] = "auto"
    """Arithmetic of the convolutions; `auto` is bf16 where the device has it. A GPU that has not (older than Ampere)
    takes float16 with a scaled loss for both. R1 and path length stay in float32."""
    z_dim: int = Field(default=128, gt=0)
    """Size of the normally distributed latent z."""
    w_dim: int = Field(default=128, gt=0)
    """Size of the intermediate latent w."""
    mapping_layers: int = Field(default=4, gt=0)
    """Fully connected layers between z and w."""
    mapping_learning_rate_multiplier: float = Field(default=0.01, gt=0)
    """How much slower the mapping network learns than the rest."""
    channel_base: int = Field(default=1024, gt=0)
    """Feature maps times resolution, in both networks."""
    channel_max: int = Field(default=128, gt=0)
    """Most feature maps at any resolution."""
    generator_channels: dict[int, int] = Field(default_factory=dict)
    """Feature maps of the generator at single resolutions, where they differ from channel_base / resolution."""
    discriminator_channels: dict[int, int] = Field(default_factory=dict)
    """The same for the discriminator."""
    conv_clamp: float | None = Field(default=None, gt=0)
    """Largest magnitude of a feature; None for no limit."""
    deviation_group: int = Field(default=4, gt=0)
    """Samples over which the discriminator sees a standard deviation."""
    learning_rate: float = Field(default=0.0025, gt=0)
    """Adam's step size for both networks."""
    discriminator_learning_rate: float | None = Field(default=None, gt=0)
    """The discriminator's, where it is another."""
    learning_rate_end: float = Field(default=1.0, gt=0, le=1)
    """What is left of the learning rate at the end, to which it falls in a line: 0.1 for a tenth, 1 keeps it."""
    learning_rate_falls_from: int = Field(default=0, ge=0)
    """Pictures after which it begins to fall."""
    r1_gamma: float = Field(default=0.2, ge=0)
    """Weight of the R1 penalty, before its factor 1/2."""
    r1_interval: int = Field(default=16, gt=0)
    """Steps from one R1 penalty to the next (lazy regularisation)."""
    path_length_weight: float = Field(default=2.0, ge=0)
    """Weight of the path-length penalty; 0 leaves it out."""
    path_length_interval: int = Field(default=4, gt=0)
    """Steps from one path-length penalty to the next."""
    path_length_decay: float = Field(default=0.01, gt=0, le=1)
    """Share of a new value in the moving mean of the path length."""
    path_length_shrink: int = Field(default=2, gt=0)
    """The path-length penalty takes this part of a batch: 2 for half."""
    adversarial_weight: float = Field(default=1.0, gt=0)
    """Weight of the game with the discriminator in what the generator learns from."""
    feature_weight: float = Field(default=0.0, ge=0)
    """Weight of the distance between a picture and the synthesis of its own latent in the discriminator's features, for
    datasets that know the latents of their pictures; 0 for none."""
    l1_weight: float = Field(default=0.0, ge=0)
    """Weight of the same distance as mean absolute difference of pixels."""
    reconstruction_falls: tuple[int, int] | None = Field(default=None, examples=[[500_000, 1_000_000]])
    """Between these numbers of pictures the weights of both distances fall to reconstruction_floor of themselves."""
    reconstruction_floor: float = Field(default=0.0, ge=0, le=1)
    """What is left of the weights of both distances when they have fallen."""
    free_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of a batch whose latents are freely drawn and play the game alone, where the others are reconstructed."""
    truncated_share: float = Field(default=0.0, ge=0, le=1)
    """Chance that a freely drawn w is pulled towards the mean w, as it will be where the teacher is used."""
    lowest_truncation: float = Field(default=0.5, ge=0, le=1)
    """Such a w keeps this part to all of its distance to the mean (psi), drawn uniformly."""
    held_out: int = Field(default=24, ge=0)
    """Last pictures of the dataset, at most a tenth, that are never trained on: where latents are known, how well the
    average generator draws them is told with every sample grid."""
    noise: bool = True
    """Whether fresh noise is added to the generator's features; without it all detail must come from the latent."""
    style_mixing: float = Field(default=0.9, ge=0, le=1)
    """Chance that a batch's freely drawn w are those of second latents from some layer on."""
    ema_half_life: float = Field(default=10_000, ge=0)
    """Pictures after which a weight's share in the generator's moving average has halved."""
    mirror: bool = False
    """Mirror half of the real pictures left to right."""
    checkpoint_every: int = Field(default=20_000, gt=0)
    """Pictures from one checkpoint to the next."""
    samples_every: int = Field(default=10_000, gt=0)
    """Pictures from one sample grid to the next."""
    statistics_every: int = Field(default=1_000, gt=0)
    """Pictures from one line of statistics to the next."""

    @model_validator(mode="before")
    @classmethod
    def _replaced(cls, data: Any) -> Any:
        if isinstance(data, dict) and (old := sorted({"reconstruction_weight", "reconstruction_images"} & data.keys())):
            raise ValueError(
                f"{' and '.join(old)}: this way of training was replaced. Reconstruction is measured in the "
                "discriminator's features and as L1, beside the game from the beginning: set feature_weight and "
                "l1_weight (4 and 4 with adversarial_weight = 0.3, say)"
            )
        return data

    @property
    def reconstructs(self) -> bool:
        """Whether the pictures' own latents are learnt from."""
        return bool(self.feature_weight or self.l1_weight)

    @model_validator(mode="after")
    def _fits_together(self) -> TrainingSettings:
        part, rest = divmod(self.batch, self.shards)
        group = min(self.deviation_group, max(part, 1))
        if rest or part % group or part < self.path_length_shrink:
            raise ValueError(
                f"batch ({self.batch}) must divide into {self.shards} shards of a multiple of "
                f"{self.deviation_group} pictures (deviation_group)"
            )
        if self.reconstructs and self.mirror:
            raise ValueError("a mirrored picture has another latent: set mirror = false, or both weights to 0")
        if not self.reconstructs and (self.free_share or self.reconstruction_falls):
            raise ValueError("free_share and reconstruction_falls need a feature_weight or an l1_weight above 0")
        if self.reconstruction_falls and self.reconstruction_falls[0] > self.reconstruction_falls[1]:
            raise ValueError("reconstruction_falls is two numbers of pictures, the smaller one first")
        return self


@hookimpl
def gdp_register_teachers(register: Register) -> None:
    """Register the StyleGAN2 teacher."""
    register(
        "stylegan2",
        config=StyleGAN2Config,
        implementation="gdp.plugins.stylegan2.teacher:StyleGAN2Teacher",
        summary="A StyleGAN2 generator of any size, from .safetensors weights or built in; can be trained here",
        training=TrainingSettings,
    )


@hookimpl
def gdp_register_converters(register: RegisterConverter) -> None:
    """Register the foreign layouts of StyleGAN2's weights."""
    register(
        "stylegan2-ada",
        implementation="gdp.plugins.stylegan2.conversion.ada:AdaConverter",
        summary="StyleGAN2 as a pickle of NVIDIA's stylegan2-ada-pytorch (G_ema and D)",
    )
    register(
        "stylegan2-tensorflow",
        implementation="gdp.plugins.stylegan2.conversion.tensorflow:TensorFlowConverter",
        summary="StyleGAN2 as a pickle of NVIDIA's TensorFlow programs (G, D, Gs)",
    )
    register(
        "stylegan2-rosinality",
        implementation="gdp.plugins.stylegan2.conversion.rosinality:RosinalityConverter",
        summary="StyleGAN2 as a .pt file of rosinality/stylegan2-pytorch, converted or from training (g_ema and d)",
    )
