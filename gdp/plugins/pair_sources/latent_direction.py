"""`latent-direction`: a picture and its edit along directions in w.

What the pair sources that sample a latent teacher have in common.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
    PluginError,
)
from gdp.plugins.directions import direction_path
from gdp.plugins.directions.conversion import load_direction
from gdp.plugins.pair_sources import LatentDirectionConfig, SamplingConfig


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
    source, target = (images.clamp(-1, 1).float().cpu() for images in pictures)
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
    def _displacement(self) -> Tensor:
        """The sum of the directions' moves (num_ws, w_dim)."""
        total = torch.zeros(self.teacher.num_ws, self.teacher.w_dim)
        for direction, step in self._steps:
            if direction.is_foreign(self.teacher):
                self.context.progress.message(
                    f"direction {direction.name} was found on another teacher ({direction.teacher[:12]}) than this one "
                    f"({self.teacher.fingerprint[:12]}): its scale is measured on this one; look at the pairs "
                    "before you train on them"
                )
            total += direction.displacement(self.teacher, step.strength, step.layers)
        return total.to(self.context.device)

    @property
    def _edit(self) -> dict[str, Json]:
        moves: list[Json] = []
        for direction, step in self._steps:
            layers = list(step.layers) if isinstance(step.layers, tuple) else step.layers
            moves.append({"direction": direction.name, "strength": step.strength, "layers": layers})
        return {"kind": "latent-direction", "directions": moves, "symmetric": self.config.symmetric}

    @property
    def resolution(self) -> int:
        """Height and width of the teacher's pictures."""
        return self.teacher.resolution

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
