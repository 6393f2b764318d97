"""Pair sources: pairs of latent teachers, of translators, and existing ones.

Settings of the pair sources; imports no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from gdp import Config, Register, hookimpl
from gdp.plugins.directions import DirectionFile, DirectionStep, Layers, Space, StepConfig, Strength
from gdp.plugins.stylegan2 import Weights


class SamplingConfig(Config):
    """How the teacher's latents are drawn."""

    truncation: float = Field(default=0.7, ge=0.0, le=1.0)
    """Truncation psi: how far w may be from the mean w, 0 (always the mean) to 1 (as trained)."""
    truncation_cutoff: int | None = Field(default=None, ge=0)
    """Number of w's, from the coarsest on, that are truncated; left out, all of them."""


class LatentDirectionConfig(SamplingConfig, StepConfig):
    """Settings of `latent-direction`."""

    direction: DirectionFile = "builtin:age"
    """`builtin:age`, or the path of a .safetensors file made by gdp or of a public .npy, .npz or .pt file; of
    GANSpace's or SeFa's components one, such as `ffhq_pca.pt#3`."""
    strength: Strength = 2.0
    """How far, in standard deviations of the direction's score over the teacher's samples, or as publications say it,
    `{ published = 3 }`: 3 times the file's vector, of GANSpace's components 3 sigma. Negative goes back."""
    layers: Layers = None
    """Numbers of the w's that are moved, from 0 (coarsest), such as [3, 4, 5] or "3-5", or "all"; left out, those that
    the file names."""
    space: Space = None
    """"w" where you know that the file is a direction in the w of this teacher, or of one that it was fine-tuned from,
    and gdp cannot know it: a row of numbers tells neither. A direction in z cannot be added to w."""
    more_directions: tuple[DirectionStep, ...] = ()
    """Further directions, each a table of direction, strength, layers and space; all moves add up."""
    symmetric: bool = False
    """Move the source back as far as the target forth (w - d to w + d); otherwise the source stays (w to w + d)."""

    @property
    def steps(self) -> tuple[DirectionStep, ...]:
        """All directions."""
        first = DirectionStep(direction=self.direction, strength=self.strength, layers=self.layers, space=self.space)
        return (first, *self.more_directions)


class StyleMixConfig(SamplingConfig):
    """Settings of `style-mix`."""

    crossover: int | None = Field(default=None, ge=1)
    """First w, counted from 0 (coarsest), that the target takes from the second picture; left out, the middle one."""


class MorphConfig(SamplingConfig):
    """Settings of `morph`."""

    share: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Share of the second picture's latent in the target's, in (0, 1)."""


class TwoGeneratorsConfig(SamplingConfig):
    """Settings of `two-generators`."""

    weights: Weights
    """The other StyleGAN2, of the teacher's architecture: a .safetensors file, or `builtin:faces64`."""
    other_layers: Literal["all", "coarse", "fine"] = "all"
    """Layers of the other generator that make the target: all, or those below / from `blend_from`, the rest being
    the teacher's ("coarse" for its shapes in the teacher's texture, "fine" for the reverse)."""
    blend_from: int | None = Field(default=None, ge=8)
    """Resolution in pixels (8, 16, ...) at which the fine layers begin; needed unless `other_layers` is all."""
    shared: Literal["w", "z"] = "w"
    """What both generators are given: the teacher's w, or the same z, which each maps by its own mapping."""

    @model_validator(mode="after")
    def _blend(self) -> TwoGeneratorsConfig:
        if (self.other_layers == "all") != (self.blend_from is None):
            raise ValueError('blend_from belongs to other_layers = "coarse" or "fine"; give both or neither')
        return self


class FolderConfig(Config):
    """Settings of `folder`: existing pairs, matched by name."""

    source_folder: Path = Field(examples=["faces"])
    """Folder of the source pictures."""
    target_folder: Path = Field(examples=["faces_older"])
    """Folder of the target pictures; may be the same."""
    source_pattern: str = "{name}.*"
    """File names of sources, such as "{name}_projected.jpg": {name} is what a pair has in common, * stands for any
    letters. Only picture files count."""
    target_pattern: str = "{name}.*"
    """File names of targets, such as "{name}_older.jpg"."""
    resolution: int = Field(ge=8, examples=[256])
    """Height and width in pixels: pictures are cropped to the central square and resized (bicubic, antialiased)."""
    held_out_names: tuple[str, ...] = ()
    """Names, or patterns such as "12*", of pairs that are never trained on; with `held_out_file`, both count."""
    held_out_file: Path | None = None
    """Text file with one such name or pattern on each line."""

    @field_validator("source_pattern", "target_pattern")
    @classmethod
    def _has_one_name(cls, pattern: str) -> str:
        if pattern.count("{name}") != 1 or "/" in pattern:
            raise ValueError('a pattern holds {name} exactly once and no folder, such as "{name}_older.jpg"')
        return pattern

    @model_validator(mode="after")
    def _two_sides(self) -> FolderConfig:
        if self.target_folder == self.source_folder and self.source_pattern == self.target_pattern:
            raise ValueError("source and target are the same files: give another target_folder or another pattern")
        return self


class TranslateConfig(Config):
    """Settings of `translate`."""

    live: bool = True
    """Let the teacher translate during training, which losses on hidden states need; else the stored targets serve."""
    train_count: int | None = Field(default=None, ge=1)
    """How many training pictures to take, the first ones; left out, all."""
    test_count: int | None = Field(default=None, ge=0)
    """How many test pictures to take, the first ones; left out, all. They are held out."""


@hookimpl
def gdp_register_pair_sources(register: Register) -> None:
    """Register the built-in pair sources."""
    register(
        "latent-direction",
        config=LatentDirectionConfig,
        implementation="gdp.plugins.pair_sources.latents:LatentDirectionSource",
        summary="Edits by one or more directions in the teacher's w: w becomes w + d",
    )
    register(
        "style-mix",
        config=StyleMixConfig,
        implementation="gdp.plugins.pair_sources.latents:StyleMixSource",
        summary="Two pictures in; coarse layers of the first with fine layers of the second out",
    )
    register(
        "morph",
        config=MorphConfig,
        implementation="gdp.plugins.pair_sources.latents:MorphSource",
        summary="Two pictures in; the picture of their mean latent out",
    )
    register(
        "two-generators",
        config=TwoGeneratorsConfig,
        implementation="gdp.plugins.pair_sources.latents:TwoGeneratorsSource",
        summary="The same latents through two StyleGAN2s of one family, or through a blend of their layers",
    )
    register(
        "folder",
        config=FolderConfig,
        implementation="gdp.plugins.pair_sources.folder:FolderSource",
        summary="Existing pairs of picture files, matched by name",
    )
    register(
        "translate",
        config=TranslateConfig,
        implementation="gdp.plugins.pair_sources.translate:TranslateSource",
        summary="Real pictures and a translator teacher's, live during training or stored",
    )
