"""`[pairs] resolution`: pairs of any source, made at its own size and reduced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gdp.core.errors import PluginError, ShapeError
from gdp.core.interfaces.datasets import PictureKind
from gdp.core.interfaces.forecasts import Forecast
from gdp.core.interfaces.pair_sources import PairSource, Pictures
from gdp.core.pairs.records import PairBatch
from gdp.core.pictures import from_levels, reduced, reduction, to_levels

if TYPE_CHECKING:
    from torch import Tensor


class ReducedSource(PairSource):
    """Makes another source's pairs smaller; its size is known without that source's teacher.

    Args:
        source: makes the pairs at its own size.
        resolution: height and width of what comes out, in pixels.
    """

    def __init__(self, source: PairSource, resolution: int) -> None:
        super().__init__(source.config, source.context)
        self.source = source
        self._resolution = resolution

    @property
    def count(self) -> int | None:
        """How many pairs the source has."""
        return self.source.count

    @property
    def input_channels(self) -> int:
        """Channels of the source's sources."""
        return self.source.input_channels

    @property
    def resolution(self) -> int:
        """Height and width of the reduced pairs in pixels."""
        return self._resolution

    @property
    def made_at(self) -> int:
        """Height and width in pixels at which the source makes them."""
        return self.source.resolution

    @property
    def shows(self) -> PictureKind | None:
        """What the source's sources show."""
        return self.source.shows

    @property
    def fingerprint(self) -> str:
        """The source's."""
        return self.source.fingerprint

    def make(self, indices: Sequence[int]) -> PairBatch:
        """Make pairs and reduce them; each record says from which size and how.

        Raises:
            ShapeError: the source's pairs are smaller than what is asked for.
        """
        whole = self.source.make(indices)
        before, after = whole.target.shape[-1], self._resolution
        self._check_size(before)
        if before == after:
            return whole
        how = {"from": before, "to": after, "by": reduction(before, after)}
        records = [replace(record, extra={**record.extra, "reduced": how}) for record in whole.records]
        return PairBatch(list(whole.indices), reduced(whole.source, after), reduced(whole.target, after), records)

    def check(self) -> str:
        """Look at what the source's pairs are made of."""
        return self.source.check()

    def _check_size(self, before: int) -> None:
        """Make sure that pairs of a size can be reduced.

        Raises:
            ShapeError: they are smaller already.
            PluginError: the source's teacher works during the training, on pictures that were never reduced.
        """
        if before < self._resolution:
            raise ShapeError(
                f"pairs.resolution is {self._resolution}, and the pair source makes pairs of {before} px: they can be "
                f"reduced, not enlarged. Lower it, or leave it out for {before} px"
            )
        if self.source.live and before != self._resolution:
            raise PluginError(
                "pairs.resolution reduces pairs that are made before the training, and these targets are made during "
                f"it: set pairs.live = false, or let the [dataset] give pictures of {self._resolution} px"
            )

    def unreduced(self, indices: Sequence[int]) -> PairBatch:
        """Make the pairs at the source's own size."""
        return self.source.unreduced(indices)

    def forecast(self, pairs: int) -> Forecast:
        """Say what the source foretells."""
        return self.source.forecast(pairs)

    def held_out(self, names: Sequence[str | None]) -> Sequence[bool] | None:
        """Say which pairs the source holds out."""
        return self.source.held_out(names)

    @property
    def live(self) -> bool:
        """Whether the source makes targets during training, which are allowed at its own size alone."""
        return self.source.live

    def teach(self, source: Tensor) -> Tensor:
        """Make targets as the source does."""
        return self.source.teach(source)

    @property
    def unpaired(self) -> Pictures | None:
        """The source's real pictures of the target's domain, reduced like the pairs."""
        whole = self.source.unpaired
        if whole is None:
            return None

        def load_uint8(numbers: Sequence[int]) -> Tensor:
            return to_levels(reduced(from_levels(whole.load_uint8(numbers)), self._resolution))

        return Pictures(whole.count, load_uint8)

    def edit(self, ws: Tensor) -> Tensor | None:
        """Apply the source's edit."""
        return self.source.edit(ws)
