"""Direction methods: they find what to add to a teacher's w so that one thing in the picture changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.pairs.records import Json

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class DirectionSearch:
    """What a method is given to find directions from.

    Attributes:
        w: (N, w_dim) float64 on the CPU: the samples' w, one for all layers. N is 0 for methods that need none.
        teacher: Whose latents they are.
        label: (N,) float64, the score that is to grow along the direction; None for methods that need none.
        held: (N,) float64 for each score that is to stay as it is, by name.
        layers: Numbers of the w's that will be moved, from 0 (coarsest); None for all.
        components: How many directions methods without labels should return.
    """

    w: Tensor
    teacher: LatentTeacher
    label: Tensor | None = None
    held: Mapping[str, Tensor] = field(default_factory=dict)
    layers: tuple[int, ...] | None = None
    components: int = 1


@dataclass(frozen=True)
class FoundDirection:
    """One direction; core sets its norm to 1 and measures its scale and effects.

    Attributes:
        vector: (w_dim,) float64 of any norm; its sign says which way the score grows.
        facts: How it was found, for the direction's file: plain JSON values.
    """

    vector: Tensor
    facts: Mapping[str, Json] = field(default_factory=dict)


class DirectionMethod(ABC):
    """One way of finding directions, such as the difference of class means.

    `find` must give the same directions for the same search: draw random numbers from `context.seed` alone.
    """

    labelled: ClassVar[bool] = True
    """Whether it finds one direction from labels; if not, it finds `components` directions without any."""

    sampled: ClassVar[bool] = True
    """Whether it looks at samples; if not, none are drawn for it, and nothing is said of any."""

    def __init__(self, config: Any, context: BuildContext) -> None:
        self.config = config
        self.context = context

    @abstractmethod
    def find(self, search: DirectionSearch) -> Sequence[FoundDirection]:
        """Return one direction for the label, or `search.components` ones, the strongest first.

        Raises:
            ShapeError: there are too few samples, or the label hardly varies.
            MissingResourceError: a library that the method needs is not installed.
        """
