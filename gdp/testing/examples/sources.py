"""A pair source over the example teachers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.pair_sources import PairSource
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.pairs.records import PairBatch, PairRecord
from gdp.testing.examples.teachers import TinyLatentTeacher


class TinyPairSource(PairSource):
    """Samples of a latent teacher and the same samples moved along the first coordinate of w."""

    def __init__(self, config: Any = None, context: BuildContext | None = None) -> None:
        super().__init__(config, context or BuildContext())
        teacher = self.context.teacher
        self._teacher: LatentTeacher = teacher if isinstance(teacher, LatentTeacher) else TinyLatentTeacher()

    @property
    def resolution(self) -> int:
        """Height and width of the teacher's pictures."""
        return self._teacher.resolution

    def edit(self, ws: Tensor) -> Tensor:
        """Move ws (N, num_ws, w_dim) by 1 along their first coordinate."""
        moved = ws.clone()
        moved[..., 0] += 1
        return moved

    def make(self, indices: Sequence[int]) -> PairBatch:
        """Make the pairs of these numbers."""
        ws = self._teacher.map(self._teacher.sample_z(self.context.seed, indices))
        records = [
            PairRecord(index, self.context.seed, {"kind": "example"}, self._teacher.fingerprint) for index in indices
        ]
        source, target = self._teacher.synthesize(ws), self._teacher.synthesize(self.edit(ws))
        return PairBatch(list(indices), source.clamp(-1, 1), target.clamp(-1, 1), records)
