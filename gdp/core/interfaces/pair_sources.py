"""Pair sources: they make pair number i from the teacher."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.datasets import PictureKind
from gdp.core.interfaces.forecasts import Forecast
from gdp.core.pairs.records import PairBatch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Pictures:
    """Numbered pictures.

    Attributes:
        count: How many there are, numbered from 0.
        load_uint8: From numbers to pictures (N, 3, R, R) uint8 RGB; may be called from a background thread.
    """

    count: int
    load_uint8: Callable[[Sequence[int]], Tensor]


class PairSource(ABC):
    """Makes (source, target) pairs, each determined by (recipe seed, index) alone."""

    def __init__(self, config: Any, context: BuildContext) -> None:
        self.config = config
        self.context = context

    @property
    def count(self) -> int | None:
        """How many pairs there are at most; None where they never end."""
        return None

    @property
    def input_channels(self) -> int:
        """Channels of a source: 3 for each input picture."""
        return 3

    @property
    @abstractmethod
    def resolution(self) -> int:
        """Height and width of the pairs in pixels."""

    @property
    def shows(self) -> PictureKind | None:
        """What the sources show: of a teacher what it makes, of a dataset what it holds; None where nobody has said it.

        What a recipe says (`pairs.shows`) comes first.
        """
        return None

    @property
    def fingerprint(self) -> str:
        """Hash of the files that the settings name (a direction, the pictures of a folder); part of the content key."""
        return ""

    def check(self) -> str:
        """Look at what the pairs are made of: return a remark for the pre-flight, or an empty line.

        Raises:
            GdpError: no pair can be made of it; the message says what to do.
        """
        return ""

    @abstractmethod
    def make(self, indices: Sequence[int]) -> PairBatch:
        """Make the pairs of these numbers. Each is the same whatever else is in the batch."""

    def unreduced(self, indices: Sequence[int]) -> PairBatch:
        """Make the pairs of these numbers at the source's own size, as the slow route is given them.

        A source need not write this: where `[pairs] resolution` asks for less, core reduces what `make` returned.
        """
        return self.make(indices)

    def forecast(self, pairs: int) -> Forecast:
        """Return what making so many pairs will ask of a paid service; `gdp estimate` asks it, and never a call.

        The default is no calls: the source works on this machine, and an estimate times it. A source that foretells
        calls, or whose record says that it asks other machines, makes no pair in an estimate or a dry run.

        Args:
            pairs: how many pairs are to be made, none of which was made before.
        """
        return Forecast()

    def held_out(self, names: Sequence[str | None]) -> Sequence[bool] | None:
        """Say which pairs (by record name) are held out; None leaves the choice to the recipe's fraction."""
        return None

    @property
    def live(self) -> bool:
        """Whether targets are made anew during training (`teach`); else the stored ones are used."""
        return False

    def teach(self, source: Tensor) -> Tensor:
        """Make the targets (N, 3, H, W) of sources (N, C, H, W; [-1, 1]) that are cropped and mirrored at random.

        Called at every step of training if `live`, without gradient; losses may watch the teacher's hidden states
        meanwhile.
        """
        raise TypeError(f"{type(self).__name__} makes no targets during training")

    @property
    def unpaired(self) -> Pictures | None:
        """Real pictures of the target's domain that belong to no pair; None where there are none."""
        return None

    def edit(self, ws: Tensor) -> Tensor | None:
        """Apply the source's edit to ws (N, num_ws, w_dim); None where it is no edit of one latent."""
        return None
