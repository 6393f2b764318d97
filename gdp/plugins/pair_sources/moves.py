"""How far the directions of `latent-direction` go on its teacher, and whether they belong there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gdp import LatentTeacher, Progress, ShapeError
from gdp.plugins.directions import DirectionStep, PublishedStrength
from gdp.toolbox import Direction, Move, Origin, plan_move, sample_w, trace_origin


@dataclass(frozen=True)
class PlacedMove:
    """How far one direction goes, and what is known of where it belongs."""

    move: Move
    origin: Origin


def place_moves(
    steps: Sequence[tuple[Direction, DirectionStep]], teacher: LatentTeacher, progress: Progress
) -> list[PlacedMove]:
    """Measure each direction on a teacher.

    A direction that is used although it may not belong there, because its step says so, is remarked.

    Args:
        steps: each direction with its settings; the first is that of the section itself.
        teacher: the generator whose ws are moved.
        progress: where to remark.

    Raises:
        ShapeError: a direction does not fit the teacher, or may not belong to its w and no setting says that it does.
    """
    w = sample_w(teacher)
    placed = []
    for number, (direction, step) in enumerate(steps):
        direction.check_shape(teacher)
        origin = trace_origin(direction, teacher, w)
        if not origin.fits and step.space is None:
            raise ShapeError(_ask_about(direction, origin, number))
        if not origin.fits or direction.is_foreign(teacher):
            progress.message(f"direction {direction.name}: {origin.words}. Look at the pairs before you train on them.")
        published = isinstance(step.strength, PublishedStrength)
        amount = step.strength.published if isinstance(step.strength, PublishedStrength) else step.strength
        move = plan_move(direction, teacher, w, amount, step.layers, published=published)
        placed.append(PlacedMove(move, origin))
    return placed


def _ask_about(direction: Direction, origin: Origin, number: int) -> str:
    """Say why a direction is not added to w, and which setting adds it nevertheless."""
    section = "pairs" if number == 0 else f"pairs.more_directions[{number - 1}]"
    return (
        f"direction {direction.name}: {origin.words}. Take a direction in the w of this teacher, or find one with `gdp "
        "find-direction`. If you know that it is one (or one of the teacher that this one was fine-tuned from), say so "
        f'by {section}.space = "w" in the recipe, or --set {section}.space=w'
    )
