"""What the pair sources that sample a latent teacher have in common."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gdp.core.errors import PluginError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.pairs import Json, PairBatch, PairRecord
from gdp.plugins.pair_sources.config import SamplingConfig


def latent_teacher(context: BuildContext, plugin: str) -> LatentTeacher:
    """Return the run's teacher.

    Raises:
        PluginError: the recipe has no teacher, or it is none that makes pictures from latents.
    """
    if not isinstance(context.teacher, LatentTeacher):
        there = "no teacher" if context.teacher is None else f"the teacher {type(context.teacher).__name__}"
        raise PluginError(
            f"the pair source {plugin} needs a teacher that makes pictures from latents, such as stylegan2; "
            f"the recipe has {there}."
        )
    return context.teacher


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
