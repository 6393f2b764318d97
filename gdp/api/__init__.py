"""gdp from Python: run a recipe, use a student, train a teacher. Importing this package imports torch."""

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
from gdp.api.teachers import find_direction, train_teacher

__all__ = [
    "FinishedRun",
    "Refiltered",
    "choose_device",
    "deploy",
    "find_direction",
    "load",
    "look_at",
    "open_session",
    "prune",
    "refilter",
    "run",
    "train_teacher",
]
