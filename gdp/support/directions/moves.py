"""How far a direction goes on one teacher, in every unit that people count it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from gdp.core.errors import ShapeError
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.pairs.records import Json
from gdp.support.directions.direction import Direction, chosen_layers, scale_over


@dataclass(frozen=True)
class Move:
    """One direction and how far to go along it, on one teacher.

    Attributes:
        direction: What is followed.
        displacement: What is added to the ws, (num_ws, w_dim) float32 on the CPU.
        strength: How far, in standard deviations of the direction's score.
        published: The same as a factor on the file's vector as it is (of a PCA's components: in sigma).
        scale: How far strength 1 goes, in units of w.
        deviation: Standard deviation of the teacher's untruncated w along the direction, as measured: the scale, unless
            the file brings its own.
        moved: How many w's are moved.
    """

    direction: Direction
    displacement: Tensor
    strength: float
    published: float
    scale: float
    deviation: float
    moved: int

    @property
    def length(self) -> float:
        """Root mean square, over the w's that are moved, of how far each goes, in units of w."""
        return float(self.displacement.double().square().sum().div(max(self.moved, 1)).sqrt())

    @property
    def each(self) -> str:
        """Whether each w moves so far, in a word."""
        rows = self.direction.vectors
        return "each" if bool((rows == rows[0]).all()) else "(root mean square)"

    def to_data(self) -> dict[str, Json]:
        """Return it as plain data for the pairs' records, to six digits."""
        return {
            "direction": self.direction.name,
            "strength": _six(self.strength),
            "published": _six(self.published),
            "scale": _six(self.scale),
            "deviation": _six(self.deviation),
            "file_norm": _six(self.direction.norm),
            "length": _six(self.length),
            "moved": self.moved,
        }

    def describe(self) -> str:
        """Say it in one line."""
        file = f", by its file; measured {self.deviation:.3g}" if _differ(self.scale, self.deviation) else ""
        whose = "sigma" if self.direction.counts_deviations else "times the file's vector"
        return (
            f"{self.direction.name}: strength {self.strength:.3g}, published {self.published:.3g} ({whose}), moves "
            f"{self.moved} of {len(self.displacement)} w's by {self.length:.3g} {self.each}; strength 1 is "
            f"{self.scale:.3g}, w's standard deviation along it{file}; the file's norm is {self.direction.norm:.3g}"
        )


def plan_move(
    direction: Direction,
    teacher: LatentTeacher,
    w: Tensor,
    amount: float,
    layers: Sequence[int] | Literal["all"] | None = None,
    *,
    published: bool = False,
) -> Move:
    """Reckon how far a direction goes on a teacher.

    Args:
        direction: what is followed.
        teacher: the generator whose ws are moved.
        w: its untruncated samples (N, w_dim), on which the deviation is measured.
        amount: how far, in standard deviations of the direction's score.
        layers: numbers of the w's that are moved, or "all"; None for those that the file names.
        published: whether `amount` is a published factor instead: the file's vector is added that many times, as it is
            (InterFaceGAN, SeFa, W+), or that many sigma of a PCA's component (GANSpace).

    Raises:
        ShapeError: the direction or the layers do not fit the teacher, or its w does not vary along it.
    """
    direction.check_shape(teacher)
    deviation = scale_over(w, direction.vectors)
    known = None if direction.is_foreign(teacher) else direction.scale
    scale, unit = deviation if known is None else known, direction.published_unit
    if not scale > 0:
        raise ShapeError(f"direction {direction.name}: this teacher's w does not vary along it, so it changes nothing")
    distance = amount * (unit if published else scale)
    chosen = chosen_layers(direction.layers if layers is None else layers, teacher.num_ws, direction.name)
    return Move(
        direction,
        direction.moved(teacher, distance, layers),
        strength=distance / scale if published else amount,
        published=amount if published else distance / unit,
        scale=scale,
        deviation=deviation,
        moved=len(set(chosen)),
    )


def _six(value: float) -> float:
    return float(f"{value:.6g}")


def _differ(one: float, other: float) -> bool:
    return not 0.9 <= one / max(other, 1e-12) <= 1.1
