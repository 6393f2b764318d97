"""The order of magnitude of a run's training, from counted arithmetic and how fast the device is: a moment's work.

Nothing of the run is tried for it; `gdp estimate` does, and tells how far it may be off.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from gdp.core.arithmetic import count_macs
from gdp.core.interfaces.students import Student
from gdp.core.interfaces.teachers import Teacher
from gdp.core.run.session import Session
from gdp.core.run.stages.pairs import wanted
from gdp.core.run.versions import machine
from gdp.core.training.optimizer import total_steps
from gdp.tools.estimate.arithmetic import DAY, HOUR
from gdp.tools.estimate.counting import UncountableError
from gdp.tools.estimate.pairs import asks_for_pairs, stand_in_pairs
from gdp.tools.estimate.speeds import measure_speeds
from gdp.tools.estimate.steps import Counted, count_training, few_pairs
from gdp.tools.estimate.trial import ManyPairs, open_trial_run
from gdp.tools.estimate.works import Arithmetic, Speeds

MONTH, YEAR = 30 * DAY, 365 * DAY
_NAMES = ((2 * YEAR, "years"), (MONTH, "months"), (7 * DAY, "weeks"), (DAY, "days"), (HOUR, "hours"), (60.0, "minutes"))
LONG = MONTH
"""Seconds from which on a run is warned of."""
ROUNDED = 0.7
"""Of a month and more are called months, of a day and more days: what is nearly one is called by its name."""


@dataclass(frozen=True)
class Magnitude:
    """About how long a run takes here."""

    words: str
    """One line: the device, the order of magnitude, and what it rests on."""
    is_long: bool
    """Whether it takes so long that nobody should begin it unwarned."""


def name_of(seconds: float) -> str:
    """Return the order of magnitude of a time, as people call it: `minutes`, `months`."""
    return next((name for unit, name in _NAMES if seconds >= ROUNDED * unit), "seconds")


def magnitude(session: Session, student: Student) -> Magnitude:
    """Reckon the training and the synthesis of a recipe from what they multiply.

    Args:
        session: of the run, whose teacher and pair source can be built.
        student: of the recipe, ready to be trained; its weights are thrown away.
    """
    about = machine(str(session.device), 1)
    where = f"on {about['device']}"
    if session.device.type == "cpu":
        where += f" ({about['processor']}, {about['cores']} cores)"
    else:
        where += f" ({torch.cuda.get_device_name(session.device)})"
    counted = _count(session, student)
    if isinstance(counted, str):
        return Magnitude(f"{where}; how long the training takes cannot be told from its shapes ({counted})", False)
    speeds, steps = measure_speeds(session.device, min), total_steps(session.recipe.train, _pairs_trained_on(session))
    step = counted.whole(1.0)
    training, pairs = speeds.seconds(step) * steps, _synthesis(session, speeds)
    whole = training + pairs
    trained = "; the training of its teacher comes on top" if session.recipe.teacher_training else ""
    words = (
        f"{where} in the order of {name_of(whole)}: {steps:,} steps of {step.multiplied / 1e9:,.1f} GMAC each"
        f"{_synthesis_words(pairs)}; {counted.peak_bytes / 1e9:.1f} GB for a step{trained}"
    )
    if whole >= LONG * ROUNDED:
        words += (
            ". gdp estimate RECIPE tells what it takes on machines for rent; fewer epochs or a narrower student help"
        )
    return Magnitude(words, whole >= LONG * ROUNDED)


def _pairs_trained_on(session: Session) -> int:
    """Return how many pairs will be trained on at most: what filters drop is not known."""
    return max(1, round(wanted(session) * (1 - session.recipe.pairs.section.held_out)))


def _count(session: Session, student: Student) -> Counted | str:
    if session.pair_source.live and asks_for_pairs(session):
        return "its teacher asks others at every step"
    with tempfile.TemporaryDirectory(prefix="gdp-magnitude-") as folder:
        trial = open_trial_run(session, Path(folder))
        with trial.open_store() as store:
            store.append(stand_in_pairs(trial, range(session.recipe.train.batch)))
            few = few_pairs(trial, ManyPairs(store, store.indices()), session.recipe.train.batch, 0)
            try:
                return count_training(trial, few, 1, student)
            except UncountableError as error:
                return str(error)


def _synthesis(session: Session, speeds: Speeds) -> float:
    """Return the seconds of making all pairs, two pictures each."""
    teacher: Teacher | None = session.teacher
    if teacher is None:
        return 0.0
    macs = count_macs(teacher.module, *teacher.example_inputs())
    return speeds.seconds(Arithmetic(macs=2.0 * macs * wanted(session)))


def _synthesis_words(seconds: float) -> str:
    return f", and {name_of(seconds)} of making pairs" if seconds >= HOUR else ""
