"""One training step: the generators against the weighted losses, then the discriminators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from torch import Tensor

from gdp.core.errors import TrainingError
from gdp.core.interfaces.losses import Loss, TrainingStep
from gdp.core.interfaces.students import Student
from gdp.core.training.optimizer import Descent
from gdp.core.training.ways import Batch, Guidance, Pool, build_ways


class WeightedLoss(NamedTuple):
    """One term of the objective.

    Attributes:
        name: In the statistics.
        weight: Factor in the generator's objective.
        loss: The term itself.
        begins: Share of the steps before which the term is left out, in [0, 1).
    """

    name: str
    weight: float
    loss: Loss
    begins: float = 0.0

    def first_step(self, steps: int) -> int:
        """Return the first step, counted from 0, of a training of so many that the term takes part in."""
        return round(self.begins * steps)


LossTerm = WeightedLoss | tuple[str, float, Loss]
"""A term, or its name, weight and loss where it takes part from the beginning."""


def unique_names(losses: Sequence[LossTerm]) -> list[WeightedLoss]:
    """Number the losses that a recipe names more than once: l1, l1-2."""
    counts: dict[str, int] = {}
    unique = []
    for term in (WeightedLoss(*each) for each in losses):
        counts[term.name] = counts.get(term.name, 0) + 1
        number = counts[term.name]
        unique.append(term if number == 1 else term._replace(name=f"{term.name}-{number}"))
    return unique


def taking_part(losses: Sequence[WeightedLoss], step: int, steps: int) -> list[WeightedLoss]:
    """Return the terms that a step (counted from 0) of a training of `steps` has."""
    return [term for term in losses if step >= term.first_step(steps)]


def check_losses(student: Student, losses: Sequence[WeightedLoss], has_unpaired: bool) -> bool:
    """Say whether a discriminator is trained.

    Raises:
        TrainingError: there is no loss, or a loss needs a network or pictures that are not there.
    """
    if not losses:
        raise TrainingError("the recipe has no [[losses]]: a student needs at least one, such as l1")
    if all(term.begins > 0 for term in losses):
        first = min(losses, key=lambda term: term.begins)
        raise TrainingError(
            f"every loss begins later than the training does, the first one, {first.name}, after {first.begins:g} of "
            f"the steps: leave out the `begins` of at least one"
        )
    adversarial = [term.name for term in losses if term.loss.adversarial]
    if adversarial and student.discriminator is None:
        raise TrainingError(
            f"the losses {', '.join(adversarial)} need a discriminator and the student {type(student).__name__} has "
            f"none: take them out of the recipe or choose another student"
        )
    cyclic = [term.name for term in losses if term.loss.needs_opposite]
    if cyclic and (student.opposite is None or not has_unpaired):
        lacking = "the student has no way back" if student.opposite is None else "the pair source has no such pictures"
        raise TrainingError(
            f"the losses {', '.join(cyclic)} need a generator of the way back and unpaired pictures of the target's "
            f"domain, and {lacking}: take them out of the recipe, or choose a student and a pair source that have them"
        )
    return bool(adversarial) and student.discriminator_trains


def generator_terms(step: TrainingStep, losses: Sequence[WeightedLoss]) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the generators' objective and its terms by statistics name, before their weights."""
    terms = {f"generator.{term.name}": term.loss.generator(step).float() for term in losses}
    return _sum(term.weight * value for term, value in zip(losses, terms.values(), strict=True)), terms


def discriminator_terms(step: TrainingStep, losses: Sequence[WeightedLoss]) -> tuple[Tensor, dict[str, Tensor]] | None:
    """Return the discriminators' objective and its terms by statistics name; None where no loss trains one."""
    values = {f"discriminator.{term.name}": term.loss.discriminator(step) for term in losses}
    terms = {name: value.float() for name, value in values.items() if value is not None}
    return (_sum(iter(terms.values())), terms) if terms else None


def _sum(terms: Iterator[Tensor]) -> Tensor:
    total = next(terms)
    for term in terms:
        total = total + term
    return total


def train_step(
    student: Student,
    batch: Batch,
    losses: Sequence[WeightedLoss],
    *,
    generate: Callable[[Tensor], Tensor],
    generator_descent: Descent,
    discriminator_descent: Descent | None,
    factor: float,
    autocast: Callable[[], AbstractContextManager[object]],
    guidance: Guidance | None = None,
    pools: tuple[Pool, Pool] | None = None,
) -> dict[str, Tensor]:
    """Train all networks on one batch, in pix2pixHD's order: all forwards, then the generators, then the adversaries.

    Args:
        student: what is trained.
        batch: the step's pictures.
        losses: the terms that take part.
        generate: the generator as the phase trains it.
        generator_descent: moves the generator and what is trained beside it.
        discriminator_descent: moves the discriminators; None where none is trained.
        factor: of the learning rates.
        autocast: makes the context that forwards run in.
        guidance: the live teacher and the watched networks.
        pools: earlier predictions of both ways.

    Returns:
        Statistics name to scalar, without gradient: each term, the sums, what the descents tell of the gradients.
    """
    with autocast():
        ways = build_ways(student, batch, generate, guidance or Guidance(), pools or (Pool(), Pool()))
        objective, values = generator_terms(ways.step, losses)
    values["generator"] = objective
    # The optimizer's step writes into the generators' weights; the discriminators' backward never reaches them.
    found = generator_descent.descend(objective, factor, retain_graph=ways.shares_a_discrimination)
    values |= {f"generator.{name}": value for name, value in found.items()}
    if discriminator_descent is not None:
        with autocast():
            adversarial = discriminator_terms(ways.step, losses)
        if adversarial is not None:
            objective, terms = adversarial
            found = discriminator_descent.descend(objective, factor)
            values |= {**terms, "discriminator": objective}
            values |= {f"discriminator.{name}": value for name, value in found.items()}
    return {name: value.detach() for name, value in values.items()}
