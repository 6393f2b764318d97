"""Pairs from a teacher's latents.

`latent-direction`: a picture and its edit along directions in w. `style-mix` and `morph`: two pictures in, one that is
made from both their latents out. `two-generators`: the same latents through two StyleGAN2s of one family.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from gdp import (
    BuildContext,
    Json,
    LatentTeacher,
    PairBatch,
    PairRecord,
    PairSource,
    PictureKind,
    PluginError,
    ShapeError,
)
from gdp.plugins.directions import direction_path
from gdp.plugins.directions.conversion import load_direction
from gdp.plugins.pair_sources import (
    LatentDirectionConfig,
    MorphConfig,
    SamplingConfig,
    StyleMixConfig,
    TwoGeneratorsConfig,
)
from gdp.plugins.pair_sources.moves import PlacedMove, place_moves
from gdp.plugins.stylegan2 import StyleGAN2Config
from gdp.plugins.stylegan2.networks import Generator
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher


def latent_teacher(context: BuildContext, plugin: str) -> LatentTeacher:
    """Return the run's teacher.

    Raises:
        PluginError: the recipe has no teacher, or it is none that makes pictures from latents.
    """
    if not isinstance(context.teacher, LatentTeacher):
        raise _no_latent_teacher(plugin, None if context.teacher is None else type(context.teacher))
    return context.teacher


def check_latent_teacher(context: BuildContext, plugin: str) -> None:
    """Make sure that the run's teacher is of the right class, without loading it.

    Raises:
        PluginError: the recipe has no teacher, or it is none that makes pictures from latents.
    """
    found = context.teacher_class
    if found is None:
        latent_teacher(context, plugin)
    elif not issubclass(found, LatentTeacher):
        raise _no_latent_teacher(plugin, found)


def _no_latent_teacher(plugin: str, found: type | None) -> PluginError:
    there = "no teacher" if found is None else f"the teacher {found.__name__}"
    return PluginError(
        f"the pair source {plugin} needs a teacher that makes pictures from latents, such as stylegan2; "
        f"the recipe has {there}."
    )


def sample_z(context: BuildContext, teacher: LatentTeacher, indices: Sequence[int], stream: int = 0) -> Tensor:
    """Draw the z (N, z_dim) of these pairs on the run's device; `stream` 1 is the second picture's."""
    return teacher.sample_z(context.seed, indices, stream).to(context.device)


def sample_ws(
    context: BuildContext, teacher: LatentTeacher, config: SamplingConfig, indices: Sequence[int], stream: int = 0
) -> Tensor:
    """Draw the truncated ws (N, num_ws, w_dim) of these pairs; `stream` 1 is the second picture's."""
    return teacher.map(sample_z(context, teacher, indices, stream), config.truncation, config.truncation_cutoff)


def compact(ws: Tensor) -> Tensor:
    """Return one picture's ws (num_ws, w_dim) as (w_dim,) where all layers share one w, else as they are."""
    return ws[0] if bool((ws == ws[0]).all()) else ws


def picture_batch(
    context: BuildContext,
    teacher: LatentTeacher,
    config: SamplingConfig,
    indices: Sequence[int],
    pictures: tuple[Tensor, Tensor],
    latents: Sequence[Tensor],
    edit: dict[str, Json],
) -> PairBatch:
    """Put pairs and their provenance together.

    Args:
        context: gives the seed.
        teacher: gives the provenance.
        config: how the latents were drawn; goes into the records beside `edit`.
        indices: numbers of the pairs.
        pictures: sources (N, C, R, R) and targets (N, 3, R, R), clamped to [-1, 1] here.
        latents: the source's latent of each pair, of any shape.
        edit: what was done, the same for all.
    """
    drawn = {"truncation": config.truncation, "truncation_cutoff": config.truncation_cutoff}
    source, target = (images.clamp(-1, 1).float() for images in pictures)
    records = []
    for index, latent in zip(indices, latents, strict=True):
        data, shape = PairRecord.pack_latent(latent)
        records.append(PairRecord(index, context.seed, {**edit, **drawn}, teacher.fingerprint, data, shape))
    return PairBatch(indices=list(indices), source=source, target=target, records=records)


