"""Directions in a teacher's w, what is added to a latent so that one thing in the picture changes.

Their files, how far they go on a teacher, where they belong, and how scores are held still along them.
"""

from __future__ import annotations

from gdp.support.directions.direction import (
    Direction,
    chosen_layers,
    measure_scale,
    normalised,
    root_mean_square_norm,
    sample_w,
    scale_over,
)
from gdp.support.directions.files import (
    DIRECTION_FORMAT,
    direction_metadata,
    public_direction,
    read_direction,
    save_direction,
)
from gdp.support.directions.holding import hold_by_effects, project_out, project_out_of_spread
from gdp.support.directions.moves import Move, plan_move
from gdp.support.directions.origin import BELONGS, Origin, chance_deviations, origin_by_name, trace_origin

__all__ = [
    "BELONGS",
    "DIRECTION_FORMAT",
    "Direction",
    "Move",
    "Origin",
    "chance_deviations",
    "chosen_layers",
    "direction_metadata",
    "hold_by_effects",
    "measure_scale",
    "normalised",
    "origin_by_name",
    "plan_move",
    "project_out",
    "project_out_of_spread",
    "public_direction",
    "read_direction",
    "root_mean_square_norm",
    "sample_w",
    "save_direction",
    "scale_over",
    "trace_origin",
]
