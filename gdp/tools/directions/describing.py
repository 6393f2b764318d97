"""What a direction's file holds, how far it goes on a teacher, and whether it belongs there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gdp.core.errors import MissingResourceError, ShapeError
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.support.direction_names import split_component
from gdp.support.directions import Direction, Move, Origin, plan_move, read_direction, sample_w, trace_origin
from gdp.support.directions.direction import SAMPLES


@dataclass(frozen=True)
class Description:
    """What is known of a direction on a teacher."""

    direction: Direction
    teacher: LatentTeacher
    origin: Origin
    move: Move | None
    """How far strength 1 goes; None where the direction does not fit the teacher."""

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        direction, move = self.direction, self.move
        rows, width = direction.vectors.shape
        return {
            "name": direction.name,
            "rows": rows,
            "w_dim": width,
            "norm": direction.norm,
            "whole_norm": direction.norm * float(direction.vectors.double().norm()),
            "file_scale": direction.scale,
            "layers": direction.layers,
            "space": direction.space or None,
            "found_on": direction.teacher or None,
            "found": direction.found,
            "teacher": self.teacher.fingerprint,
            "fits": move is not None and self.origin.fits,
            "origin": self.origin.words,
            "deviations_above_chance": self.origin.deviations,
            "scale": None if move is None else move.scale,
            "deviation": None if move is None else move.deviation,
            "published_1_is_strength": None if move is None else 1 / move.published,
            "strength_1_is_published": None if move is None else move.published,
        }

    def lines(self) -> list[str]:
        """Say it in lines."""
        data, direction, move = self.to_data(), self.direction, self.move
        rows = "1 row, for all w's," if data["rows"] == 1 else f"{data['rows']} rows, one for each w,"
        held = (
            f"{direction.name}: {rows} of {data['w_dim']} numbers; norm of a row {direction.norm:.4g}, of the whole "
            f"{data['whole_norm']:.4g}"
        )
        if move is None:
            named = f"by a recipe or --set teacher.weights=FILE (this one is {self.teacher.fingerprint[:12]})"
            return [held, f"does not fit: {self.origin.words}", f"another teacher is named {named}"]
        unit = "sigma" if direction.counts_deviations else "times the file's vector"
        file = ", by its file" if direction.scale is not None and move.scale == direction.scale else ""
        return [
            held,
            f"strength 1 moves {move.moved} of {self.teacher.num_ws} w's by {move.length:.4g} {move.each}{file}; the "
            f"standard deviation of {SAMPLES} untruncated samples along it is {move.deviation:.4g}",
            f"strength 1 is published {move.published:.4g} ({unit}); published 1 is strength {1 / move.published:.4g}",
            f"where it belongs: {self.origin.words}",
            *([] if self.origin.fits else ['a recipe uses it only with [pairs] space = "w"']),
        ]


def describe_file(path: Path, teacher: LatentTeacher, layers: tuple[int, ...] | None = None) -> Description:
    """Read a direction and hold it against a teacher.

    Args:
        path: the file, with `#3` for a component.
        teacher: the generator whose ws it is to move.
        layers: numbers of the w's that are moved; None for those that the file names.

    Raises:
        MissingResourceError: it is not there.
        CorruptFileError: it cannot be read as a direction.
        ShapeError: the teacher has no such layer.
    """
    file, component = split_component(path)
    if not file.is_file():
        raise MissingResourceError(f"{file}: there is no such direction file.")
    direction = read_direction(file, component)
    try:
        direction.check_shape(teacher)
    except ShapeError as error:
        return Description(direction, teacher, Origin(False, str(error)), None)
    w = sample_w(teacher)
    move = plan_move(direction, teacher, w, 1.0, layers)
    return Description(direction, teacher, trace_origin(direction, teacher, w), move)
