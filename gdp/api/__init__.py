"""gdp from Python: run a recipe, use a student, train a teacher.

What a caller wants is read and checked first; torch is imported when that is known to be good.
"""

from gdp.api.runs import (
    FinishedRun,
    Refiltered,
    choose_device,
    deploy,
    load,
    look_at,
    open_session,
    prune,
    refilter,
    run,
)
from gdp.api.teachers import describe_direction, find_direction, train_teacher

__all__ = [
    "FinishedRun",
    "Refiltered",
    "choose_device",
    "deploy",
    "describe_direction",
    "find_direction",
    "load",
    "look_at",
    "open_session",
    "prune",
    "refilter",
    "run",
    "train_teacher",
]