class LatentDirectionSource(PairSource):
    """Source G(w), target G(w + d), both with the teacher's fixed noise; d is the sum of the directions' moves.

    With `symmetric`, source G(w - d) and target G(w + d), so that source and target lie on opposite sides of a
    sample (a simple form of the triples of "StyleGAN2 Distillation", ECCV 2020, section 3.2; the filter
    `face-attributes` keeps those whose sides differ).
    """

    def __init__(self, config: LatentDirectionConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        check_latent_teacher(context, "latent-direction")
        self._steps = [(load_direction(step.direction), step) for step in config.steps]

    @cached_property
    def teacher(self) -> LatentTeacher:
        """The run's teacher, loaded when the first pair is made."""
        return latent_teacher(self.context, "latent-direction")

    @cached_property
    def _moves(self) -> list[PlacedMove]:
        """How far each direction goes on this teacher, and where it belongs."""
        return place_moves(self._steps, self.teacher, self.context.progress)

    @cached_property
    def _displacement(self) -> Tensor:
        """The sum of the directions' moves (num_ws, w_dim)."""
        total = torch.zeros(self.teacher.num_ws, self.teacher.w_dim)
        for placed in self._moves:
            total += placed.move.displacement
        return total.to(self.context.device)

    @property
    def _edit(self) -> dict[str, Json]:
        moves: list[Json] = []
        for placed, (_, step) in zip(self._moves, self._steps, strict=True):
            layers = list(step.layers) if isinstance(step.layers, tuple) else step.layers
            moves.append({**placed.move.to_data(), "layers": layers})
        return {"kind": "latent-direction", "directions": moves, "symmetric": self.config.symmetric}

    def check(self) -> str:
        """Tell how far the directions go on this teacher, and what is known of where they belong.

        Raises:
            ShapeError: as `make`.
        """
        return "; ".join(f"{placed.move.describe()}; {placed.origin.words}" for placed in self._moves)

    @property
    def resolution(self) -> int:
        """Height and width of the teacher's pictures."""
        return self.teacher.resolution

    @property
    def shows(self) -> PictureKind | None:
        """What the teacher says of its pictures."""
        return self.teacher.shows

    @property
    def fingerprint(self) -> str:
        """Hash of the direction files."""
        digest = hashlib.sha256()
        for step in self.config.steps:
            digest.update(hashlib.sha256(direction_path(step.direction).read_bytes()).digest())
        return digest.hexdigest()

    def make(self, indices: Sequence[int]) -> PairBatch:
        """Make the pairs of these numbers; the records hold the source's latent."""
        ws = sample_ws(self.context, self.teacher, self.config, indices)
        source = ws - self._displacement if self.config.symmetric else ws
        images = self.teacher.synthesize(torch.cat([source, ws + self._displacement]))
        before, after = images.tensor_split(2)
        latents = [compact(w) for w in source.cpu()]
        return picture_batch(self.context, self.teacher, self.config, indices, (before, after), latents, self._edit)

    def edit(self, ws: Tensor) -> Tensor:
        """Move the ws (N, num_ws, w_dim) of sources to those of their targets."""
        distance = 2 * self._displacement if self.config.symmetric else self._displacement
        return ws + distance.to(ws)


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

    @property
    def shows(self) -> PictureKind | None:
        """What the teacher says of its pictures."""
        return self.teacher.shows

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

    @property
    def shows(self) -> PictureKind | None:
        """What the teacher says of its pictures."""
        return self.teacher.shows

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
    def shows(self) -> PictureKind | None:
        """What the teacher says of its pictures."""
        return self.teacher.shows

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
