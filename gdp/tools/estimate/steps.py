"""Counts the training of a student, of shapes alone: its arithmetic by phase, and the memory that a step needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import nn

from gdp.core.arithmetic import count_parameters
from gdp.core.interfaces.pair_sources import Pictures
from gdp.core.interfaces.students import Student
from gdp.core.run.session import Session
from gdp.core.run.stages.train import training_pairs
from gdp.core.training import Rehearsal, TrainingPairs, rehearse
from gdp.tools.estimate.counting import META, PATIENCE, Counting, UncountableError
from gdp.tools.estimate.trial import ManyPairs
from gdp.tools.estimate.works import Arithmetic


@dataclass(frozen=True)
class Counted:
    """A training's arithmetic.

    Attributes:
        steps: A step of each phase.
        shares: Each phase's share of the steps.
        forward: A picture through the generator.
        peak_bytes: What a step holds at once on the device, all networks and moments included.
        checkpoint_bytes: What a checkpoint takes on the disk.
    """

    steps: Sequence[Arithmetic]
    shares: Sequence[float]
    forward: Arithmetic
    peak_bytes: int
    checkpoint_bytes: float

    def whole(self, steps: float) -> Arithmetic:
        """Return the arithmetic of so many steps of the training."""
        found = Arithmetic()
        for each, share in zip(self.steps, self.shares, strict=True):
            found += each.times(steps * share)
        return found


def count_training(trial: Session, pairs: TrainingPairs, steps: int, student: Student | None = None) -> Counted:
    """Count a step of each phase of the recipe's training, of shapes alone.

    Args:
        trial: a session of the recipe.
        pairs: some pairs, at least one.
        steps: of the whole training.
        student: ready to be trained, whose weights are no longer needed; None to build one.

    Raises:
        UncountableError: they do not get through, or not in `PATIENCE`.
    """
    settings = trial.recipe.train.model_copy(
        update={"steps": steps, "epochs": None, "precision": "float32", "compile": "never"}
    )
    half = trial.recipe.train.precision != "float32"
    teacher = trial.teacher
    counting = Counting([] if teacher is None else [teacher.module], deadline=perf_counter() + PATIENCE)
    try:
        with torch.random.fork_rng(), _on_meta(trial), counting.on():
            if student is None:
                with META:
                    student = trial.new_student()
                trial.initialise(student)
            losses = trial.new_losses()
            counting.hold(student.generator, student.discriminator, None if teacher is None else teacher.module)
            with rehearse(
                student, losses, pairs, settings, trial.path, seed=0, device=META, teacher=teacher
            ) as rehearsal:
                found = [_count_step(rehearsal, counting, begin) for begin in begins(rehearsal)]
                shares = phase_shares(rehearsal)
            forward = _count_forward(student, trial, counting)
    except Exception as error:  # whatever a plugin does where numbers are not there
        raise UncountableError(f"{type(error).__name__}: {error}") from error
    if half:
        found, forward = [each.in_half() for each in found], forward.in_half()
    return Counted(found, shares, forward, counting.peak_bytes, checkpoint_bytes(student))


@contextmanager
def _on_meta(trial: Session) -> Iterator[None]:
    """Let plugins be built without memory for their numbers."""
    device, trial.device = trial.device, META
    try:
        yield
    finally:
        trial.device = device


def begins(rehearsal: Rehearsal) -> list[int]:
    """Return the first step of each stretch of steps alike."""
    return [0, *rehearsal.stretch_ends[:-1]]


def phase_shares(rehearsal: Rehearsal) -> list[float]:
    """Return each stretch's share of the steps."""
    ends = rehearsal.stretch_ends
    return [(end - begin) / ends[-1] for begin, end in zip(begins(rehearsal), ends, strict=True)]


def _count_step(rehearsal: Rehearsal, counting: Counting, number: int) -> Arithmetic:
    rehearsal.step(number)  # makes the optimizers' moments, which the next one holds from its beginning
    counting.arithmetic = Arithmetic()
    rehearsal.step(number)
    return counting.arithmetic


def _count_forward(student: Student, trial: Session, counting: Counting) -> Arithmetic:
    side = trial.pair_source.resolution
    counting.arithmetic = Arithmetic()
    with torch.no_grad():
        student.generator.eval()(torch.zeros(1, trial.pair_source.input_channels, side, side, device=META))
    return counting.arithmetic


def few_pairs(trial: Session, many: ManyPairs, count: int, held_out: int) -> TrainingPairs:
    """Return some of the trial's pairs as a training takes them, and as few of the pictures beside them."""
    pairs = training_pairs(trial, range(count), range(held_out), many.load_uint8)
    beside = pairs.unpaired
    few = None if beside is None else Pictures(min(beside.count, count), beside.load_uint8)
    return TrainingPairs(pairs.train, pairs.held_out, pairs.load_uint8, unpaired=few, teach=pairs.teach)


def checkpoint_bytes(student: Student) -> float:
    """Return what a checkpoint takes on the disk: weights, the average, Adam's moments."""
    opposite = student.opposite
    beside: list[nn.Module | None] = [student.discriminator]
    beside += [] if opposite is None else [opposite.generator, opposite.discriminator]
    trained = sum(count_parameters(module) for module in beside if module is not None)
    return 4.0 * (4 * count_parameters(student.generator) + 3 * trained)
