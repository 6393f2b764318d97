"""`style-mix` and `morph`: two pictures in, one that is made from both their latents out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gdp.core.errors import ShapeError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.pair_sources import PairSource
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.pairs import Json, PairBatch
from gdp.plugins.pair_sources.config import MorphConfig, SamplingConfig, StyleMixConfig
from gdp.plugins.pair_sources.latent import compact, latent_teacher, picture_batch, sample_ws


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
        self.teacher = latent_teacher(context, "morph")

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
