"""Direction methods: they find what to add to a teacher's w so that one thing in the picture changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from gdp.core.contracts.asking import Asked, Rule, WrongAnswerError, a_number, json_figures, require, shown, yes_or_no
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


def _found(answer: Any, asked: Asked) -> Any:
    """Directions of the teacher's w: one for a label, and no more than were asked for without."""
    import torch

    search: DirectionSearch = asked.arguments[0]
    good = isinstance(answer, Sequence) and all(isinstance(each, FoundDirection) for each in answer)
    if not good:
        raise WrongAnswerError(f"must return a list of gdp.FoundDirection, and returned {shown(answer)}")
    due = "one direction" if search.label is not None else f"{search.components} directions, or fewer"
    fits = len(answer) == 1 if search.label is not None else 0 < len(answer) <= search.components
    require(fits, f"must return {due}, and returned {len(answer)}")
    width = search.teacher.w_dim
    for number, each in enumerate(answer):
        vector = each.vector
        is_floats = isinstance(vector, torch.Tensor) and vector.is_floating_point() and vector.device.type == "cpu"
        if not (is_floats and tuple(vector.shape) == (width,)):
            raise WrongAnswerError(
                f"must return vectors of {width} floats on the CPU, and number {number} is {shown(vector)}"
            )
        finite = bool(vector.isfinite().all()) and bool(vector.any())
        require(finite, f"returned a vector, number {number}, that is 0 or not finite")
        json_figures(each.facts, asked)
    return answer


class DirectionMethod(ABC):
    """One way of finding directions, such as the difference of class means.

    `find` must give the same directions for the same search: draw random numbers from `context.seed` alone.
    """

    _contract: ClassVar[Mapping[str, Rule]] = {
        "find": _found,
        "labelled": yes_or_no,
        "sampled": yes_or_no,
        "fewest_samples": a_number(0, "a whole number of samples, 0 or more"),
    }

    labelled: ClassVar[bool] = True
    """Whether it finds one direction from labels; if not, it finds `components` directions without any."""

    sampled: ClassVar[bool] = True
    """Whether it looks at samples; if not, none are drawn for it, and nothing is said of any."""

    def __init__(self, config: Any, context: BuildContext) -> None:
        self.config = config
        self.context = context

    def fewest_samples(self, width: int) -> int:
        """Return how many samples it needs for a w of `width` numbers; fewer are refused before any is drawn.

        A filter may drop some of those that are drawn, so `find` looks again.
        """
        return 0

    @abstractmethod
    def find(self, search: DirectionSearch) -> Sequence[FoundDirection]:
        """Return one direction for the label, or `search.components` ones, the strongest first.

        Raises:
            ShapeError: there are too few samples, or the label hardly varies.
            MissingResourceError: a library that the method needs is not installed.
        """
