"""Pairs of two latents or of two generators of one family.

`style-mix` and `morph`: two pictures in, one that is made from both their latents out.

`two-generators`: the same latents through two StyleGAN2s of one family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from gdp import (
    BuildContext,
    Json,
    LatentTeacher,
    PairBatch,
    PairSource,
    ShapeError,
)
from gdp.plugins.pair_sources import MorphConfig, SamplingConfig, StyleMixConfig, TwoGeneratorsConfig
from gdp.plugins.pair_sources.latent_direction import (
    check_latent_teacher,
    compact,
    latent_teacher,
    picture_batch,
    sample_ws,
    sample_z,
)
from gdp.plugins.stylegan2 import StyleGAN2Config
from gdp.plugins.stylegan2.networks import Generator
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher


class StyleMixSource(PairSource):
    """Source: two samples, one after the other in the channels. Target: coarse w's of the first, fine of the second."""

    def __init__(self, config: StyleMixConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.teacher = latent_teacher(context, "style-mix")
        self._crossover: int = self.teacher.num_ws // 2 if config.crossover is None else config.crossover
        if self._crossover >= self.teacher.num_ws:
            raise ShapeError(
                f"pairs.crossover is {self._crossover}; the teacher takes {self.teacher.num_ws} w's, "
                f"so it must be at most {self.teacher.num_ws - 1} for the second picture to show."
            )

    @property
    def input_channels(self) -> int:
        """Two RGB pictures."""
        return 6

    @property
    def resolution(self) -> int:
        """Height and width of the teacher's pictures."""
        return self.teacher.resolution

    def make(self, indices: Sequence[int]) -> PairBatch:
        """Make the pairs of these numbers; the records hold both latents, the first one first."""

        def mix(first: Tensor, second: Tensor) -> Tensor:
            return torch.cat([first[:, : self._crossover], second[:, self._crossover :]], dim=1)

        edit: dict[str, Json] = {"kind": "style-mix", "crossover": self._crossover}
        return _pairs_from_two(self.context, self.teacher, self.config, indices, mix, edit)


class MorphSource(PairSource):
    """Source: two samples, one after the other in the channels. Target: the synthesis of their mean w."""

    def __init__(self, config: MorphConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        check_latent_teacher(context, "morph")

    @cached_property
    def teacher(self) -> LatentTeacher:
        """The run's teacher, loaded when the first pair is made."""
        return latent_teacher(self.context, "morph")

    @property
    def input_channels(self) -> int:
        """Two RGB pictures."""
        return 6

    @property
    def resolution(self) -> int:
        """Height and width of the teacher's pictures."""
        return self.teacher.resolution

    def make(self, indices: Sequence[int]) -> PairBatch:
        """Make the pairs of these numbers; the records hold both latents, the first one first."""

        def mean(first: Tensor, second: Tensor) -> Tensor:
            return first.lerp(second, self.config.share)

        edit: dict[str, Json] = {"kind": "morph", "share": self.config.share}
        return _pairs_from_two(self.context, self.teacher, self.config, indices, mean, edit)


def _pairs_from_two(
    context: BuildContext,
    teacher: LatentTeacher,
    config: SamplingConfig,
    indices: Sequence[int],
    combine: Callable[[Tensor, Tensor], Tensor],
    edit: dict[str, Json],
) -> PairBatch:
    first, second = (sample_ws(context, teacher, config, indices, stream) for stream in (0, 1))
    images = teacher.synthesize(torch.cat([first, second, combine(first, second)]))
    one, other, target = images.tensor_split(3)
    latents = [torch.stack([compact(a), compact(b)]) for a, b in zip(first.cpu(), second.cpu(), strict=True)]
    return picture_batch(context, teacher, config, indices, (torch.cat([one, other], dim=1), target), latents, edit)


class TwoGeneratorsSource(PairSource):
    """Source: the teacher's picture. Target: that of another generator, or of a blend of both, for the same latent.

    The other one is usually the teacher fine-tuned on other pictures (paintings, cartoons): with all its layers, or
    with the shapes of one in the textures of the other (layer swapping: Pinkney and Adler, "Resolution Dependent GAN
    Interpolation for Controllable Image Synthesis Between Domains", 2020).

    Raises:
        PluginError: the recipe has no teacher that makes pictures from latents.
        MissingResourceError, CorruptFileError: the other weights cannot be had.
        ShapeError: the two generators do not fit together.
    """

    def __init__(self, config: TwoGeneratorsConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.teacher = latent_teacher(context, "two-generators")
        self._other = StyleGAN2Teacher(StyleGAN2Config(weights=config.weights), context)
        _check_family(self.teacher, self._other)
        if config.blend_from is not None:
            _blend(self._other.module, self.teacher, config.blend_from, others_are_fine=config.other_layers == "fine")
        self._edit: dict[str, Json] = {
            "kind": "two-generators",
            "other": self._other.fingerprint,
            "other_layers": config.other_layers,
            "blend_from": config.blend_from,
            "shared": config.shared,
        }

    @property
    def resolution(self) -> int:
        """Height and width of the teacher's pictures."""
        return self.teacher.resolution

    @property
    def fingerprint(self) -> str:
        """sha256 of the other generator's weights."""
        return self._other.fingerprint

    def make(self, indices: Sequence[int]) -> PairBatch:
        """Make the pairs of these numbers; the records hold the source's latent."""
        z = sample_z(self.context, self.teacher, indices)
        psi, cutoff = self.config.truncation, self.config.truncation_cutoff
        ws = self.teacher.map(z, psi, cutoff)
        other_ws = ws if self.config.shared == "w" else self._other.map(z, psi, cutoff)
        pictures = (self.teacher.synthesize(ws), self._other.synthesize(other_ws))
        latents: list[Tensor] = [compact(w) for w in ws.cpu()]
        return picture_batch(self.context, self.teacher, self.config, indices, pictures, latents, self._edit)


def _check_family(teacher: LatentTeacher, other: StyleGAN2Teacher) -> None:
    sizes = [(model.resolution, model.num_ws, model.w_dim, model.z_dim) for model in (teacher, other)]
    if sizes[0] != sizes[1]:
        told = [f"{size} px, {count} w's of {width} numbers, z of {z}" for size, count, width, z in sizes]
        raise ShapeError(
            f"the teacher ({told[0]}) and the other generator ({told[1]}) are not of one family: "
            "two-generators needs one that was fine-tuned from the other."
        )


def _blend(other: Generator, teacher: LatentTeacher, blend_from: int, *, others_are_fine: bool) -> None:
    """Put the teacher's blocks into `other` on its side of `blend_from`."""
    resolutions = other.synthesis.resolutions
    if blend_from not in resolutions[1:]:
        raise ShapeError(f"pairs.blend_from is {blend_from}; the generator's layers have {resolutions} pixels")
    theirs, mixed = teacher.module.state_dict(), other.state_dict()
    for size in resolutions:
        if (size >= blend_from) == others_are_fine:
            continue
        for name in mixed:
            if name.startswith(f"synthesis.b{size}."):
                if name not in theirs or theirs[name].shape != mixed[name].shape:
                    raise ShapeError(f"layers of the two generators cannot be blended: {name} differs in shape")
                mixed[name] = theirs[name]
    other.load_state_dict(mixed)
